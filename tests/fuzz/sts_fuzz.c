/* Answers of STS and EKS Auth: credentials that come out of them are fit for headers and files, and no error
 * names a reason without a remedy. The first byte picks the status. */
#include "tests/fuzz/fuzz.h"

#include "common/aws/eksauth.h"
#include "common/aws/sts.h"

static const char *no_variable(const char *name) {
    return strcmp(name, "AWS_REGION") == 0 ? "eu-central-1" : NULL;
}

static void check(enum reason reason, const struct credentials *c, const struct failure *f) {
    if (reason == REASON_OK) {
        HOLDS(credentials_text_valid(c->access_key_id) && credentials_text_valid(c->secret_access_key));
        HOLDS(credentials_text_valid(c->session_token) && c->expires_ms > 0);
        return;
    }
    HOLDS(c->access_key_id[0] == '\0' && c->secret_access_key[0] == '\0' && c->session_token[0] == '\0');
    HOLDS(f->reason == reason && f->remedy[0] != '\0' && strpbrk(f->message, "\r\n") == NULL);
}

/* What a page shows of it needs no escape. */
static void told(const struct sts_identity *who) {
    HOLDS(who->arn[0] == '\0' || credentials_text_valid(who->arn));
    HOLDS(who->user_id[0] == '\0' || credentials_text_valid(who->user_id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const int statuses[] = {200, 400, 403, 404, 429, 500};
    static char body[HTTP_BODY_MAX + 1];
    static struct endpoint sts, eks;
    static struct credentials credentials;
    static struct failure failure;
    static struct sts_identity identity;
    const struct sts_role role = {.arn = "arn:aws:iam::111122223333:role/x"};
    const struct moment now = {.mono_ms = 1, .wall_ms = 1};
    if (size < 1 || size > HTTP_BODY_MAX)
        return 0;
    memset(&identity, 0, sizeof identity);
    memcpy(body, data + 1, size - 1);
    body[size - 1] = '\0';
    struct http_response r = {
        .result = HTTP_ANSWERED, .status = statuses[data[0] % 6], .body = body, .body_len = size - 1};
    HOLDS(endpoint_find(ENDPOINT_STS, NULL, no_variable, &sts, &failure) == REASON_OK);
    HOLDS(endpoint_find(ENDPOINT_EKS_AUTH, NULL, no_variable, &eks, &failure) == REASON_OK);
    check(sts_credentials(&sts, &role, (data[0] & 64) != 0, &r, now, &credentials, &identity, &failure),
          &credentials, &failure);
    told(&identity);
    credentials_wipe(&credentials);
    check(eksauth_result(&eks, "demo", &r, now, &credentials, &identity, &failure), &credentials, &failure);
    told(&identity);
    credentials_wipe(&credentials);
    if (sts_identity(&sts, &r, &identity, &failure) == REASON_OK)
        HOLDS(identity.account[0] != '\0' && identity.arn[0] != '\0');
    return 0;
}
