#include "agent/node_provider.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/pod/role_arn.h"

#define SESSION_NAME "pod-identity-agent"
#define REGION_PATH "/latest/meta-data/placement/region"
#define SESSION_HEADER "X-aws-ec2-metadata-token"
#define ELSEWHERE                                                                                            \
    "where there is none, give the agent credentials of its own: AWS_ACCESS_KEY_ID and so on from a "        \
    "Secret, AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN, or a shared credentials file "                   \
    "(--rotate-credentials)"

const char *node_provider_name(enum node_provider_kind kind) {
    static const char *const names[] = {"environment", "web-identity", "shared-file", "imds"};
    return names[kind];
}

static bool set(const char *value) {
    return value != NULL && *value != '\0';
}

static enum reason refuse(struct failure *f, const char *message, const char *remedy) {
    struct buf m = failure_begin(f, REASON_SETTING_INVALID);
    f->permanent = true;
    f->cause = "node-credentials";
    buf_str(&m, message);
    failure_remedy(f, "%s", remedy);
    return f->reason;
}

/* ---- choosing ---- */

static bool copy(const char *value, char *out, size_t cap) {
    size_t len = value != NULL ? strnlen(value, cap) : 0;
    if (len == 0 || len >= cap || !credentials_text_valid(value))
        return false;
    memcpy(out, value, len + 1);
    return true;
}

static enum reason open_environment(struct node_provider *p, struct failure *f) {
    struct credentials *c = &p->credentials;
    const char *token = p->lookup("AWS_SESSION_TOKEN");
    p->kind = NODE_PROVIDER_ENVIRONMENT;
    p->ends_ms = c->expires_ms = CLOCK_NEVER;
    const char *wrong =
        !copy(p->lookup("AWS_ACCESS_KEY_ID"), c->access_key_id, sizeof c->access_key_id) ? "AWS_ACCESS_KEY_ID"
        : !copy(p->lookup("AWS_SECRET_ACCESS_KEY"), c->secret_access_key, sizeof c->secret_access_key)
            ? "AWS_SECRET_ACCESS_KEY"
        : set(token) && !copy(token, c->session_token, sizeof c->session_token) ? "AWS_SESSION_TOKEN"
                                                                                : NULL;
    if (wrong == NULL)
        return REASON_OK;
    bool there = set(p->lookup(wrong));
    char text[200];
    struct buf message = BUF(text);
    credentials_wipe(c);
    if (there)
        buf_fmt(&message, "the variable %s of the agent holds what is no key or token", wrong);
    else
        buf_fmt(&message, "the agent has %s, and not %s: one is of no use without the other",
                strcmp(wrong, "AWS_ACCESS_KEY_ID") == 0 ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID",
                wrong);
    return refuse(f, text,
                  "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for temporary ones, AWS_SESSION_TOKEN "
                  "from one Secret; or none of them");
}

static enum reason open_web_identity(struct node_provider *p, struct failure *f) {
    char text[300];
    struct buf problem = BUF(text);
    const char *path = p->lookup(INJECTION_WEB_TOKEN_FILE), *arn = p->lookup(INJECTION_ROLE_ARN),
               *session = p->lookup("AWS_ROLE_SESSION_NAME");
    p->kind = NODE_PROVIDER_WEB_IDENTITY;
    p->token_path = path;
    p->role = (struct sts_role){.arn = arn, .session_name = set(session) ? session : SESSION_NAME};
    if (!set(arn))
        return refuse(f, INJECTION_WEB_TOKEN_FILE " is set, and " INJECTION_ROLE_ARN " is not",
                      "set " INJECTION_ROLE_ARN " to the role of the agent, or unset both");
    if (path[0] != '/')
        return refuse(f, INJECTION_WEB_TOKEN_FILE " is not an absolute path",
                      "set it to the path of a projected serviceAccountToken volume");
    buf_str(&problem, INJECTION_ROLE_ARN "=");
    buf_printable(&problem, arn, strnlen(arn, 121), 120);
    buf_char(&problem, ' ');
    if (!role_arn_check(arn, injection_own_sts(p->lookup) ? ROLE_ARN_ANY : ROLE_ARN_AWS, &problem))
        return refuse(f, text, "set it to the ARN of the agent's role, arn:aws:iam::ACCOUNT:role/NAME");
    return REASON_OK;
}

static enum reason open_imds(struct node_provider *p, struct failure *f) {
    const char *disabled = p->lookup("AWS_EC2_METADATA_DISABLED");
    p->kind = NODE_PROVIDER_IMDS;
    if (set(disabled) && strcasecmp(disabled, "true") == 0)
        return refuse(f, "the agent has no credentials of its own, and AWS_EC2_METADATA_DISABLED is true",
                      "unset it; " ELSEWHERE);
    return node_fetch_open(&p->imds, p->lookup, f);
}

