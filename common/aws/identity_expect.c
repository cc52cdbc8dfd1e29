#include "common/aws/identity_expect.h"

#include <string.h>

bool identity_is_role(const struct sts_identity *identity, const char *expected) {
    char role[STS_SESSION_NAME_MAX + 1], session[STS_SESSION_NAME_MAX + 1];
    char account[CREDENTIALS_ACCOUNT_MAX];
    const char *slash = strrchr(expected, '/'), *name = slash != NULL ? slash + 1 : expected;
    if (!sts_role_of(identity->arn, role, session) || strcmp(role, name) != 0)
        return false;
    if (strncmp(expected, "arn:", 4) != 0)
        return true;
    size_t partition = strcspn(expected + 4, ":");
    credentials_account_of_arn(expected, account);
    return strcmp(account, identity->account) == 0 &&
           strncmp(expected, identity->arn, 4 + partition + 1) == 0;
}

static enum reason unexpected(const char *who, const char *option, const char *expected, struct failure *f) {
    struct buf m = failure_begin(f, REASON_UNEXPECTED_IDENTITY);
    f->permanent = true;
    buf_str(&m, "the credentials are for \"");
    buf_printable(&m, who, strlen(who), 300);
    buf_fmt(&m, "\", and --%s says \"", option);
    buf_printable(&m, expected, strlen(expected), 300);
    buf_char(&m, '"');
    failure_remedy(f,
                   "correct the role of this service account's association (aws eks "
                   "list-pod-identity-associations --cluster-name CLUSTER), of its annotation or of "
                   "--assume-role, or --%s",
                   option);
    return f->reason;
}

enum reason identity_expect(const struct sts_identity *identity, const char *account, const char *role,
                            struct failure *failure) {
    if (account[0] != '\0' && strcmp(account, identity->account) != 0)
        return unexpected(identity->arn, "expect-account", account, failure);
    if (role[0] != '\0' && !identity_is_role(identity, role))
        return unexpected(identity->arn, "expect-role", role, failure);
    return REASON_OK;
}

enum reason identity_expect_account(const char *account, const char *expected, struct failure *failure) {
    char text[CREDENTIALS_ACCOUNT_MAX + 8];
    struct buf who = BUF(text);
    if (strcmp(account, expected) == 0)
        return REASON_OK;
    buf_fmt(&who, "account %s", account);
    if (account[0] != '\0')
        return unexpected(text, "expect-account", expected, failure);
    struct buf m = failure_begin(failure, REASON_UNEXPECTED_IDENTITY);
    failure->permanent = true;
    buf_fmt(&m, "the answer does not tell the account of its credentials, and --expect-account says %s",
            expected);
    failure_remedy(failure,
                   "update the EKS Pod Identity Agent add-on, or say --expect-role, for which STS is asked");
    return failure->reason;
}
