#include "common/aws/sts_error.h"

#include <string.h>

#include "common/http/middlebox.h"
#include "common/pod/denial.h"
#include "common/text/quote.h"
#include "common/text/xml.h"

#define MESSAGE_MAX 4096 /* a refused signature is explained by what should have been signed */
#define SIGNER_REMEDY                                                                                        \
    "the credentials that signed this have ended or were revoked; the next try fetches new ones"
#define CLOCK_REMEDY FAILURE_CLOCK ": AWS allows 5 to 15 minutes"
#define TRUST_REMEDY                                                                                         \
    "let the trust policy of that role allow the role whose credentials ask (pod-identity-sidecar whoami) "  \
    "sts:AssumeRole, and sts:TagSession too, since EKS Pod Identity's session tags are passed on; check "    \
    "the "                                                                                                   \
    "external id, the source identity (sts:SetSourceIdentity) and other conditions, and that the asking "    \
    "role's own policy allows sts:AssumeRole"
#define WEB_TRUST_REMEDY                                                                                     \
    "let the trust policy of that role allow sts:AssumeRoleWithWebIdentity to this cluster's OIDC "          \
    "provider, "                                                                                             \
    "with the conditions :sub system:serviceaccount:NAMESPACE:NAME and :aud sts.amazonaws.com (aws iam "     \
    "get-role --role-name ROLE; aws iam list-open-id-connect-providers), and check AWS_ROLE_ARN"
#define ISSUER_REMEDY                                                                                        \
    "check that IAM has an OIDC provider for the token's issuer in the role's account (aws iam "             \
    "list-open-id-connect-providers) with its audience among the client ids, and that STS is active for "    \
    "this region in that account (IAM console, account settings); right after a rotation of the issuer's "   \
    "keys this passes"
#define TOKEN_REMEDY                                                                                         \
    "the kubelet did not renew the token, or a clock is wrong: look at the kubelet's log and the node's "    \
    "clock (chronyc tracking), and delete the pod so that it gets a fresh token"
#define PACKED_REMEDY                                                                                        \
    "session policy and session tags together are too large, those that EKS Pod Identity passes on "         \
    "included: shorten --session-policy-file and --session-tag, or switch the latter off at the "            \
    "association (aws eks update-pod-identity-association --disable-session-tags)"
#define REGION_REMEDY                                                                                        \
    "activate STS for this region (IAM console, account settings), or set AWS_REGION to one that is active"
#define KEYS_REMEDY                                                                                          \
    "the credentials that signed this are unknown there: another partition (AWS_REGION), or a region that "  \
    "the account did not opt in to"
#define VALUE_REMEDY                                                                                         \
    "correct the option that the message names (a role's ARN: --assume-role; the others: --external-id, "    \
    "--role-session-name, --session-duration, --session-tag, --session-policy-file)"
#define WEB_VALUE_REMEDY                                                                                     \
    "correct what the message names (a role's ARN: the annotation eks.amazonaws.com/role-arn of the "        \
    "service "                                                                                               \
    "account, from which AWS_ROLE_ARN comes, then recreate the pod; the others: --role-session-name, "       \
    "--session-duration, --session-policy-file)"
#define OTHER_REMEDY                                                                                         \
    "STS itself refuses this, for the reason that it names: look at that, at the role, and, where another "  \
    "maker's STS is asked (AWS_ENDPOINT_URL_STS), at its settings"
#define WAIT_REMEDY FAILURE_WAIT "the AWS Health Dashboard"
#define THROTTLED_REMEDY "too many ask STS of this account at once: wait and try again"
enum remedy {
    SIGNER,
    CLOCK,
    TRUST,
    ISSUER,
    TOKEN,
    PACKED,
    REGION,
    KEYS,
    VALUE,
    WAIT,
    THROTTLED,
    OTHER,
    STRANGER
};

static const char *const remedies[] = {
    [SIGNER] = SIGNER_REMEDY, [CLOCK] = CLOCK_REMEDY,         [TRUST] = TRUST_REMEDY,
    [ISSUER] = ISSUER_REMEDY, [TOKEN] = TOKEN_REMEDY,         [PACKED] = PACKED_REMEDY,
    [REGION] = REGION_REMEDY, [KEYS] = KEYS_REMEDY,           [VALUE] = VALUE_REMEDY,
    [WAIT] = WAIT_REMEDY,     [THROTTLED] = THROTTLED_REMEDY, [OTHER] = OTHER_REMEDY,
};

