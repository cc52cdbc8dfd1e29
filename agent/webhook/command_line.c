#include "agent/webhook/command_line.h"

#include <string.h>

#include "common/base/log_options.h"
#include "common/base/nearest.h"
#include "common/base/number.h"
#include "common/base/options_help.h"
#include "common/pod/injection.h"
#include "common/sandbox/sandbox_option.h"
#include "common/text/uri.h"

#define FOLDER "/etc/pod-identity-webhook/"
#define CREDENTIALS_URI "http://" URI_EKS_V4 "/v1/credentials"
#define EXPIRATION_MAX_S UINT32_MAX

static bool take_address(void *place, const char *value, struct buf *problem) {
    struct webhook_address *a = place;
    if (uri_parse_listen(value, &a->ipv6, a->address, &a->port) == ERR_OK)
        return option_text(value, a->text, sizeof a->text, problem);
    buf_str(problem, "not a numeric address with a port, such as 0.0.0.0:8443 or [::]:8443");
    return false;
}

static bool take_address_or_off(void *place, const char *value, struct buf *problem) {
    if (strcmp(value, "off") != 0)
        return take_address(place, value, problem);
    ((struct webhook_address *)place)->text[0] = '\0';
    return true;
}

static bool take_path(void *place, const char *value, struct buf *problem) {
    if (value[0] != '/') {
        buf_str(problem, "not an absolute path: it begins with a slash");
        return false;
    }
    return option_text(value, place, sizeof(option_path), problem);
}

/* Its place is the whole of the settings. */
static bool take_associations(void *settings, const char *value, struct buf *problem) {
    struct webhook_settings *s = settings;
    if (s->association_count == ASSOCIATIONS_SOURCES_MAX) {
        buf_fmt(problem, "more than %d of them", ASSOCIATIONS_SOURCES_MAX);
        return false;
    }
    if (strncmp(value, "configmap:", 10) == 0) {
        buf_str(problem, "the webhook does not ask the API server: mount the ConfigMap, and give its folder");
        return false;
    }
    return take_path(s->associations[s->association_count], value, problem) && ++s->association_count > 0;
}

static bool take_audience(void *place, const char *value, struct buf *problem) {
    return option_text(value, place, WEBHOOK_AUDIENCE_MAX, problem);
}

static bool take_region(void *place, const char *value, struct buf *problem) {
    static const char characters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    if (strspn(value, characters) != strlen(value)) {
        buf_str(problem, "not a region such as eu-central-1");
        return false;
    }
    return option_text(value, place, WEBHOOK_REGION_MAX, problem);
}

static bool take_uri(void *place, const char *value, struct buf *problem) {
    struct uri uri;
    if (uri_parse(value, &uri) != ERR_OK) {
        buf_str(problem, "not a URL such as " CREDENTIALS_URI);
        return false;
    }
    if (!uri_allowed_by_sdks(&uri)) {
        buf_str(problem, "no AWS SDK sends a token there: plain http goes to loopback, " URI_EKS_V4
                         " and [" URI_EKS_V6 "] only");
        return false;
    }
    return option_text(value, place, WEBHOOK_URI_MAX, problem);
}

static bool take_expiration(void *place, const char *value, struct buf *problem) {
    uint32_t s;
    unsigned digits = number_read(value, 10, EXPIRATION_MAX_S, &s);
    if (digits == 0 || value[digits] != '\0' || s < 600) {
        buf_str(problem, "not a number of seconds from 600, which is Kubernetes' least, to 4294967295");
        return false;
    }
    *(int64_t *)place = s;
    return true;
}

static bool choose(const char *value, const char *first, const char *second, bool *is_second,
                   struct buf *problem) {
    const char *const names[] = {first, second, NULL};
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    *is_second = index == 1;
    return true;
}

static bool take_policy(void *place, const char *value, struct buf *problem) {
    return choose(value, "allow", "refuse", place, problem);
}

static bool take_path_of_call(void *place, const char *value, struct buf *problem) {
    return choose(value, "/mutate", "/mutate/namespace", place, problem);
}

#define SETTING(member, kind, name, value_name, default_text, help, take)                                    \
    OPTION_OF(struct webhook_settings, member, kind, name, value_name, default_text, help, take, false)

