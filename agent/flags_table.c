#include "agent/flags_table.h"

#include <string.h>

#include "agent/flags_hosts.h"
#include "agent/flags_take.h"
#include "common/base/log_options.h"
#include "common/pod/injection.h"
#include "common/sandbox/sandbox_option.h"

#define ISSUER_HOW "kubectl get --raw /.well-known/openid-configuration"

#define TEXT_FLAG(member, name, value_name, default_text, help, take)                                        \
    OPTION_OF(struct settings, member, const char *, name, value_name, default_text, help, take, false)
#define FLAG_OF(member, kind, name, value_name, default_text, help, take)                                    \
    OPTION_OF(struct settings, member, kind, name, value_name, default_text, help, take, false)

/* clang-format off: a list of rows */
const struct option_spec flags_table[] = {
    OPTION_GROUP(FLAGS_REAL_GROUP),
    TEXT_FLAG(cluster_name, "cluster-name", "NAME", "required", "the cluster's name, as EKS knows it",
              flags_take_cluster),
    FLAG_OF(port, uint16_t, "port", "PORT", "80", "the port of every address that pods ask at",
            flags_take_port),
    OPTION("bind-hosts", "ADDRESS", FLAGS_HOST_V4 " and " FLAGS_HOST_V6,
           "an address that pods ask at; repeatable, or with commas between", flags_take_hosts, true),
    FLAG_OF(probe_port, uint16_t, "probe-port", "PORT", "2703",
            "the port of /healthz and /readyz on 127.0.0.1; 0: none", flags_take_port_or_off),
    FLAG_OF(metrics_host, struct flags_host, "metrics-address", "ADDRESS", "0.0.0.0",
            "the address of /metrics, /healthz and /readyz", flags_take_metrics_host),
    FLAG_OF(metrics_port, uint16_t, "metrics-port", "PORT", "2705", "the port on --metrics-address; 0: none",
            flags_take_port_or_off),
    FLAG_OF(retention_ms, int64_t, "max-credential-retention-before-renewal", "DURATION", "3h",
            "credentials are renewed when they are so old, or earlier if their life asks for it; 0: nothing "
            "is cached",
            flags_take_retention),
    FLAG_OF(cache_size, size_t, "max-cache-size", "NUMBER", "2000",
            "the most pods whose credentials are kept, up to 8192; 0: nothing is cached",
            flags_take_cache_size),
    FLAG_OF(service_qps, unsigned, "max-service-qps", "NUMBER", "3",
            "the most renewals a second; first fetches are not counted", flags_take_qps),
    OPTION_OF(struct settings, rotate_credentials, bool, "rotate-credentials", "", "",
              "the agent's own credentials come from the shared credentials file, which is read again when "
              "it changes (hybrid nodes)",
              flags_take_bool, false),
    TEXT_FLAG(endpoint, "endpoint", "URL", "", "of EKS Auth, in place of the one of the region",
              flags_take_url),
    OPTION("verbosity", "LEVEL", "info", "panic, fatal, error, warn, info, debug or trace",
           flags_take_verbosity, false),

    OPTION_GROUP("Any Kubernetes, without EKS"),
    OPTION("associations", "WHERE", "",
           "a folder, or configmap:NAMESPACE/NAME, with the roles of service accounts; repeatable",
           flags_take_associations, true),
    FLAG_OF(exchange, enum flags_exchange, "exchange", "KIND", "web-identity",
            "web-identity (with the pod's own token), or assume-role (with the agent's credentials); the "
            "most that an association may ask for",
            flags_take_exchange),
    OPTION("issuer", "URL", "", "the cluster's issuer, required with --associations; repeatable",
           flags_take_issuer, true),
    TEXT_FLAG(audience, "audience", "NAME", "pods.eks.amazonaws.com", "the audience of the pods' tokens",
              flags_take_text),
    TEXT_FLAG(jwks, "jwks", "FILE", "from the API server", "the public keys of the issuer", flags_take_path),
    TEXT_FLAG(api_server, "api-server", "URL", "from the pod's environment", "the cluster's API server",
              flags_take_api_server),
    OPTION_OF(
        struct settings, token_review, bool, "token-review", "", "",
        "ask the API server about a pod's token, too, at each fetch and renewal: pods that are gone get "
        "nothing more",
        flags_take_bool, false),
    TEXT_FLAG(cluster_arn, "cluster-arn", "ARN", "none", "the value of the session tag eks-cluster-arn",
              flags_take_cluster_arn),

    OPTION_GROUP("AWS"),
    TEXT_FLAG(region, "region", "NAME", "AWS_REGION, AWS_DEFAULT_REGION, the metadata service",
              "the region of EKS Auth and STS", flags_take_region),
    TEXT_FLAG(sts_endpoint, "sts-endpoint", "URL", "", "of STS, in place of the one of the region",
              flags_take_url),
    TEXT_FLAG(ca_bundle, "ca-bundle", "FILE",
              "AWS_CA_BUNDLE, SSL_CERT_FILE, /etc/ssl/certs/ca-certificates.crt",
              "PEM file with the authorities that TLS trusts", flags_take_path),
    FLAG_OF(pass_expired, bool, "expired", "WHAT", "refuse",
            "credentials that come expired, as in an outage of AWS: refuse, or pass (hand on)",
            flags_take_expired),

    OPTION_GROUP("Limits"),
    FLAG_OF(max_concurrency, size_t, "max-concurrency", "NUMBER", "8",
            "the most requests to AWS at a time, up to 32", flags_take_concurrency),
    FLAG_OF(cache_bytes, size_t, "max-cache-bytes", "BYTES", "16Mi",
            "the most bytes of tokens and answers that are kept, 1Mi to 64Mi", flags_take_cache_bytes),

    OPTION_GROUP("Node, sandbox, logs"),
    TEXT_FLAG(
        remove_startup_taint, "remove-startup-taint", "KEY", "",
        "a taint of this node that is removed when the agent is ready; needs NODE_NAME, and the rights of "
        "startup-taint.yaml",
        flags_take_taint),
    FLAG_OF(sandbox, enum sandbox_mode, "sandbox", "MODE", "auto",
            "auto, require (no start without it), or off", sandbox_take_mode),
    OPTION("log-level", "LEVEL", "as --verbosity says", "error, warn, info or debug; wins over --verbosity",
           flags_take_log_level, false),
    FLAG_OF(log_format, enum log_format, "log-format", "FORMAT", "json", "json or text (logfmt), on stderr",
            log_take_format),
    {.name = NULL},
};
/* clang-format on */

