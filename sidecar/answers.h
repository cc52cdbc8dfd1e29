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

/* The storage of a page was taken for a new rendering: whoever still writes bytes from within it must stop.
 * Each page has two places in turn, so only a client that was slow over two renderings meets this. */
typedef void answers_retired(const struct answer *answer);

/* Renders the answers that never change, and "nothing fetched yet" for the others. */
void answers_open(answers_retired *retired);
void answers_wipe(void);

const struct answer *answers_page(enum answers_page page);
const struct answer *answers_health(void);
/* A fixed error: 400, 401, 403, 404, 405, 413, 414, 431, 501, 503 or 505. */
const struct answer *answers_error(int status);

/* New credentials: both credential pages are rendered anew, as 200. */
void answers_set_credentials(const struct credentials *c);
/* There is nothing to serve: both become 503 with reason and cause. */
void answers_set_failure(const struct failure *f);
/* /readyz: 200 if why is NULL, else 503 with that text. */
void answers_set_ready(const char *why);

#endif
