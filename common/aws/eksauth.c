#include "common/aws/eksauth.h"

#include <string.h>

#include "common/http/middlebox.h"
#include "common/pod/agent_error.h"
#include "common/pod/denial.h"
#include "common/text/json.h"
#include "common/text/quote.h"

#define CLUSTER_FIRST "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define TOKEN_CHARACTERS CLUSTER_FIRST "-_=."

#define NODE_REMEDY                                                                                          \
    "the credentials of --node-credentials must allow eks-auth:AssumeRoleForPodIdentity (policy "            \
    "AmazonEKSWorkerNodePolicy), and must not have ended"
#define CLUSTER_REMEDY                                                                                       \
    "EKS knows no such cluster in that region: correct --cluster-name and --region (aws eks list-clusters)"
#define REQUEST_REMEDY                                                                                       \
    "EKS Auth does not take the request: check --cluster-name, --region and AWS_ENDPOINT_URL_EKS_AUTH"
#define WAIT_REMEDY FAILURE_WAIT "the AWS Health Dashboard"
#define ERROR_TEXT_MAX 1024 /* of code and message, which are quoted from it */
#define CLOCK_REMEDY FAILURE_CLOCK ": AWS allows 5 minutes"

bool eksauth_cluster_valid(const char *name) {
    size_t len = strlen(name);
    return len >= 1 && len <= EKSAUTH_CLUSTER_MAX && strspn(name, CLUSTER_FIRST) > 0 &&
           strspn(name, CLUSTER_FIRST "-_") == len;
}

static struct aws_target target(const struct endpoint *endpoint, const char *cluster,
                                char path[AWS_CALL_PATH_MAX]) {
    struct buf p = buf_over(path, AWS_CALL_PATH_MAX);
    buf_fmt(&p, "/clusters/%s/assume-role-for-pod-identity", cluster);
    return (struct aws_target){endpoint, "eks-auth", path, "application/json", "AssumeRoleForPodIdentity",
                               cluster};
}

enum err eksauth_request(const struct endpoint *endpoint, const char *cluster, const struct token *token,
                         const struct credentials *signer, int64_t unix_s, struct aws_call *call,
                         struct http_request *out) {
    char path[AWS_CALL_PATH_MAX];
    const struct aws_target t = target(endpoint, cluster, path);
    struct buf body = BUF(call->body);
    if (strspn(token->text, TOKEN_CHARACTERS) != token->len)
        return ERR_SYNTAX;
    buf_str(&body, "{\"token\":\"");
    buf_str(&body, token->text);
    buf_str(&body, "\"}");
    call->body_len = body.len;
    return body.overflow ? ERR_TOO_LONG : aws_call_request(call, &t, signer, unix_s, out);
}

/* ---- 200 ---- */

static enum err take_secret(const struct json *from, const char *name, char *out, size_t cap) {
    const char *text = json_text(json_get(from, name));
    if (text == NULL)
        return json_get(from, name) == NULL ? ERR_MISSING : ERR_TYPE;
    size_t len = strlen(text);
    if (len == 0 || len >= cap)
        return len == 0 ? ERR_EMPTY : ERR_TOO_LONG;
    if (!credentials_text_valid(text))
        return ERR_CONTROL;
    memcpy(out, text, len + 1);
    return ERR_OK;
}

static enum err read_answer(const struct json *root, struct credentials *out, struct sts_identity *who,
                            const char **part) {
    const struct json *c = json_get(root, "credentials");
    int64_t expiration_s = 0;
    const struct {
        const char *name;
        enum err result;
    } parts[] = {
        {"credentials.accessKeyId",
         take_secret(c, "accessKeyId", out->access_key_id, sizeof out->access_key_id)},
        {"credentials.secretAccessKey",
         take_secret(c, "secretAccessKey", out->secret_access_key, sizeof out->secret_access_key)},
        {"credentials.sessionToken",
         take_secret(c, "sessionToken", out->session_token, sizeof out->session_token)},
        {"credentials.expiration", json_number(json_get(c, "expiration"), &expiration_s) ? ERR_OK : ERR_TYPE},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        *part = parts[i].name;
        if (parts[i].result != ERR_OK)
            return parts[i].result;
    }
    if (expiration_s < 0 || expiration_s > INT64_C(253402300799)) /* the end of the year 9999 */
        return ERR_RANGE;
    out->expires_ms = expiration_s * 1000;
    const struct json *user = json_get(root, "assumedRoleUser");
    const char *arn = json_text(json_get(user, "arn"));
    if (arn != NULL)
        credentials_account_of_arn(arn, out->account_id);
    if (who != NULL) {
        sts_identity_take(arn, who->arn, sizeof who->arn);
        sts_identity_take(json_text(json_get(user, "assumeRoleId")), who->user_id, sizeof who->user_id);
    }
    return ERR_OK;
}

