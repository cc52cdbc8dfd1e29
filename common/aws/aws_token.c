#include "common/aws/aws_token.h"

#include <string.h>

#include "common/base/number.h"
#include "common/base/options.h"
#include "common/base/wipe.h"
#include "common/text/base64url.h"

#define BIT(kind) (1U << (kind))
#define CACHES (BIT(AWS_TOKEN_ELASTICACHE) | BIT(AWS_TOKEN_MEMORYDB))
#define ALL (BIT(AWS_TOKEN_KINDS) - 1)
#define EKS_EXPIRES_S 60 /* as the AWS CLI has it; Kubernetes counts from the signing */
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* Arrays: a pointer would cost a relocation. */
static const struct kind {
    char name[12], service[14], query[46], takes[32];
} kinds[AWS_TOKEN_KINDS] = {
    [AWS_TOKEN_RDS] = {"rds", "rds-db", "Action=connect&DBUser=", "host, port, user, region"},
    [AWS_TOKEN_ELASTICACHE] = {"elasticache", "elasticache",
                               "Action=connect&User=", "cache, user, serverless, region"},
    [AWS_TOKEN_MEMORYDB] = {"memorydb", "memorydb", "Action=connect&User=", "cache, user, region"},
    [AWS_TOKEN_MSK] = {"msk", "kafka-cluster", "Action=kafka-cluster%3AConnect", "region"},
    [AWS_TOKEN_EKS] = {"eks", "sts", "Action=GetCallerIdentity&Version=2011-06-15", "cluster, region"},
};

enum parameter { HOST, CACHE, CLUSTER, PORT, USER, SERVERLESS, REGION, PARAMETERS };
static const struct {
    char name[11];
    uint8_t kinds;
    bool optional;
} parameters[PARAMETERS] = {
    [HOST] = {"host", BIT(AWS_TOKEN_RDS), false},
    [CACHE] = {"cache", CACHES, false},
    [CLUSTER] = {"cluster", BIT(AWS_TOKEN_EKS), false},
    [PORT] = {"port", BIT(AWS_TOKEN_RDS), false},
    [USER] = {"user", BIT(AWS_TOKEN_RDS) | CACHES, false},
    [SERVERLESS] = {"serverless", BIT(AWS_TOKEN_ELASTICACHE), true},
    [REGION] = {"region", ALL, true},
};

const char *aws_token_name(enum aws_token_kind kind) {
    return kinds[kind].name;
}

bool aws_token_find(const char *name, enum aws_token_kind *kind) {
    for (*kind = AWS_TOKEN_RDS; *kind < AWS_TOKEN_KINDS; ++*kind) {
        if (strcmp(kinds[*kind].name, name) == 0)
            return true;
    }
    return false;
}

/* ---- parameters ---- */

static bool take_port(struct aws_token *t, const char *value, struct buf *problem) {
    uint32_t port = 0;
    unsigned len = number_read(value, 10, UINT16_MAX, &port);
    t->port = (uint16_t)port;
    if (len == 0 || value[len] != '\0' || port == 0)
        buf_str(problem, "not a number from 1 to 65535");
    return problem->len == 0;
}

static bool take_place(struct aws_token *t, const char *value, const char *more, struct buf *problem) {
    const char *all = more[0] == '.' ? LETTERS DIGITS "-." : LETTERS DIGITS "-_";
    if (!option_text(value, t->place, sizeof t->place, problem))
        return false;
    if (value[strspn(value, all)] != '\0')
        buf_fmt(problem, "only letters, digits, - and %s are allowed", more);
    return problem->len == 0;
}

static bool take(struct aws_token *t, enum parameter p, const char *value, struct buf *problem) {
    switch (p) {
    case PORT:
        return take_port(t, value, problem);
    case USER:
        return option_text(value, t->user, sizeof t->user, problem);
    case SERVERLESS:
        t->serverless = strcmp(value, "true") == 0;
        if (!t->serverless && strcmp(value, "false") != 0)
            buf_str(problem, "neither true nor false");
        return problem->len == 0;
    case REGION:
        return endpoint_region_check(value, problem) &&
               option_text(value, t->region, sizeof t->region, problem);
    default:
        return take_place(t, value, p == CLUSTER ? "_" : ".", problem);
    }
}

bool aws_token_set(struct aws_token *t, const char *name, const char *value, struct buf *problem) {
    char text[AWS_TOKEN_PROBLEM_MAX / 2];
    struct buf why = BUF(text);
    size_t p = 0;
    while (p < PARAMETERS && strcmp(parameters[p].name, name) != 0)
        p++;
    if (p == PARAMETERS || (parameters[p].kinds & BIT(t->kind)) == 0) {
        buf_fmt(&why, "no parameter of %s, which takes %s", kinds[t->kind].name, kinds[t->kind].takes);
    } else if ((t->given & BIT(p)) != 0) {
        buf_str(&why, "given twice");
    } else {
        t->given |= (uint8_t)BIT(p);
        (void)take(t, (enum parameter)p, value, &why);
    }
    if (why.len == 0)
        return true;
    buf_printable(problem, name, strlen(name), 32);
    buf_fmt(problem, ": %s", text);
    return false;
}

