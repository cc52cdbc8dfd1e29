#include "common/source/source_options.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/aws/eksauth.h"
#include "common/base/setting.h"
#include "common/pod/role_arn.h"

#define WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
#define SESSION_CHARACTERS WORD "+=,.@-"
#define EXTERNAL_ID_CHARACTERS SESSION_CHARACTERS ":/"

const char *const source_names[] = {[SOURCE_AUTO] = "auto",
                                    [SOURCE_POD_IDENTITY] = "pod-identity",
                                    [SOURCE_WEB_IDENTITY] = "web-identity",
                                    [SOURCE_EKS_AUTH] = "eks-auth",
                                    NULL};
const char *const source_node_names[] = {
    [SOURCE_NODE_IMDS] = "imds", [SOURCE_NODE_ENVIRONMENT] = "environment", NULL};

/* A copy that lives as long as the options. */
static const char *keep(struct source_options *o, const char *value, size_t len, struct buf *problem) {
    char *copy = o->text + o->text_used;
    if (len >= sizeof o->text - o->text_used) {
        buf_fmt(problem, "the texts of all roles together have more than %d bytes", SOURCE_TEXT_MAX);
        return NULL;
    }
    memcpy(copy, value, len);
    copy[len] = '\0';
    o->text_used += len + 1;
    return copy;
}

static bool keep_of(struct source_options *o, const char **out, const char *value, size_t min, size_t max,
                    const char *characters, const char *rule, struct buf *problem) {
    size_t len = strnlen(value, max + 1);
    if (len < min || len > max || (characters != NULL && strspn(value, characters) != len)) {
        buf_str(problem, rule);
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7F) {
            buf_str(problem, "it holds a control character");
            return false;
        }
    }
    *out = keep(o, value, len, problem);
    return *out != NULL;
}

/* ---- of a role ---- */

static struct sts_role *filled(struct source_options *o) {
    return o->own_settings ? &o->roles[o->role_count - 1] : &o->base;
}

bool source_take_external_id(void *options, const char *value, struct buf *problem) {
    struct source_options *o = options;
    struct sts_role *role = filled(o);
    return keep_of(o, &role->external_id, value, 2, STS_EXTERNAL_ID_MAX, EXTERNAL_ID_CHARACTERS,
                   "an external id has 2 to 1224 letters, digits and any of _+=,.@:/-", problem);
}

bool source_take_session_name(void *options, const char *value, struct buf *problem) {
    struct source_options *o = options;
    struct sts_role *role = filled(o);
    return keep_of(o, &role->session_name, value, 2, STS_SESSION_NAME_MAX, SESSION_CHARACTERS,
                   "a session name has 2 to 64 letters, digits and any of _+=,.@-", problem);
}

bool source_take_source_identity(void *options, const char *value, struct buf *problem) {
    struct source_options *o = options;
    struct sts_role *role = filled(o);
    return keep_of(o, &role->source_identity, value, 2, STS_SESSION_NAME_MAX, SESSION_CHARACTERS,
                   "a source identity has 2 to 64 letters, digits and any of _+=,.@-", problem);
}

bool source_take_duration(void *options, const char *value, struct buf *problem) {
    struct sts_role *role = filled(options);
    int64_t ms;
    if (!option_duration(value, &ms, problem))
        return false;
    role->duration_s = ms / 1000;
    if (ms % 1000 == 0 && role->duration_s >= STS_DURATION_MIN_S && role->duration_s <= STS_DURATION_MAX_S)
        return true;
    buf_str(problem, "STS takes 15m to 12h, in whole seconds");
    return false;
}

bool source_role_tag(struct source_options *o, const char *key, size_t key_len, const char *value,
                     struct buf *problem) {
    struct sts_role *role = filled(o);
    char name[STS_TAG_KEY_MAX + 1];
    if (role->tag_count == STS_TAGS_MAX) {
        buf_fmt(problem, "more than %d tags", STS_TAGS_MAX);
        return false;
    }
    if (key_len == 0 || key_len > STS_TAG_KEY_MAX || strncmp(key, "aws:", 4) == 0) {
        buf_str(problem, "a tag's key has 1 to 128 characters, and does not begin with aws:");
        return false;
    }
    memcpy(name, key, key_len);
    name[key_len] = '\0';
    for (size_t i = 0; i < role->tag_count; i++) {
        if (strcasecmp(role->tags[i].key, name) == 0) {
            buf_str(problem, "that key is there twice (STS does not tell upper from lower case)");
            return false;
        }
    }
    if (!keep_of(o, &role->tags[role->tag_count].key, name, 1, STS_TAG_KEY_MAX, NULL, "", problem) ||
        !keep_of(o, &role->tags[role->tag_count].value, value, 0, STS_TAG_VALUE_MAX, NULL,
                 "a tag's value has at most 256 characters", problem))
        return false;
    role->tag_count++;
    return true;
}