static enum err parse(const struct http_response *r, struct credentials *out, struct sts_identity *who,
                      const char **part) {
    const struct json *root;
    *part = "the answer (JSON)";
    enum err e = json_open(r->body, r->body_len, &root);
    if (e == ERR_OK)
        e = read_answer(root, out, who, part);
    json_close();
    return e;
}

/* ---- errors ---- */

/* As the agent would pass it on, so that one table judges both: "(Code): message". Empty if the answer has
 * neither. */
static void put_error(const struct http_response *r, struct buf *out) {
    const struct json *root;
    const char *code = r->who.error_type[0] != '\0' ? r->who.error_type : NULL, *message = NULL;
    if (json_open(r->body, r->body_len, &root) == ERR_OK) {
        const char *type = json_text(json_get(root, "__type"));
        if (type == NULL)
            type = json_text(json_get(root, "code"));
        if (code == NULL && type != NULL)
            code = strrchr(type, '#') != NULL ? strrchr(type, '#') + 1 : type;
        message = json_text(json_get(root, "message"));
        if (message == NULL)
            message = json_text(json_get(root, "Message"));
    }
    if (code != NULL) {
        buf_char(out, '(');
        buf_printable(out, code, strcspn(code, ":"), 64);
        buf_str(out, ")");
        buf_str(out, message != NULL ? ": " : "");
    }
    if (message != NULL)
        buf_printable(out, message, strlen(message), ERROR_TEXT_MAX - 128);
    json_close();
}

/* What the agent's remedies say of the agent is not so here. */
static const char *own_remedy(const struct agent_error *error) {
    if (error->reason == REASON_THROTTLED)
        return WAIT_REMEDY;
    if (strcmp(error->cause, "no-cluster") == 0)
        return CLUSTER_REMEDY;
    if (strcmp(error->cause, "InvalidParameterException") == 0 ||
        strcmp(error->cause, "InvalidRequestException") == 0 ||
        strcmp(error->cause, "request-refused") == 0 || strcmp(error->cause, "agent-endpoint") == 0)
        return REQUEST_REMEDY;
    return error->remedy;
}

/* The front end refused the caller, not the pod. */
static bool about_the_signer(const char *text) {
    static const char codes[][32] = {"(UnrecognizedClientException)", "(MissingAuthentication",
                                     "(IncompleteSignature"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strstr(text, codes[i]) != NULL)
            return true;
    }
    return false;
}

static enum reason refused(const struct aws_target *t, const struct http_response *r, struct failure *f) {
    char text[ERROR_TEXT_MAX];
    struct buf said = BUF(text);
    put_error(r, &said);
    struct agent_error error = agent_error_find(r->status, text, said.len, MIDDLEBOX_NONE);
    const char *remedy = own_remedy(&error), *denial = denial_remedy(text, said.len);
    bool clock =
        strstr(text, "(InvalidSignatureException)") != NULL || strstr(text, "Signature expired") != NULL;
    if (clock) {
        error = (struct agent_error){REASON_ACCESS_DENIED, AWS_CAUSE_SIGNATURE, NULL};
        remedy = CLOCK_REMEDY;
    } else if (said.len > 0 &&
               (about_the_signer(text) || (r->status == 403 && error.reason != REASON_THROTTLED))) {
        error = (struct agent_error){REASON_ACCESS_DENIED, "node-credentials", NULL};
        remedy = denial != NULL ? denial : NODE_REMEDY;
    }
    struct buf m = aws_call_begin(t, error.reason, f);
    f->cause = error.cause;
    f->retry_after_ms = r->retry_after_ms;
    buf_fmt(&m, "answered %d", r->status);
    middlebox_put(r, &m);
    buf_str(&m, said.len + r->body_len > 0 ? ": " : "");
    if (said.len > 0)
        quote_text(&m, text, said.len, QUOTE_MAX);
    else if (r->body_len > 0)
        quote_body(&m, r->body, r->body_len);
    if (said.len > 0)
        failure_remedy(f, "%s", remedy);
    else
        aws_call_stranger(t, r, f);
    return f->reason;
}

enum reason eksauth_result(const struct endpoint *endpoint, const char *cluster,
                           const struct http_response *r, struct moment now, struct credentials *out,
                           struct sts_identity *who, struct failure *f) {
    char path[AWS_CALL_PATH_MAX];
    const struct aws_target t = target(endpoint, cluster, path);
    const char *part;
    credentials_wipe(out);
    if (r->result != HTTP_ANSWERED)
        return aws_call_unanswered(&t, r, f);
    if (r->status != 200)
        return refused(&t, r, f);
    enum err e = parse(r, out, who, &part);
    int64_t expires_ms = out->expires_ms;
    if (e == ERR_OK && expires_ms > now.wall_ms)
        return REASON_OK;
    credentials_wipe(out);
    return e != ERR_OK ? aws_call_nonsense(&t, r, part, e, f)
                       : aws_call_expired(&t, expires_ms, now.wall_ms, f);
}