static enum reason choose(struct node_provider *p, const struct settings *settings, struct failure *f) {
    const char *profile = p->lookup("AWS_PROFILE");
    struct buf name = BUF(p->file.profile);
    bool named = set(profile) && !settings->rotate_credentials;
    buf_str(&name, named && ini_profile_valid(profile) ? profile : "default");
    bool file = node_file_find(&p->file, p->lookup);
    if (!settings->rotate_credentials) {
        if (set(p->lookup("AWS_ACCESS_KEY_ID")) || set(p->lookup("AWS_SECRET_ACCESS_KEY")))
            return open_environment(p, f);
        if (set(p->lookup(INJECTION_WEB_TOKEN_FILE)))
            return open_web_identity(p, f);
        if (!file || access(p->file.path, F_OK) != 0)
            return open_imds(p, f);
    }
    p->kind = NODE_PROVIDER_FILE;
    p->ends_ms = CLOCK_NEVER;
    if (!file)
        return refuse(f,
                      "--rotate-credentials, and neither AWS_SHARED_CREDENTIALS_FILE nor HOME names the file",
                      "set AWS_SHARED_CREDENTIALS_FILE to an absolute path");
    return REASON_OK;
}

/* Where the region is neither given nor in the environment, the metadata service is asked, whatever the
 * credentials come from. */
static enum reason open_region(struct node_provider *p, const struct settings *settings, struct failure *f) {
    char text[200];
    struct buf problem = BUF(text);
    const char *names[] = {"AWS_REGION", "AWS_DEFAULT_REGION"}, *value = settings->region, *name = "--region";
    for (size_t i = 0; i < 2 && !set(value); i++)
        value = p->lookup(name = names[i]);
    if (!set(value))
        return p->kind == NODE_PROVIDER_IMDS ? REASON_OK : node_fetch_open(&p->imds, p->lookup, f);
    buf_fmt(&problem, "%s=", name);
    buf_printable(&problem, value, strnlen(value, 61), 60);
    buf_char(&problem, ' ');
    size_t before = problem.len;
    struct buf why = buf_over(text + before, sizeof text - before);
    if (!endpoint_region_check(value, &why))
        return refuse(f, text, "set it to the region's name, as in eu-central-1");
    memcpy(p->region, value, strlen(value) + 1);
    return REASON_OK;
}

enum reason node_provider_open(struct node_provider *p, const struct settings *settings,
                               injection_getenv *lookup, struct failure *f) {
    p->lookup = lookup;
    enum reason reason = choose(p, settings, f);
    return reason == REASON_OK ? open_region(p, settings, f) : reason;
}

/* ---- asking ---- */

static enum node_provider_step ask_imds(struct node_provider *p, struct http_request *out) {
    node_fetch_request(&p->imds, out);
    return NODE_PROVIDER_SEND;
}

static enum node_provider_step ask_region(struct node_provider *p, struct http_request *out) {
    struct buf url = BUF(p->region_url);
    node_fetch_request(&p->imds, out);
    uri_put_origin(&p->imds.base, &url);
    buf_str(&url, REGION_PATH);
    p->asking_region = true;
    out->url = p->region_url;
    return NODE_PROVIDER_SEND;
}

static enum node_provider_step ask_sts(struct node_provider *p, struct token *token, struct aws_call *call,
                                       struct http_request *out, struct failure *f) {
    if (endpoint_find(ENDPOINT_STS, p->region, p->lookup, &p->sts, f) != REASON_OK ||
        token_file_read(p->token_path, token, f) != REASON_OK)
        return NODE_PROVIDER_FAILED;
    if (sts_web_identity(&p->sts, &p->role, token, call, out) == ERR_OK)
        return NODE_PROVIDER_SEND;
    struct buf m = failure_begin(f, REASON_TOKEN_INVALID);
    buf_fmt(&m, "the token in " INJECTION_WEB_TOKEN_FILE " is longer than the %d characters that STS takes",
            STS_TOKEN_MAX);
    failure_remedy(f, "check the projected token of the agent's pod");
    return NODE_PROVIDER_FAILED;
}

/* What the kind asks once the region is known. */
static enum node_provider_step ask(struct node_provider *p, struct token *token, struct aws_call *call,
                                   struct http_request *out, struct failure *f) {
    bool changed;
    switch (p->kind) {
    case NODE_PROVIDER_WEB_IDENTITY:
        return ask_sts(p, token, call, out, f);
    case NODE_PROVIDER_IMDS:
        return ask_imds(p, out);
    case NODE_PROVIDER_FILE:
        return node_file_read(&p->file, &p->credentials, &changed, f) == REASON_OK ? NODE_PROVIDER_DONE
                                                                                   : NODE_PROVIDER_FAILED;
    default:
        return NODE_PROVIDER_DONE;
    }
}

