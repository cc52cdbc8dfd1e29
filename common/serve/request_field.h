/* The headers of a request: which of them count, where their values are kept, and what they say. Of the
 * parser alone. */
#ifndef POD_IDENTITY_SERVE_REQUEST_FIELD_H
#define POD_IDENTITY_SERVE_REQUEST_FIELD_H

#include "common/serve/request_head.h"

/* why: static text. Returns REQUEST_BAD. */
enum request_status request_refuse(struct request *r, int status, const char *why);

/* Behind the colon: r->name has r->at characters. */
enum request_status request_field_begins(struct request *r);
/* Bytes of a value, as far as they fit; nothing if nobody decides on it. */
void request_field_keep(struct request *r, const char *bytes, size_t len);
/* Behind the value. */
enum request_status request_field_ends(struct request *r);

#endif
