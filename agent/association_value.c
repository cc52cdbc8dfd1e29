#include "agent/association_value.h"

#include <string.h>

#include "common/text/json.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789"
#define EXTERNAL_ID_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ" LOWER "_+=,.@:/-"
#define LABEL_MAX 63 /* of a namespace's name */

struct reader {
    const char *text;
    size_t len;
    const struct associations_rules *rules;
    struct association_text *out;
    struct association_problem *problem;
};

/* A builder for what is wrong with that field. at: the value that is wrong, or NULL: the whole. */
static struct buf blame(struct reader *r, const char *field, const struct json *at) {
    r->problem->field = field;
    r->problem->line = at != NULL ? json_line(r->text, r->len, at) : 1;
    return BUF(r->problem->text);
}

static bool refuse(struct reader *r, const char *field, const struct json *at, const char *why) {
    struct buf b = blame(r, field, at);
    buf_str(&b, why);
    return false;
}

/* ---- one reader for each field ---- */

/* A text of at most max bytes. */
static bool text_of(struct reader *r, const char *field, const struct json *value, char *out, size_t max) {
    const char *text = json_text(value);
    if (text == NULL)
        return refuse(r, field, value, "is not a string");
    if (text[0] == '\0')
        return refuse(r, field, value, "is empty");
    size_t len = strlen(text);
    if (len > max) {
        struct buf b = blame(r, field, value);
        buf_fmt(&b, "has %zu characters; at most %zu are allowed", len, max);
        return false;
    }
    memcpy(out, text, len + 1);
    return true;
}

static bool take_arn(struct reader *r, const char *field, const struct json *value, char *out) {
    char why[ASSOCIATION_PROBLEM_MAX / 2];
    struct buf problem = BUF(why);
    if (!text_of(r, field, value, out, STS_ARN_MAX))
        return false;
    if (role_arn_check(out, r->rules->maker, &problem))
        return true;
    struct buf b = blame(r, field, value);
    buf_char(&b, '"');
    buf_printable(&b, out, strlen(out), 120);
    buf_fmt(&b, "\" %s", why);
    return false;
}

static bool take_role(struct reader *r, const char *field, const struct json *value) {
    return take_arn(r, field, value, r->out->role_arn);
}

static bool take_target(struct reader *r, const char *field, const struct json *value) {
    return take_arn(r, field, value, r->out->target_role_arn);
}

static bool take_external_id(struct reader *r, const char *field, const struct json *value) {
    char *out = r->out->external_id;
    if (!text_of(r, field, value, out, STS_EXTERNAL_ID_MAX))
        return false;
    size_t len = strlen(out);
    return (len >= 2 && strspn(out, EXTERNAL_ID_CHARACTERS) == len) ||
           refuse(r, field, value, "must have 2 to 1224 letters, digits and any of _+=,.@:/-");
}

static bool take_boolean(struct reader *r, const char *field, const struct json *value) {
    if (!json_is_true(value) && !json_is_false(value))
        return refuse(r, field, value, "is neither true nor false");
    r->out->session_tags = json_is_false(value);
    return true;
}

/* STS's model: line breaks, tabs, and U+0020 to U+00FF. */
static bool policy_characters(const char *text) {
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        bool latin = (*p == 0xC2 || *p == 0xC3) && (p[1] & 0xC0) == 0x80;
        if (*p >= 0x80 && !latin)
            return false;
        if (*p < ' ' && *p != '\t' && *p != '\n' && *p != '\r')
            return false;
        p += latin;
    }
    return true;
}

static bool take_policy(struct reader *r, const char *field, const struct json *value) {
    if (json_is_object(value))
        return refuse(r, field, value,
                      "is an object: it must be a string that holds the policy's JSON, escaped");
    return text_of(r, field, value, r->out->policy, STS_POLICY_MAX) &&
           (policy_characters(r->out->policy) ||
            refuse(r, field, value, "has characters that no policy may have"));
}

