/* The answers that are served: rendered whole, once per refresh, so that a request only picks one and writes
 * it. */
#ifndef POD_IDENTITY_SIDECAR_ANSWERS_H
#define POD_IDENTITY_SIDECAR_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/failure.h"
#include "common/pod/credentials.h"
#include "common/serve/answer.h"
#include "sidecar/identity.h"

/* Answers whose content changes. */
enum answers_page {
    ANSWERS_CREDENTIALS, /* /v1/credentials */
    ANSWERS_PROCESS,     /* /v1/credential-process */
    ANSWERS_IDENTITY,    /* /v1/identity: whose credentials these are, and nothing secret */
    ANSWERS_INSTANCE,    /* the credentials as IMDS shows them */
    ANSWERS_READY,       /* /readyz on the socket: all that is known, of a failure as init says it */
    ANSWERS_READY_BARE,  /* /readyz for everybody: the reason, and nobody's name, address or path */
    ANSWERS_PAGES
};

/* Fixed answers to requests that are well-formed, and refused. */
enum answers_refusal {
    ANSWERS_WRONG_PEER, /* 403: not one of --allow-uid and --socket-group */
    ANSWERS_NO_TOKEN,   /* 401: IMDS without a token that is valid */
    ANSWERS_BAD_TTL,    /* 400: IMDS token without a lifetime, or an impossible one */
    ANSWERS_FORWARDED,  /* 403: IMDS token through a proxy */
    ANSWERS_PUT_ONLY,   /* 405: IMDS token by another method */
    ANSWERS_NO_ROLE,    /* 404: IMDS has no role while there are no credentials */
    ANSWERS_REFUSALS
};

#define ANSWERS_FILE_NOT_WRITTEN "FILE_NOT_WRITTEN" /* a reason of /readyz only */

#define ANSWERS_PROFILES_MAX 8
#define ANSWERS_HEAD_MAX 256

/* Called before the storage of an old answer is used anew: whoever still writes it must stop. There are two
 * editions in turn, so only a client that was slow over two of them meets this. */
typedef void answers_retired(const struct answer *answer);

/* retired, which must not be NULL, is called from answers_publish() and answers_moment(). with_instance:
 * whether ANSWERS_INSTANCE is wanted; else it must not be asked for. names: of the profiles, each with pages
 * of its own; borrowed. */
void answers_open(answers_retired *retired, bool with_instance, const char *const *names, size_t count);
void answers_wipe(void);

/* Renders a new edition of a profile's pages. credentials: what is served, fetched at that time (unix), or
 * NULL if there is nothing to serve; then failure says why, and the credential pages are a 503 with reason
 * and cause. identity: NULL if it is that of the last edition, which served credentials. not_ready: why
 * /readyz says 503 though there are credentials, or NULL for 200; without them not NULL, and /readyz says
 * what failure says. */
void answers_publish(size_t profile, const struct credentials *credentials, int64_t fetched_s,
                     const struct identity *identity, const struct failure *failure, const char *not_ready);

const struct answer *answers_page(size_t profile, enum answers_page page);

/* Who asks: somebody who may see every profile, or only the one of that number. What is asked for by name is
 * found by answers_find() alone: for a caller who may not see it, it does not exist. */
#define ANSWERS_ALL ANSWERS_PROFILES_MAX
static inline bool answers_may_see(size_t view, size_t profile) {
    return view == ANSWERS_ALL || view == profile;
}

/* The profile that this caller gets who names none. */
static inline size_t answers_own(size_t view) {
    return view == ANSWERS_ALL ? 0 : view;
}
/* The number of the profile of that name; "" is that of answers_own(). Or false. */
bool answers_find(size_t view, const char *name, size_t *profile);
/* 404 for a name that was not found: which profiles there are for this caller. */
const struct answer *answers_no_profile(size_t view);
/* ANSWERS_READY or ANSWERS_READY_BARE of the first profile that is not ready, or of the first one; of those
 * that this caller may see. */
const struct answer *answers_ready(size_t view, enum answers_page page);
const struct answer *answers_health(void);
/* A fixed error: 400, 401, 403, 404, 405, 413, 414, 431, 501, 503 or 505. */
const struct answer *answers_error(int status);
const struct answer *answers_refuse(enum answers_refusal refusal);

/* An answer that is true for this moment only, of type text/plain. header is one more header line with its CR
 * LF, or
 * "". There are two of them in turn, as of the editions. */
/* Of each profile, five gauges, and the requests on its socket by their twelve statuses. */
#define ANSWERS_MOMENT_MAX (8192 + ANSWERS_PROFILES_MAX * (5 + 12) * 256)
struct buf answers_moment_begin(void); /* a builder over the storage of its body */
const struct answer *answers_moment_end(const struct buf *body, const char *header);
/* In its place an error, as the fixed ones are; header likewise. */
const struct answer *answers_moment_error(int status, const char *code, const char *message,
                                          const char *header);

/* An answer of 200 over storage of the caller, of type text/plain; header likewise. Before that storage is
 * used anew: answers_retire(). */
void answers_render_text(struct answer *out, char heads[2][ANSWERS_HEAD_MAX], const char *header,
                         const struct buf *body);
void answers_retire(const struct answer *answer);

/* What ANSWERS_CREDENTIALS of a profile serves; its status must be 200. The caller wipes it. */
void answers_credentials(size_t profile, struct credentials *out);

#endif