bool source_take_tag(void *options, const char *value, struct buf *problem) {
    struct source_options *o = options;
    const char *equals = strchr(value, '=');
    if (equals == NULL) {
        buf_str(problem, "no KEY=VALUE");
        return false;
    }
    return source_role_tag(o, value, (size_t)(equals - value), equals + 1, problem);
}

bool source_take_transitive(void *options, const char *value, struct buf *problem) {
    struct source_options *o = options;
    struct sts_role *role = filled(o);
    if (role->transitive_count == STS_TAGS_MAX) {
        buf_fmt(problem, "more than %d keys", STS_TAGS_MAX);
        return false;
    }
    if (!keep_of(o, &role->transitive[role->transitive_count], value, 1, STS_TAG_KEY_MAX, NULL,
                 "a tag's key has 1 to 128 characters", problem))
        return false;
    role->transitive_count++;
    return true;
}

/* Read once, at the start: what it says is a part of the configuration. */
bool source_take_policy_file(void *options, const char *value, struct buf *problem) {
    struct source_options *o = options;
    struct sts_role *role = filled(o);
    char text[STS_POLICY_MAX + 2];
    int fd = open(value, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (len < 0) {
        buf_fmt(problem, "the file cannot be read: %s (errno %d)", strerror(error), error);
        return false;
    }
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r' || text[len - 1] == ' '))
        len--;
    text[len] = '\0';
    if (len == 0 || len > STS_POLICY_MAX || text[0] != '{' || strlen(text) != (size_t)len) {
        buf_fmt(problem, "the file holds no JSON policy of 1 to %d characters", STS_POLICY_MAX);
        return false;
    }
    role->policy = keep(o, text, (size_t)len, problem);
    return role->policy != NULL;
}

/* ---- options ---- */

static bool take_index(const char *value, const char *const *names, size_t *index, struct buf *problem) {
    return option_choice(value, names, index, problem);
}

bool source_take_kind(void *options, const char *value, struct buf *problem) {
    size_t index;
    if (strcmp(value, "irsa") == 0) /* what everybody calls it */
        value = source_names[SOURCE_WEB_IDENTITY];
    if (!take_index(value, source_names, &index, problem))
        return false;
    ((struct source_options *)options)->kind = (enum source_kind)index;
    return true;
}

bool source_take_self_injected(void *options, const char *value, struct buf *problem) {
    size_t index;
    if (!take_index(value, injection_self_names, &index, problem))
        return false;
    ((struct source_options *)options)->self_injected = (enum injection_self)index;
    return true;
}

bool source_take_node(void *options, const char *value, struct buf *problem) {
    size_t index;
    if (!take_index(value, source_node_names, &index, problem))
        return false;
    ((struct source_options *)options)->node = (enum source_node)index;
    return true;
}

bool source_take_region(void *options, const char *value, struct buf *problem) {
    struct source_options *o = options;
    return endpoint_region_check(value, problem) &&
           keep_of(o, &o->region, value, 1, ENDPOINT_REGION_MAX - 1, NULL, "", problem);
}

bool source_take_cluster_name(void *options, const char *value, struct buf *problem) {
    struct source_options *o = options;
    if (!eksauth_cluster_valid(value)) {
        buf_str(problem,
                "a cluster's name has 1 to 100 letters, digits, - and _, the first a letter or digit");
        return false;
    }
    o->cluster_name = keep(o, value, strlen(value), problem);
    return o->cluster_name != NULL;
}

bool source_take_ca_bundle(void *options, const char *value, struct buf *problem) {
    struct source_options *o = options;
    if (value[0] != '/') {
        buf_str(problem, "not an absolute file path");
        return false;
    }
    return keep_of(o, &o->ca_bundle, value, 2, OPTIONS_VALUE_MAX - 1, NULL, "too long", problem);
}

/* Of what maker's STS it may be, source_open() knows. */
bool source_take_role(void *options, const char *value, struct buf *problem) {
    struct source_options *o = options;
    if (!role_arn_check(value, ROLE_ARN_ANY, problem))
        return false;
    if (o->role_count == SOURCE_ROLES_MAX) {
        buf_fmt(problem, "a chain of more than %d roles", SOURCE_ROLES_MAX);
        return false;
    }
    if (!keep_of(o, &o->roles[o->role_count].arn, value, 1, STS_ARN_MAX, NULL, "longer than 2048 characters",
                 problem))
        return false;
    o->role_count++;
    return true;
}

/* ---- together ---- */

bool source_options_check(const struct source_options *o, struct buf *problem) {
    for (size_t i = 0; i < o->role_count; i++) {
        if (o->roles[i].duration_s > STS_CHAIN_MAX_S) {
            buf_fmt(
                problem,
                "--session-duration: %s is assumed with the credentials of another role, and STS lets such a "
                "session last 1h at most",
                o->roles[i].arn);
            return false;
        }
    }
    if (o->kind == SOURCE_EKS_AUTH && o->cluster_name == NULL)
        buf_str(problem, "--source=eks-auth needs --cluster-name");
    else if (o->kind != SOURCE_EKS_AUTH && o->cluster_name != NULL)
        buf_str(problem, "--cluster-name is for --source=eks-auth: the agent knows its cluster");
    return problem->len == 0;
}

bool source_options_spread(struct source_options *o, struct buf *problem) {
    const struct sts_role *given = &o->base;
    bool for_a_role = given->external_id != NULL || given->tag_count > 0 || given->transitive_count > 0 ||
                      given->source_identity != NULL;
    if (o->role_count == 0 && for_a_role) {
        buf_str(problem, "--external-id, --session-tag, --transitive-tag-key and --source-identity need "
                         "--assume-role");
        return false;
    }
    if (o->role_count == 0 && o->kind == SOURCE_POD_IDENTITY &&
        (given->duration_s > 0 || given->policy != NULL)) {
        buf_str(problem,
                "--session-duration and --session-policy-file need --assume-role: with EKS Pod Identity "
                "the association decides");
        return false;
    }
    for (size_t i = 0; i < o->role_count; i++) {
        const char *arn = o->roles[i].arn;
        if (i + 1 == o->role_count)
            o->roles[i] = *given;
        o->roles[i].arn = arn;
        o->roles[i].session_name = given->session_name;
        o->roles[i].source_identity = given->source_identity;
        o->roles[i].duration_s = given->duration_s;
    }
    if (o->role_count > 0) { /* then they are not for the first role of web identity */
        const char *name = given->session_name;
        o->base = (struct sts_role){.session_name = name};
    }
    return source_options_check(o, problem);
}

const char *source_ca_file(const struct source_options *o, injection_getenv *lookup) {
    static const char *const names[] = {"AWS_CA_BUNDLE", "SSL_CERT_FILE"};
    if (o->ca_bundle != NULL)
        return o->ca_bundle;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = lookup(names[i]);
        if (value != NULL && *value != '\0')
            return value;
    }
    return "/etc/ssl/certs/ca-certificates.crt";
}

/* A mistyped account would otherwise be found only in a running cluster, as an identity that is unexpected.
 */
bool source_take_expect_account(void *options, const char *value, struct buf *problem) {
    struct source_options *o = options;
    if (strlen(value) != CREDENTIALS_ACCOUNT_MAX - 1 ||
        strspn(value, "0123456789") != CREDENTIALS_ACCOUNT_MAX - 1) {
        buf_str(problem, "an AWS account id has 12 digits");
        return false;
    }
    o->expect_account = keep(o, value, strlen(value), problem);
    return o->expect_account != NULL;
}

bool source_take_expect_role(void *options, const char *value, struct buf *problem) {
    struct source_options *o = options;
    if (strncmp(value, "arn:", 4) == 0 && !role_arn_check(value, ROLE_ARN_ANY, problem))
        return false;
    return keep_of(o, &o->expect_role, value, 1, STS_ARN_MAX, NULL, "longer than 2048 characters", problem);
}

bool source_take_expired(void *options, const char *value, struct buf *problem) {
    static const char *const names[] = {"refuse", "pass", NULL};
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    ((struct source_options *)options)->pass_expired = index == 1;
    return true;
}

const char *source_text(const char *value) {
    return value != NULL ? value : "";
}
