/* What the tests of the sidecar's answers share. */
#ifndef POD_IDENTITY_TESTS_ANSWER_CHECKS_H
#define POD_IDENTITY_TESTS_ANSWER_CHECKS_H

#include "common/serve/request.h"
#include "sidecar/answers.h"

/* Of the profile "default", from the agent, which told nothing of it. */
extern const struct identity nobody;

/* The answers that were retired since open_answers(). */
extern struct answer retired[24];
extern size_t retired_count;

/* A set-up function: answers with all pages, and nothing to serve yet. */
int open_answers(void **state);

struct request request_for(enum request_method method, const char *path, const char *host,
                           const char *bearer);

/* The status line's; both heads whole, and in agreement with the body; a JSON error with that code (NULL:
 * any). */
int status_of(const struct answer *a);
void check_answer(const struct answer *a);
void is_json_with_both_spellings(const struct answer *a, const char *code);

#endif
