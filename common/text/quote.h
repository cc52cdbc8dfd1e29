/* Text of another within a message of ours: an error's message, read as its reader needs it, and without
 * anything secret.
 *
 * An error may repeat what it was sent. What this process holds (secrets.h) is found in it also where it is
 * cut short, folded, split by quotes, or written with JSON's escapes, per cent, XML's entities, in base64 or
 * hex, or in up to three of these one within the other. What merely looks like a key or token is left out as
 * well, and access key ids are shortened. Role and issuer, names and hosts stay. */
#ifndef POD_IDENTITY_TEXT_QUOTE_H
#define POD_IDENTITY_TEXT_QUOTE_H

#include <stddef.h>

#include "common/base/buf.h"

#define QUOTE_MAX 400 /* the longest known error of agent or AWS has under 350 */

/* Appends one line in quotes, at most max bytes (no more than QUOTE_LOOKED_AT) and three dots. */
void quote_text(struct buf *message, const char *text, size_t len, size_t max);

/* The same for an error's body: only the part of it that is a message is quoted. That is the member "message"
 * of a JSON object, the title of a page (or its first text), or the whole of a plain text. */
void quote_body(struct buf *message, const char *body, size_t len);

/* Whether the body is a page of HTML. */
bool quote_is_page(const char *body, size_t len);

#endif