/* Where a token begins: nothing else of it depends on the endpoint. */
static bool find_origin(struct aws_token *t, injection_getenv *lookup, struct buf *problem) {
    struct endpoint e;
    struct failure f;
    struct buf origin = BUF(t->origin);
    bool eks = t->kind == AWS_TOKEN_EKS;
    enum reason r = eks ? endpoint_find(ENDPOINT_STS, t->region, lookup, &e, &f)
                        : endpoint_find_region(t->region, lookup, &e, &f);
    if (r != REASON_OK) {
        buf_fmt(problem, "region: %s", f.message);
        return false;
    }
    if (eks && e.uri.path[0] != '\0' && strcmp(e.uri.path, "/") != 0) {
        buf_fmt(problem, "%s: a URL with a path", e.origin);
        return false;
    }
    memcpy(t->region, e.region, strlen(e.region) + 1);
    if (eks)
        uri_put_origin(&e.uri, &origin);
    else if (t->kind == AWS_TOKEN_MSK)
        buf_fmt(&origin, "https://kafka.%s.amazonaws.com", t->region); /* in all partitions, as the signer */
    else
        buf_str(&origin, t->place);
    if (t->kind == AWS_TOKEN_RDS)
        buf_fmt(&origin, ":%u", (unsigned)t->port);
    return true;
}

bool aws_token_complete(struct aws_token *t, injection_getenv *lookup, struct buf *problem) {
    for (size_t p = 0; p < PARAMETERS; p++) {
        if ((parameters[p].kinds & BIT(t->kind)) != 0 && !parameters[p].optional &&
            (t->given & BIT(p)) == 0) {
            buf_fmt(problem, "%s: %s needs it", parameters[p].name, kinds[t->kind].name);
            return false;
        }
    }
    return find_origin(t, lookup, problem);
}

/* ---- signing ---- */

int64_t aws_token_life_s(const struct aws_token *t, const struct credentials *c, int64_t unix_s) {
    int64_t left_s = c->expires_ms / 1000 - unix_s,
            life_s = t->kind == AWS_TOKEN_EKS ? AWS_TOKEN_EKS_LIFE_S : AWS_TOKEN_LIFE_S;
    return left_s <= 0 ? 0 : left_s < life_s ? left_s : life_s;
}

/* The Host header to the origin, as clients send it: in lower case, without the port of https. */
static void put_host(const char *origin, struct buf *out) {
    const char *scheme = strstr(origin, "://"), *at = scheme != NULL ? scheme + 3 : origin;
    size_t len = strlen(at);
    if (len > 4 && strcmp(at + len - 4, ":443") == 0)
        len -= 4;
    for (size_t i = 0; i < len; i++)
        buf_char(out, (char)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] + 32 : at[i]));
}

static enum err put_url(const struct aws_token *t, const struct credentials *c, int64_t unix_s,
                        struct sigv4_scratch *scratch, struct buf *url) {
    char host_text[AWS_TOKEN_ORIGIN_MAX], query_text[sizeof kinds[0].query + 3 * AWS_TOKEN_USER_MAX + 32];
    struct buf host = BUF(host_text), query = BUF(query_text);
    const struct kind *kind = &kinds[t->kind];
    bool eks = t->kind == AWS_TOKEN_EKS;
    int64_t life_s = aws_token_life_s(t, c, unix_s);
    const struct sigv4_header headers[] = {{"host", host_text}, {"x-k8s-aws-id", t->place}};
    const struct sigv4_request request = {
        .method = "GET", .path = "/", .query = query_text, .headers = headers, .header_count = eks ? 2 : 1};
    const struct sigv4_scope scope = {c->access_key_id, c->secret_access_key, t->region, kind->service,
                                      unix_s};
    const struct sigv4_presign presign = {
        .expires_s = (uint32_t)(eks && life_s > EKS_EXPIRES_S ? EKS_EXPIRES_S : life_s),
        .session_token = c->session_token[0] != '\0' ? c->session_token : NULL};
    put_host(t->origin, &host);
    buf_str(&query, kind->query);
    sigv4_put_encoded(&query, t->user); /* "" where there is none */
    if (t->serverless)
        buf_str(&query, "&ResourceType=ServerlessCache");
    buf_fmt(url, "%s/?", t->origin);
    return life_s == 0 ? ERR_RANGE : sigv4_presign(&scope, &request, &presign, scratch, url);
}

enum err aws_token_sign(const struct aws_token *t, const struct credentials *c, int64_t unix_s,
                        const char *agent, struct aws_token_scratch *scratch, struct buf *out) {
    struct buf url = BUF(scratch->url);
    enum err e = put_url(t, c, unix_s, &scratch->sigv4, &url);
    if (e == ERR_OK && t->kind == AWS_TOKEN_MSK) {
        buf_str(&url, "&User-Agent=");
        sigv4_put_encoded(&url, agent);
    }
    if (e == ERR_OK && url.overflow)
        e = ERR_TOO_LONG;
    if (e == ERR_OK && (t->kind == AWS_TOKEN_MSK || t->kind == AWS_TOKEN_EKS)) {
        buf_str(out, t->kind == AWS_TOKEN_EKS ? "k8s-aws-v1." : "");
        if (out->cap - out->len < BASE64URL_SIZE(url.len)) {
            e = ERR_TOO_LONG;
        } else {
            base64url_encode((const unsigned char *)url.data, url.len, out->data + out->len);
            out->len += BASE64URL_SIZE(url.len) - 1;
        }
    } else if (e == ERR_OK) {
        buf_put(out, url.data, url.len);
        e = out->overflow ? ERR_TOO_LONG : ERR_OK;
    }
    buf_wipe(&url);
    return e;
}