/* Arrays: see agent_error.c. */
static const struct code {
    char code[28];
    uint8_t reason, remedy;
} codes[] = {
    {"ExpiredTokenException", REASON_TOKEN_INVALID, TOKEN},
    {"InvalidIdentityToken", REASON_TOKEN_INVALID, ISSUER},
    {"ExpiredToken", REASON_ACCESS_DENIED, SIGNER},
    {"InvalidClientTokenId", REASON_ACCESS_DENIED, KEYS},
    {"UnrecognizedClientException", REASON_ACCESS_DENIED, KEYS},
    {"SignatureDoesNotMatch", REASON_ACCESS_DENIED, CLOCK},
    {"InvalidSignatureException", REASON_ACCESS_DENIED, CLOCK},
    {"RequestTimeTooSkewed", REASON_ACCESS_DENIED, CLOCK},
    {"RequestExpired", REASON_ACCESS_DENIED, CLOCK},
    {"AccessDenied", REASON_ACCESS_DENIED, TRUST},
    {"IDPRejectedClaim", REASON_ACCESS_DENIED, ISSUER},
    {"PackedPolicyTooLarge", REASON_ACCESS_DENIED, PACKED},
    {"MalformedPolicyDocument", REASON_ACCESS_DENIED, VALUE},
    {"RegionDisabledException", REASON_ACCESS_DENIED, REGION},
    {"ValidationError", REASON_ACCESS_DENIED, VALUE},
    {"IDPCommunicationError", REASON_THROTTLED, WAIT},
    {"Throttling", REASON_THROTTLED, THROTTLED},
    {"ThrottlingException", REASON_THROTTLED, THROTTLED},
    {"RequestLimitExceeded", REASON_THROTTLED, THROTTLED},
    {"SlowDown", REASON_THROTTLED, THROTTLED},
    {"TooManyRequestsException", REASON_THROTTLED, THROTTLED},
};

static const struct code *find(const char *code) {
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(codes[i].code, code) == 0)
            return &codes[i];
    }
    return NULL;
}

/* Without a code that is known. A 5xx may be of anything on the way, and passes. */
static const struct code *by_status(int status, bool sts) {
    static const struct code passing = {"status-5xx", REASON_THROTTLED, WAIT},
                             limited = {"status-429", REASON_THROTTLED, THROTTLED},
                             refused = {"refused-by-sts", REASON_ACCESS_DENIED, OTHER},
                             lost = {"status-5xx", REASON_THROTTLED, STRANGER},
                             denied = {"status-403", REASON_ACCESS_DENIED, STRANGER},
                             other = {"status", REASON_BAD_RESPONSE, STRANGER};
    if (sts)
        return status >= 500 ? &passing : status == 429 ? &limited : &refused;
    return status >= 500 ? &lost : status == 429 ? &limited : status == 403 ? &denied : &other;
}

/* By web identity nobody signs, and the role's ARN comes from the service account. */
static const char *remedy_of(const struct code *known, const char *message, bool web) {
    const char *denial = known->remedy == TRUST ? denial_remedy(message, strlen(message)) : NULL;
    if (denial != NULL)
        return denial;
    if (web && known->remedy == TRUST)
        return WEB_TRUST_REMEDY;
    return web && known->remedy == VALUE ? WEB_VALUE_REMEDY : remedies[known->remedy];
}

enum reason sts_error(const struct aws_target *t, const struct sts_role *role, const struct http_response *r,
                      struct failure *f) {
    char code[64] = "", message[MESSAGE_MAX] = "";
    bool sts = xml_check(r->body, r->body_len, XML_NAMESPACE_STS) == ERR_OK &&
               xml_text(r->body, r->body_len, "ErrorResponse/Error/Code", code, sizeof code) == ERR_OK;
    if (sts)
        (void)xml_words(r->body, r->body_len, "ErrorResponse/Error/Message", message, sizeof message);
    const struct code *known = find(code);
    if (known == NULL)
        known = by_status(r->status, sts);
    struct buf m = aws_call_begin(t, (enum reason)known->reason, f);
    f->cause = known->remedy == CLOCK ? AWS_CAUSE_SIGNATURE : known->code;
    f->retry_after_ms = r->retry_after_ms;
    buf_fmt(&m, "answered %d", r->status);
    if (sts) {
        buf_char(&m, ' ');
        buf_printable(&m, code, strlen(code), sizeof code);
    } else {
        middlebox_put(r, &m);
    }
    if (message[0] != '\0' || (!sts && r->body_len > 0))
        buf_str(&m, ": ");
    if (message[0] != '\0')
        quote_text(&m, message, strlen(message), QUOTE_MAX);
    else if (!sts && r->body_len > 0)
        quote_body(&m, r->body, r->body_len);
    bool web = role != NULL && strcmp(t->action, "AssumeRole") != 0;
    if (known->remedy == STRANGER)
        aws_call_stranger(t, r, f);
    else
        failure_remedy(f, "%s", remedy_of(known, message, web));
    return f->reason;
}