enum node_provider_step node_provider_begin(struct node_provider *p, struct token *token,
                                            struct aws_call *call, struct http_request *out,
                                            struct failure *f) {
    p->asking_region = false;
    node_fetch_restart(&p->imds);
    return p->region[0] == '\0' ? ask_imds(p, out) : ask(p, token, call, out, f);
}

/* ---- answers ---- */

/* In node_fetch_*'s words, with what a node agent can do about it. */
static enum node_provider_step imds_failed(const struct node_provider *p, const struct http_response *r,
                                           struct failure *f) {
    if (p->region[0] == '\0' && p->kind != NODE_PROVIDER_IMDS)
        failure_remedy(f, "the metadata service is asked for the region: set AWS_REGION, or --region");
    else if (r->result != HTTP_ANSWERED)
        failure_remedy(f, "on EC2 the metadata service must be on (aws ec2 "
                          "modify-instance-metadata-options --http-endpoint enabled), and answer this pod: "
                          "give it hostNetwork: true; " ELSEWHERE);
    else if (r->status == 404)
        failure_remedy(f, "the instance has no role: attach an instance profile whose role may call "
                          "eks-auth:AssumeRoleForPodIdentity (policy AmazonEKSWorkerNodePolicy); " ELSEWHERE);
    else if (r->status != 200)
        failure_remedy(f, "the metadata service must answer this pod: give it hostNetwork: true; " ELSEWHERE);
    return NODE_PROVIDER_FAILED;
}

static enum node_provider_step take_region(struct node_provider *p, const struct http_response *r,
                                           struct failure *f) {
    char why[160], text[ENDPOINT_REGION_MAX];
    struct buf problem = BUF(why), word = BUF(text);
    size_t len = r->body != NULL ? strcspn(r->body, "\r\n") : 0;
    p->asking_region = false;
    buf_put(&word, r->body, len);
    if (r->result == HTTP_ANSWERED && r->status == 200 && !word.overflow &&
        endpoint_region_check(text, &problem)) {
        memcpy(p->region, text, len + 1);
        return NODE_PROVIDER_DONE;
    }
    struct buf m = failure_begin(f, REASON_SETTING_INVALID);
    f->cause = "region";
    buf_str(
        &m,
        "neither --region nor AWS_REGION is given, and the metadata service does not tell the region: GET ");
    buf_str(&m, p->region_url);
    if (r->result != HTTP_ANSWERED)
        buf_fmt(&m, " %s", http_result_text(r->result));
    else
        buf_fmt(&m, " answered %d%s", r->status, r->status == 200 ? " with what is no region" : "");
    failure_remedy(f, "set AWS_REGION, or --region");
    return NODE_PROVIDER_FAILED;
}

static enum node_provider_step answer_imds(struct node_provider *p, const struct http_response *r,
                                           struct moment now, struct http_request *out, struct failure *f) {
    const struct moment before_all = {.mono_ms = now.mono_ms};
    bool more;
    if (node_fetch_result(&p->imds, r, before_all, &p->credentials, &more, f) != REASON_OK)
        return imds_failed(p, r, f);
    if (more)
        return p->region[0] == '\0' ? ask_region(p, out) : ask_imds(p, out);
    p->ends_ms = p->credentials.expires_ms;
    if (p->ends_ms <= now.wall_ms) {
        LOG(LOG_WARN,
            "the node's credentials have expired, and are used all the same: AWS hands them out so "
            "while it cannot make new ones",
            LOG_TEXT("source", node_provider_name(p->kind)));
        p->ends_ms = now.wall_ms + NODE_PROVIDER_STALE_MS;
    }
    return NODE_PROVIDER_DONE;
}

enum node_provider_step node_provider_answer(struct node_provider *p, const struct http_response *r,
                                             struct moment now, struct token *token, struct aws_call *call,
                                             struct http_request *out, struct failure *f) {
    if (p->asking_region) {
        if (take_region(p, r, f) == NODE_PROVIDER_FAILED)
            return NODE_PROVIDER_FAILED;
        return ask(p, token, call, out, f);
    }
    if (p->kind == NODE_PROVIDER_IMDS || p->region[0] == '\0')
        return answer_imds(p, r, now, out, f);
    if (sts_credentials(&p->sts, &p->role, true, r, now, &p->credentials, NULL, f) != REASON_OK)
        return NODE_PROVIDER_FAILED;
    p->ends_ms = p->credentials.expires_ms;
    return NODE_PROVIDER_DONE;
}