typedef char audience_text[WEBHOOK_AUDIENCE_MAX];
typedef char uri_text[WEBHOOK_URI_MAX];
typedef char region_text[WEBHOOK_REGION_MAX];

/* clang-format off: a list of rows */
static const struct option_spec specs[] = {
    OPTION_GROUP("What is injected"),
    OPTION("associations", "DIRECTORY", "off",
           "a mounted ConfigMap with the roles of service accounts, NAMESPACE.SERVICEACCOUNT: their pods get "
           "what the EKS Pod Identity webhook gives; repeatable",
           take_associations, true),
    SETTING(template, option_path, "template", "FILE", "off",
            "JSON with init container and sidecar for the pods that ask for them", take_path),

    OPTION_GROUP("For associated pods"),
    SETTING(audience, audience_text, "audience", "NAME", INJECTION_AUDIENCE, "the audience of their tokens",
            take_audience),
    SETTING(uri, uri_text, "container-credentials-full-uri", "URL", CREDENTIALS_URI,
            "where the node's agent answers", take_uri),
    SETTING(token_expiration_s, int64_t, "token-expiration", "SECONDS", "86400",
            "the life of their tokens; with 86400 each pod gets one from 79200 to 86400", take_expiration),
    SETTING(region, region_text, "region", "NAME", "off",
            "AWS_REGION and AWS_DEFAULT_REGION where a container has neither", take_region),

    OPTION_GROUP("What cannot be done"),
    SETTING(refuse_problem, bool, "on-problem", "WHAT", "allow",
            "a pod that asks for init and sidecar and cannot have them: allow, with a warning, or refuse",
            take_policy),
    SETTING(refuse_large, bool, "on-large", "WHAT", "allow",
            "a review of more than 256 KiB: allow, with a warning, or refuse", take_policy),

    OPTION_GROUP("Server"),
    SETTING(https, struct webhook_address, "https", "ADDRESS:PORT", "0.0.0.0:8443",
            "where the API server asks", take_address),
    SETTING(certificate, option_path, "certificate", "FILE", FOLDER "tls/tls.crt",
            "PEM: the server's certificate, then those that signed it", take_path),
    SETTING(key, option_path, "key", "FILE", FOLDER "tls/tls.key", "PEM: its key, EC P-256 or RSA 2048",
            take_path),
    SETTING(client_ca, option_path, "client-ca", "FILE", "off",
            "PEM: who must have signed the certificates of clients", take_path),
    SETTING(metrics, struct webhook_address, "metrics", "ADDRESS:PORT", "0.0.0.0:8081",
            "where /metrics, /healthz and /readyz are, in plain HTTP; off", take_address_or_off),
    OPTION_DURATION(struct webhook_settings, linger_ms, "linger", "0",
                    "after SIGTERM, answer for so long, until no Service leads here"),

    OPTION_GROUP("For the command review"),
    SETTING(namespace_wide, bool, "path", "PATH", "/mutate",
            "as which path it answers: /mutate, or /mutate/namespace, where all pods are asked for",
            take_path_of_call),

    OPTION_GROUP("Sandbox and logs"),
    SETTING(sandbox, enum sandbox_mode, "sandbox", "MODE", "auto",
            "auto, require (no start without it), or off", sandbox_take_mode),
    SETTING(log_level, enum log_level, "log-level", "LEVEL", "info", "error, warn, info or debug",
            log_take_level),
    SETTING(log_format, enum log_format, "log-format", "FORMAT", "text", "text (logfmt) or json, on stderr",
            log_take_format),
    {.name = NULL},
};

static const struct option_command commands[] = {
    {"serve", "answer the API server, until SIGTERM (what it does without a command)", "!path"},
    {"check", "read certificate, key, template and associations, say what is wrong, and end", "!path"},
    {"review", "read a Pod or an AdmissionReview in JSON from standard input, and print the answer to it",
     "associations template audience container-credentials-full-uri token-expiration region on-problem "
     "on-large path "
     "log-level log-format"},
    {"version", "print the version", ""},
    {NULL, NULL, NULL},
};

