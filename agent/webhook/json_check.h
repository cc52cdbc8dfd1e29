/* Whether a text is one JSON document (RFC 8259, valid UTF-8), before anything in it is believed:
 * agent/json_scan.h then walks over it. Not recursive, no storage, no I/O. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_JSON_CHECK_H
#define POD_IDENTITY_AGENT_WEBHOOK_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#define JSON_CHECK_DEPTH_MAX 64 /* what json_scan walks over; a review of a pod has less than 20 */

struct json_flaw {
    size_t at;        /* where in the text it was noticed */
    const char *what; /* in words that fit behind "it is not JSON: "; static text */
};

bool json_check(const char *text, size_t len, struct json_flaw *flaw);

#endif
