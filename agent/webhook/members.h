/* Members of objects that json_check() has passed, where they lie (agent/json_scan.h).
 *
 * A name may be written with escapes, and if it is there twice the last one counts: so reads Go, and so does
 * the API server when it applies a patch. No I/O, no storage of its own. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_MEMBERS_H
#define POD_IDENTITY_AGENT_WEBHOOK_MEMBERS_H

#include "agent/json_scan.h"

/* What a span can be. NULL is what is absent, too: Go reads them alike. */
enum span_kind { SPAN_NULL, SPAN_OBJECT, SPAN_ARRAY, SPAN_STRING, SPAN_TRUE, SPAN_FALSE, SPAN_NUMBER };
enum span_kind span_kind(struct json_span span);

struct member {
    const char *name;
    enum span_kind kind;    /* that it must have, if it is there; SPAN_NULL: any; SPAN_TRUE: either boolean */
    struct json_span value; /* len is 0: it is not there, or null */
};

/* Fills in the values. NULL, or the name of a member that is of another kind. An object that is not there has
 * none. */
const char *members_pick(struct json_span object, struct member *members, size_t count);

/* One member, of whatever kind. */
struct json_span members_get(struct json_span object, const char *name);

/* Whether a string is, or begins with, that text. */
bool span_is(struct json_span string, const char *text);
bool span_begins(struct json_span string, const char *text);
bool span_same(struct json_span a, struct json_span b); /* of two strings */

/* The line of a place in the text, from 1. */
unsigned span_line(const char *text, const char *at);

#endif
