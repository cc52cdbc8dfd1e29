/* What a user may ask of a source: the options that init and the sidecar share. */
#ifndef POD_IDENTITY_SOURCE_SOURCE_OPTIONS_H
#define POD_IDENTITY_SOURCE_SOURCE_OPTIONS_H

#include "common/aws/sts.h"
#include "common/base/options.h"
#include "common/pod/injection.h"

enum source_kind {
    SOURCE_AUTO,         /* what was injected; never the node's role */
    SOURCE_POD_IDENTITY, /* the EKS Pod Identity Agent */
    SOURCE_WEB_IDENTITY, /* IRSA: STS, with a token for it */
    SOURCE_EKS_AUTH      /* EKS Auth itself, as the agent asks it */
};

/* Whose credentials ask EKS Auth. */
enum source_node { SOURCE_NODE_IMDS, SOURCE_NODE_ENVIRONMENT };

#define SOURCE_ROLES_MAX 5 /* of a chain: each one costs a request, and ends after an hour */
#define SOURCE_TEXT_MAX 16384

/* By the numbers above; each ends with NULL. */
extern const char *const source_names[];
extern const char *const source_node_names[];

/* Zero it; then it is the default. Texts lie in the storage at its end. */
struct source_options {
    enum source_kind kind;
    enum injection_self self_injected;
    enum source_node node;
    bool pass_expired; /* --expired=pass: what comes with its end behind it is taken as it is */
    const char *region, *cluster_name, *ca_bundle; /* NULL: not given */
    struct sts_role base; /* of web identity; from the command line also what the roles of the chain get */
    struct sts_role roles[SOURCE_ROLES_MAX]; /* to assume, one with the credentials of the other */
    size_t role_count;
    bool own_settings; /* set by the caller: settings of roles go to the last role, not to base */
    const char *expect_account, *expect_role; /* of whom AWS takes the credentials for; "": any */
    bool guard;                               /* the source itself holds the credentials to that */
    size_t text_used;
    char text[SOURCE_TEXT_MAX];
};

/* Each takes a value of the option of its name; its place is a struct source_options. */
option_take source_take_kind, source_take_self_injected, source_take_node, source_take_region,
    source_take_cluster_name, source_take_ca_bundle;
option_take source_take_role, source_take_external_id, source_take_session_name, source_take_duration;
option_take source_take_expect_account, source_take_expect_role, source_take_expired;
option_take source_take_tag, source_take_transitive, source_take_source_identity, source_take_policy_file;

/* A session tag, as source_take_tag has it, in its two parts. */
bool source_role_tag(struct source_options *o, const char *key, size_t key_len, const char *value,
                     struct buf *problem);

/* After the last option of a command line: spreads what was given for "the roles" over them. Names and
 * durations are for each; external id, tags and policy for the last. False, with problem, for what cannot go
 * together. */
bool source_options_spread(struct source_options *o, struct buf *problem);

/* Judges the roles of a chain: false, with problem, for a duration that STS would refuse. */
bool source_options_check(const struct source_options *o, struct buf *problem);

/* For the two above: "" if NULL. */
const char *source_text(const char *value);

/* The PEM file to trust: --ca-bundle, AWS_CA_BUNDLE, SSL_CERT_FILE, or the usual place. */
const char *source_ca_file(const struct source_options *o, injection_getenv *lookup);

/* A row of that kind, and all that init and the sidecar have alike: `member` of a program's configuration is
 * its struct source_options. */
/* clang-format off: a list of rows */
#define SOURCE_OPTION(type, member, name, value_name, default_text, help, take, repeatable)                  \
    OPTION_OF(type, member, struct source_options, name, value_name, default_text, help, take, repeatable)
#define SOURCE_OPTION_SPECS(type, member)                                                                    \
    OPTION_GROUP("Source of the credentials"),                                                               \
        SOURCE_OPTION(                                                                                       \
            type, member, "source", "SOURCE", "auto",                                                        \
            "auto (what was injected, never the node's role), pod-identity, web-identity or irsa, or eks-"   \
            "auth (without an agent, for experts)",                                                          \
            source_take_kind, false),                                                                        \
        SOURCE_OPTION(type, member, "self-injected", "WHEN", "auto", INJECTION_SELF_HELP,                    \
                      source_take_self_injected, false),                                                     \
        SOURCE_OPTION(type, member, "region", "NAME", "AWS_REGION, AWS_DEFAULT_REGION",                      \
                      "the region of STS and EKS Auth", source_take_region, false),                          \
        SOURCE_OPTION(type, member, "ca-bundle", "PATH",                                                     \
                      "AWS_CA_BUNDLE, SSL_CERT_FILE, /etc/ssl/certs/ca-certificates.crt",                    \
                      "PEM file with the authorities that TLS trusts", source_take_ca_bundle, false),        \
        SOURCE_OPTION(                                                                                       \
            type, member, "expired", "WHAT", "refuse",                                                       \
            "credentials that come expired, as agents hand out in an outage of AWS: refuse, or pass (hand"   \
            " on)",                                                                                          \
            source_take_expired, false),                                                                     \
        SOURCE_OPTION(type, member, "cluster-name", "NAME", "", "of --source=eks-auth",                      \
                      source_take_cluster_name, false),                                                      \
        SOURCE_OPTION(type, member, "node-credentials", "WHERE", "imds",                                     \
                      "of --source=eks-auth: imds (the node's role) or environment (AWS_ACCESS_KEY_ID and"   \
                      " so on)",                                                                             \
                      source_take_node, false),                                                              \
        OPTION_GROUP("Assumed roles"),                                                                       \
        SOURCE_OPTION(                                                                                       \
            type, member, "assume-role", "ARN", "",                                                          \
            "assume this role with those credentials; repeated: a chain, each with the one before",          \
            source_take_role, true),                                                                         \
        SOURCE_OPTION(type, member, "external-id", "ID", "", "external id for the last role",                \
                      source_take_external_id, false),                                                       \
        SOURCE_OPTION(type, member, "role-session-name", "NAME", "AWS_ROLE_SESSION_NAME, or the pod's name", \
                      "name of the sessions, as CloudTrail shows it", source_take_session_name, false),      \
        SOURCE_OPTION(type, member, "session-duration", "DURATION", "1h",                                    \
                      "15m to 12h for IRSA's role; 1h at most for roles of --assume-role",                   \
                      source_take_duration, false),                                                          \
        SOURCE_OPTION(type, member, "session-tag", "KEY=VALUE", "",                                          \
                      "session tag for the last role; repeatable", source_take_tag, true),                   \
        SOURCE_OPTION(type, member, "transitive-tag-key", "KEY", "",                                         \
                      "a key of --session-tag that the next roles inherit; repeatable",                      \
                      source_take_transitive, true),                                                         \
        SOURCE_OPTION(type, member, "source-identity", "NAME", "", "source identity for the roles",          \
                      source_take_source_identity, false),                                                   \
        SOURCE_OPTION(type, member, "session-policy-file", "PATH", "",                                       \
                      "JSON policy that narrows the last role, at most 2048 characters",                     \
                      source_take_policy_file, false)
/* clang-format on */

#endif