static const struct options options = {
    .program = "pod-identity-webhook",
    .synopsis = "[serve | check | review | version] [OPTION]...",
    .about = "Injects into new pods, as an admission webhook: what the EKS Pod Identity webhook injects, and "
             "the init "
             "container and sidecar of the toolkit.",
    .epilogue = "Examples:\n"
                "  pod-identity-webhook --template=/etc/pod-identity-webhook/template.json\n"
                "  pod-identity-webhook review --template=template.json <pod.json\n\n"
                "Exit status: 0; 1 review: the pod is refused; 14 certificate, key, template or\n"
                "associations cannot be used; 64 usage error; 65 review: no pod in its input;\n"
                "70 internal error; 71 no sandbox; 73 an address cannot be used.\n",
    .specs = specs,
    .commands = commands,
};
/* clang-format on */

static bool take_command(const char *word, enum webhook_command *out, struct buf *problem) {
    struct nearest n = {NULL, 0};
    for (size_t i = 0; commands[i].name != NULL; i++) {
        if (strcmp(commands[i].name, word) == 0) {
            *out = (enum webhook_command)i;
            return true;
        }
        nearest_try(&n, word, strlen(word), commands[i].name);
    }
    buf_str(problem, "unknown command ");
    buf_printable(problem, word, strlen(word), 60);
    buf_fmt(problem, n.best != NULL ? "; did you mean %s?" : ": serve, check, review or version", n.best);
    return false;
}

/* Options that mean nothing to the command. */
static bool fits_command(int argc, char **argv, enum webhook_command command, struct buf *problem) {
    for (const struct option_spec *spec = specs; spec->name != NULL; spec++) {
        if (option_is_group(spec) || option_is_of(&commands[command], spec->name) ||
            !options_given(argc, argv, spec->name))
            continue;
        buf_fmt(problem, "--%s means nothing to %s", spec->name, commands[command].name);
        return false;
    }
    return true;
}

static bool judge(const struct webhook_settings *s, struct buf *problem) {
    if (s->command == WEBHOOK_VERSION)
        return true;
    if (s->association_count == 0 && s->template[0] == '\0')
        buf_str(problem,
                "there is nothing to inject: give --associations=DIRECTORY, --template=FILE, or both");
    else if (s->metrics.text[0] != '\0' && s->metrics.port == s->https.port && s->metrics.port != 0 &&
             s->command != WEBHOOK_REVIEW)
        buf_fmt(problem, "--https and --metrics have the same port, %u: give one of them another",
                s->https.port);
    return problem->len == 0;
}

static void defaults(struct webhook_settings *s) {
    char text[64];
    struct buf problem = BUF(text);
    (void)take_address(&s->https, "0.0.0.0:8443", &problem);
    (void)take_address(&s->metrics, "0.0.0.0:8081", &problem);
    memcpy(s->certificate, FOLDER "tls/tls.crt", sizeof FOLDER "tls/tls.crt");
    memcpy(s->key, FOLDER "tls/tls.key", sizeof FOLDER "tls/tls.key");
    memcpy(s->audience, INJECTION_AUDIENCE, sizeof INJECTION_AUDIENCE);
    memcpy(s->uri, CREDENTIALS_URI, sizeof CREDENTIALS_URI);
    s->token_expiration_s = 86400;
    s->log_level = LOG_INFO;
}

enum options_result command_line_read(int argc, char **argv, struct webhook_settings *out,
                                      struct buf *problem) {
    const char *operand = NULL;
    size_t count;
    defaults(out);
    enum options_result result = options_read(&options, argc, argv, out, &operand, 1, &count, problem);
    if (result != OPTIONS_OK)
        return result;
    bool good = (count == 0 || take_command(operand, &out->command, problem)) &&
                fits_command(argc, argv, out->command, problem) && judge(out, problem);
    return good ? OPTIONS_OK : OPTIONS_USAGE;
}

void command_line_help(int argc, char **argv, struct buf *out) {
    options_help(&options, argc, argv, out);
}

static void tell(void *context, const char *variable, const char *meant) {
    (void)context;
    LOG(LOG_WARN, "unknown variable", LOG_TEXT("variable", variable), LOG_TEXT("meant", meant));
}

void command_line_warn(void) {
    options_unknown(&options, tell, NULL);
}