static const struct {
    char letter;
    char name[15];
} letters[] = {{'c', "cluster-name"}, {'p', "port"}, {'b', "bind-hosts"}, {'v', "verbosity"}};

char flags_letter(const struct option_spec *spec) {
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        if (strcmp(letters[i].name, spec->name) == 0)
            return letters[i].letter;
    }
    return '\0';
}

const struct option_spec *flags_of_letter(char letter) {
    for (const struct option_spec *spec = flags_table; spec->name != NULL; spec++) {
        if (letter != '\0' && flags_letter(spec) == letter)
            return spec;
    }
    return NULL;
}

void flags_defaults(struct settings *out) {
    char unsaid[64];
    struct buf problem = BUF(unsaid);
    out->port = 80;
    out->probe_port = 2703;
    out->metrics_port = 2705;
    (void)flags_add_host(out, FLAGS_HOST_V4, sizeof FLAGS_HOST_V4 - 1, &problem);
    (void)flags_add_host(out, FLAGS_HOST_V6, sizeof FLAGS_HOST_V6 - 1, &problem);
    (void)flags_take_metrics_host(&out->metrics_host, "0.0.0.0", &problem);
    out->retention_ms = 3 * 60 * 60 * 1000;
    out->cache_size = 2000;
    out->service_qps = FLAGS_QPS_USUAL;
    out->audience = INJECTION_AUDIENCE;
    out->max_concurrency = 8;
    out->cache_bytes = 16 * 1024 * 1024;
    out->log_level = LOG_INFO;
    out->log_format = LOG_JSON;
}

/* ---- all together ---- */

static bool any(const struct flags_host *host) {
    static const unsigned char zero[16];
    return memcmp(host->address, zero, sizeof zero) == 0;
}

static bool meet(const struct flags_host *a, uint16_t port_a, const struct flags_host *b, uint16_t port_b) {
    if (port_a == 0 || port_a != port_b)
        return false;
    return flags_same_host(a, b) || (any(a) && (a->ipv6 || !b->ipv6)) || (any(b) && (b->ipv6 || !a->ipv6));
}

static bool judge_ports(const struct settings *s, struct buf *problem) {
    static const struct flags_host loopback = {.text = "127.0.0.1", .address = {127, 0, 0, 1}};
    const char *first = NULL, *second = NULL;
    uint16_t port = s->port;
    if (meet(&loopback, s->probe_port, &s->metrics_host, s->metrics_port)) {
        first = "--probe-port", second = "--metrics-port";
        port = s->probe_port;
    }
    for (size_t i = 0; first == NULL && i < s->host_count; i++) {
        if (meet(&s->hosts[i], s->port, &s->metrics_host, s->metrics_port))
            first = "--port", second = "--metrics-port";
        else if (meet(&s->hosts[i], s->port, &loopback, s->probe_port))
            first = "--port", second = "--probe-port";
    }
    if (first == NULL)
        return true;
    buf_fmt(problem, "%s and %s are both %u on the same address: give one of them another port", first,
            second, (unsigned)port);
    return false;
}

/* What says something about associations, and there are none. */
static const char *pointless(const struct settings *s) {
    return s->association_count > 0                       ? NULL
           : s->issuer_count > 0                          ? "--issuer"
           : s->jwks != NULL                              ? "--jwks"
           : s->token_review                              ? "--token-review"
           : s->cluster_arn != NULL                       ? "--cluster-arn"
           : s->exchange != FLAGS_WEB_IDENTITY            ? "--exchange"
           : strcmp(s->audience, INJECTION_AUDIENCE) != 0 ? "--audience"
                                                          : NULL;
}

bool flags_judge(struct settings *s, struct buf *problem) {
    if (s->command == COMMAND_VERSION || s->command == COMMAND_INITIALIZE)
        return true;
    if (s->command == COMMAND_SERVER && s->cluster_name == NULL)
        buf_str(problem, "required flag \"cluster-name\" is not set: give --cluster-name NAME, or the "
                         "variable POD_IDENTITY_AGENT_CLUSTER_NAME");
    else if (pointless(s) != NULL)
        buf_fmt(problem,
                "%s is about --associations, which is not given: without it EKS Auth judges the pods' "
                "tokens. Give --associations, or leave %s out",
                pointless(s), pointless(s));
    else if (s->association_count > 0 && s->issuer_count == 0)
        buf_str(problem,
                "--associations needs --issuer: give the cluster's issuer, as `" ISSUER_HOW "` says it");
    else if (s->association_count > 0 && s->endpoint != NULL)
        buf_str(problem, "--endpoint is of EKS Auth, which is not asked with --associations: leave one of "
                         "them out (that of STS is --sts-endpoint)");
    return problem->len == 0 && judge_ports(s, problem);
}
