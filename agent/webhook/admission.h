/* The engine: an AdmissionReview in, the answer to it out. Bytes to bytes; no I/O, no allocation, nothing
 * kept between two of them. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_ADMISSION_H
#define POD_IDENTITY_AGENT_WEBHOOK_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/webhook/identity.h"
#include "agent/webhook/toolkit.h"

#define ADMISSION_PATCH_MAX 131072 /* bytes of a patch: that of a pod of 80 containers */
#define ADMISSION_PROBLEM_MAX 512
/* The answer: the patch in base64, warnings or a message, and what is around them. */
#define ADMISSION_ANSWER_MAX ((ADMISSION_PATCH_MAX + 2) / 3 * 4 + NOTES_MAX + 4096)

enum admission_association { ADMISSION_NONE, ADMISSION_USABLE, ADMISSION_UNUSABLE };

struct admission_rules {
    const struct identity *identity; /* NULL: that injection is off */
    /* Of a service account; not called if identity is off. */
    enum admission_association (*associated)(const char *namespace, const char *service_account);
    const struct template *template; /* NULL: the toolkit's injection is off */
    bool refuse;       /* a pod that asks for what cannot be done; else it is let through with a warning */
    bool refuse_large; /* likewise what is too large to be looked at */
};

/* What differs from one review to the next, beside its bytes. */
struct admission_call {
    bool toolkit_always; /* pods that do not decline get the toolkit */
    uint64_t random;     /* for the token's life */
};

enum admission_kind {
    ADMISSION_ANSWERED,
    ADMISSION_MALFORMED /* no review of a pod: problem says why; to be answered with 400 */
};

/* What became of it: for counts and the log. */
struct admission_outcome {
    bool identity, toolkit; /* injected */
    bool allowed;
    bool problem; /* something that was asked for cannot be done */
    bool dry_run;
    size_t warnings;
    char namespace[POD_NAMESPACE_MAX], name[POD_NAME_MAX]; /* of the pod; "" if unknown */
    char why[TOOLKIT_WHY_MAX + 160];                       /* of a problem */
};

/* answer, and on ADMISSION_MALFORMED problem, are filled in; answer has ADMISSION_ANSWER_MAX bytes, patch
 * ADMISSION_PATCH_MAX and a NUL: it is used meanwhile. */
enum admission_kind admission_review(const struct admission_rules *rules, const struct admission_call *call,
                                     const char *body, size_t len, struct buf *patch, struct buf *answer,
                                     struct admission_outcome *outcome, struct buf *problem);

/* The answer to one of which only the first bytes were kept. */
enum admission_kind admission_large(const struct admission_rules *rules, const char *body, size_t len,
                                    size_t limit, struct buf *answer, struct admission_outcome *outcome,
                                    struct buf *problem);

/* Of a pod by itself, as people have it: patch is "" or the list of operations, *notes what is to be said. */
enum admission_kind admission_pod(const struct admission_rules *rules, const struct admission_call *call,
                                  const char *text, size_t len, struct buf *patch, struct notes *notes,
                                  struct admission_outcome *outcome, struct buf *problem);

#endif