static bool take_duration(struct reader *r, const char *field, const struct json *value) {
    int64_t s;
    if (!json_integer(value, &s))
        return refuse(r, field, value, "is not a whole number");
    if (s < STS_DURATION_MIN_S || s > STS_DURATION_MAX_S) {
        struct buf b = blame(r, field, value);
        buf_fmt(&b, "is %lld; it must be %d to %d", (long long)s, STS_DURATION_MIN_S, STS_DURATION_MAX_S);
        return false;
    }
    r->out->duration_s = s;
    return true;
}

static bool take_exchange(struct reader *r, const char *field, const struct json *value) {
    const char *text = json_text(value);
    bool web = text != NULL && strcmp(text, "web-identity") == 0,
         assume = text != NULL && strcmp(text, "assume-role") == 0;
    if (!web && !assume)
        return refuse(r, field, value, "is neither \"web-identity\" nor \"assume-role\"");
    r->out->exchange = web ? EXCHANGE_WEB_IDENTITY : EXCHANGE_ASSUME_ROLE;
    if (assume && r->rules->ceiling == EXCHANGE_WEB_IDENTITY)
        return refuse(
            r, field, value,
            "is \"assume-role\", which this agent does not do: it runs with --exchange=web-identity");
    return true;
}

typedef bool take_field(struct reader *r, const char *field, const struct json *value);

static const struct {
    const char *name;
    take_field *take;
} fields[] = {
    {"roleArn", take_role},           {"targetRoleArn", take_target},
    {"externalId", take_external_id}, {"disableSessionTags", take_boolean},
    {"policy", take_policy},          {"durationSeconds", take_duration},
    {"exchange", take_exchange},
};
#define FIELDS (sizeof fields / sizeof fields[0])

/* ---- the whole ---- */

static bool unknown(struct reader *r, const struct json *member) {
    struct buf b = blame(r, "the value", member);
    buf_str(&b, "has an unknown field \"");
    buf_printable(&b, json_name(member), strlen(json_name(member)), 60);
    buf_str(&b, "\"; the fields are ");
    for (size_t i = 0; i < FIELDS; i++)
        buf_fmt(&b, "%s%s", i > 0 ? ", " : "", fields[i].name);
    return false;
}

static bool take_members(struct reader *r, const struct json *root, unsigned *seen) {
    const struct json *member;
    for (size_t i = 0; (member = json_item(root, i)) != NULL; i++) {
        size_t f = 0;
        while (f < FIELDS && strcmp(fields[f].name, json_name(member)) != 0)
            f++;
        if (f == FIELDS)
            return unknown(r, member);
        if ((*seen & 1U << f) != 0)
            return refuse(r, fields[f].name, member, "is given twice");
        *seen |= 1U << f;
        if (!fields[f].take(r, fields[f].name, member))
            return false;
    }
    return true;
}

/* What depends on more than one field. */
static bool judge(struct reader *r, const struct json *root) {
    const struct association_text *a = r->out;
    bool targeted = a->target_role_arn[0] != '\0',
         chained = targeted || (a->exchange == EXCHANGE_ASSUME_ROLE && r->rules->agent_is_role);
    if (a->role_arn[0] == '\0')
        return refuse(r, "roleArn", NULL, "is missing");
    if (a->external_id[0] != '\0' && !targeted)
        return refuse(r, "externalId", json_get(root, "externalId"),
                      "is for targetRoleArn only, which is not given");
    if (!chained || a->duration_s <= STS_CHAIN_MAX_S)
        return true;
    struct buf b = blame(r, "durationSeconds", json_get(root, "durationSeconds"));
    buf_fmt(&b, "is %lld; STS gives at most %d where a role's credentials assume a role%s",
            (long long)a->duration_s, STS_CHAIN_MAX_S,
            targeted ? ", as for targetRoleArn" : ", as with --exchange=assume-role");
    return false;
}

