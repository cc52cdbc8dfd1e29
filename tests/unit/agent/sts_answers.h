/* Answers of STS. */
#ifndef POD_IDENTITY_TESTS_UNIT_AGENT_STS_ANSWERS_H
#define POD_IDENTITY_TESTS_UNIT_AGENT_STS_ANSWERS_H

/* Credentials with that access key id, until that time; an error. Static storage, until the next call. */
const char *sts_granted(const char *action, const char *key, const char *until);
const char *sts_denied(const char *code, const char *message);

#endif
