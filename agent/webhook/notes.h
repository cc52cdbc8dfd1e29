/* What a person is told beside the answer: warnings, which kubectl shows. No I/O. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_NOTES_H
#define POD_IDENTITY_AGENT_WEBHOOK_NOTES_H

#include <stddef.h>

#include "common/base/buf.h"

#define NOTE_MAX 1024  /* bytes of one; the API server shows 256 for certain */
#define NOTES_MAX 8192 /* bytes of all, as JSON: more than there are kinds of them */

struct notes {
    char text[NOTES_MAX]; /* strings in JSON, with commas between */
    struct buf json;
    size_t count;
};

void notes_open(struct notes *notes);
void notes_add(struct notes *notes, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