static bool not_json(struct reader *r, enum err e) {
    size_t at = json_error_offset();
    struct buf b = blame(r, "the value", NULL);
    if (e == ERR_TOO_LONG && r->len > ASSOCIATIONS_VALUE_MAX) { /* how much more, nobody has read */
        buf_fmt(&b, "has more than %d bytes", ASSOCIATIONS_VALUE_MAX);
        return false;
    }
    if (e == ERR_TOO_LONG) {
        buf_str(&b, "has more values in it than an association can have");
        return false;
    }
    for (size_t i = 0; i < at && i < r->len; i++)
        r->problem->line += r->text[i] == '\n';
    buf_fmt(&b, "is not JSON: %s", err_text(e));
    return false;
}

static bool read_object(struct reader *r) {
    const struct json *root;
    unsigned seen = 0;
    enum err e = json_open(r->text, r->len, &root);
    if (e != ERR_OK)
        return not_json(r, e);
    bool good = json_is_object(root) ? take_members(r, root, &seen) && judge(r, root)
                                     : refuse(r, "the value", NULL, "is not a JSON object");
    json_close();
    return good;
}

/* The line of the policy's member. */
static unsigned policy_line(const struct reader *r) {
    const struct json *root, *member = NULL;
    if (json_open(r->text, r->len, &root) == ERR_OK)
        member = json_get(root, "policy");
    unsigned line = member != NULL ? json_line(r->text, r->len, member) : 1;
    json_close();
    return line;
}

/* After the value itself: one document is open at a time. */
static bool policy_is_json(struct reader *r) {
    const struct json *root;
    const char *policy = r->out->policy;
    bool object = json_open(policy, strlen(policy), &root) == ERR_OK && json_is_object(root);
    json_close();
    if (object)
        return true;
    (void)refuse(r, "policy", NULL, "is not a JSON object in a string");
    r->problem->line = policy_line(r);
    return false;
}

bool association_parse(const char *text, size_t len, const struct associations_rules *rules,
                       struct association_text *out, struct association_problem *problem) {
    struct reader r = {text, len, rules, out, problem};
    memset(out, 0, sizeof *out);
    out->session_tags = true;
    out->exchange = rules->ceiling;
    memset(problem, 0, sizeof *problem);
    return read_object(&r) && (out->policy[0] == '\0' || policy_is_json(&r));
}

/* ---- keys ---- */

static bool label(const char *text, size_t len, size_t max) {
    if (len == 0 || len > max || text[0] == '-' || text[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\0' || strchr(LOWER "-", text[i]) == NULL)
            return false;
    }
    return true;
}

static bool subdomain(const char *text, size_t len) {
    for (size_t at = 0;;) {
        const char *dot = memchr(text + at, '.', len - at);
        size_t part = dot != NULL ? (size_t)(dot - text) - at : len - at;
        if (!label(text + at, part, ASSOCIATIONS_KEY_MAX))
            return false;
        if (dot == NULL)
            return true;
        at += part + 1;
    }
}

bool association_key_check(const char *key, size_t len, struct buf *problem) {
    const char *dot = memchr(key, '.', len);
    size_t ns = dot != NULL ? (size_t)(dot - key) : 0;
    if (len > ASSOCIATIONS_KEY_MAX) {
        buf_fmt(problem, "has %zu characters; a ConfigMap's keys have at most %d", len, ASSOCIATIONS_KEY_MAX);
        return false;
    }
    if (dot == NULL) {
        buf_str(problem, "is not NAMESPACE.SERVICEACCOUNT: it has no dot");
        return false;
    }
    if (!label(key, ns, LABEL_MAX)) {
        buf_str(problem,
                "is not NAMESPACE.SERVICEACCOUNT: what stands before its first dot is not a namespace's "
                "name");
        return false;
    }
    if (!subdomain(dot + 1, len - ns - 1)) {
        buf_str(problem, "is not NAMESPACE.SERVICEACCOUNT: what stands behind its first dot is not a service "
                         "account's name");
        return false;
    }
    return true;
}
