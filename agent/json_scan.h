/* A walk over JSON that is too large for a tree (text/json.h): members are found one after the other, where
 * they lie. For answers of the API server, which are whole JSON: what is not looked at is not checked, beyond
 * its brackets and strings. No I/O. */
#ifndef POD_IDENTITY_AGENT_JSON_SCAN_H
#define POD_IDENTITY_AGENT_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"

struct json_span { /* of one value, without blanks around it; of a string with its quotes */
    const char *at;
    size_t len;
};

/* The value that the text begins with, blanks aside. False: it is none, or not whole. */
bool json_span_of(const char *text, size_t len, struct json_span *out);

/* The next member of an object, or element of an array (*name is then empty). *position: 0 at first. False at
 * the end, or where the text is not well formed. */
bool json_span_next(struct json_span whole, size_t *position, struct json_span *name,
                    struct json_span *value);

/* Whether json_span_next() came to the end: what stands behind that position is nothing. */
bool json_span_over(struct json_span whole, size_t position);

/* The member of that name (written without escapes). */
bool json_span_member(struct json_span object, const char *name, struct json_span *value);

/* The text of a string, with a NUL behind it that out_cap includes. ERR_TYPE: it is none; ERR_SYNTAX: an
 * escape that is none; ERR_CONTROL: a NUL in it; ERR_TOO_LONG. */
enum err json_span_text(struct json_span string, char *out, size_t out_cap, size_t *len);

#endif
