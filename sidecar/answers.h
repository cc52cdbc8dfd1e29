/* The answers that are served: rendered whole, once per refresh, so that a request only picks one and writes
 * it. */
#ifndef POD_IDENTITY_ANSWERS_H
#define POD_IDENTITY_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/credentials.h"
#include "common/failure.h"

/* The bytes of one answer: a head in the two forms that a connection needs, and one body. Borrowed from
 * answers.c. */
struct answer {
    const char *keep, *close; /* status line and headers, without and with "Connection: close" */
    size_t keep_len, close_len;
    const char *body;
    size_t body_len;
};

/* Answers whose content changes. */
enum answers_page {
    ANSWERS_CREDENTIALS, /* /v1/credentials */
    ANSWERS_PROCESS,     /* /v1/credential-process */
    ANSWERS_READY,       /* /readyz */
    ANSWERS_PAGES
};

/* Called before the storage of an old answer is used anew: whoever still writes it must stop. There are two
 * editions in turn, so only a client that was slow over two of them meets this. */
typedef void answers_retired(const struct answer *answer);

/* retired, which must not be NULL, is called from answers_publish(). */
void answers_open(answers_retired *retired);
void answers_wipe(void);

/* Renders a new edition of the three pages. credentials: what is served, or NULL if there is nothing to
 * serve; then failure says why, and both credential pages are a 503 with reason and cause. not_ready: why
 * /readyz says 503, or NULL for 200. */
void answers_publish(const struct credentials *credentials, const struct failure *failure,
                     const char *not_ready);

const struct answer *answers_page(enum answers_page page);
const struct answer *answers_health(void);
/* A fixed error: 400, 401, 403, 404, 405, 413, 414, 431, 501, 503 or 505. */
const struct answer *answers_error(int status);

#endif
