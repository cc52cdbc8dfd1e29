#include "init/config.h"

#include <string.h>

#define DEFAULT_WAIT_MS 60000    /* a node's agent starts within that time after the node */
#define DEFAULT_MIN_TTL_MS 60000 /* less would end before the app has started */
#define DEFAULT_TERMINATION_LOG "/dev/termination-log"
#define ACCOUNT_DIGITS 12

static bool take_wait(void *config, const char *value, struct buf *problem) {
    return option_duration(value, &((struct config *)config)->wait_ms, problem);
}

static bool take_source(void *config, const char *value, struct buf *problem) {
    size_t index;
    if (!option_choice(value, source_names, &index, problem))
        return false;
    ((struct config *)config)->source.kind = (enum source_kind)index;
    return true;
}

static bool take_self_injected(void *config, const char *value, struct buf *problem) {
    size_t index;
    if (!option_choice(value, injection_self_names, &index, problem))
        return false;
    ((struct config *)config)->source.self_injected = (enum injection_self)index;
    return true;
}

static bool take_pod_labels(void *config, const char *value, struct buf *problem) {
    struct config *c = config;
    return option_text(value, c->pod_labels, sizeof c->pod_labels, problem);
}

static bool take_try_other_family(void *config, const char *value, struct buf *problem) {
    return option_flag(value, &((struct config *)config)->try_other_family, problem);
}

static bool take_list_checks(void *config, const char *value, struct buf *problem) {
    return option_flag(value, &((struct config *)config)->list_checks, problem);
}

static bool take_verify(void *config, const char *value, struct buf *problem) {
    static const char *const names[] = {
        [VERIFY_INJECTION] = "injection", [VERIFY_CREDENTIALS] = "credentials", NULL};
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    ((struct config *)config)->verify = (enum verify)index;
    return true;
}

static bool take_format(void *config, const char *value, struct buf *problem) {
    static const char *const names[] = {[FORMAT_TEXT] = "text", [FORMAT_JSON] = "json", NULL};
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    ((struct config *)config)->format = (enum format)index;
    return true;
}

static bool take_namespace(void *config, const char *value, struct buf *problem) {
    return option_text(value, ((struct config *)config)->expect_namespace, JWT_TEXT_MAX, problem);
}

static bool take_service_account(void *config, const char *value, struct buf *problem) {
    return option_text(value, ((struct config *)config)->expect_service_account, JWT_TEXT_MAX, problem);
}

/* A mistyped account would otherwise be found only in a running cluster, as an identity that is unexpected.
 */
static bool take_account(void *config, const char *value, struct buf *problem) {
    if (strlen(value) != ACCOUNT_DIGITS || strspn(value, "0123456789") != ACCOUNT_DIGITS) {
        buf_str(problem, "an AWS account id has 12 digits");
        return false;
    }
    return option_text(value, ((struct config *)config)->expect_account, CREDENTIALS_ACCOUNT_MAX, problem);
}

static bool take_min_ttl(void *config, const char *value, struct buf *problem) {
    return option_duration(value, &((struct config *)config)->min_ttl_ms, problem);
}

static bool take_termination_log(void *config, const char *value, struct buf *problem) {
    struct config *c = config;
    c->termination_log_named = true;
    return option_text(value, c->termination_log, sizeof c->termination_log, problem);
}

static bool take_strict(void *config, const char *value, struct buf *problem) {
    return option_flag(value, &((struct config *)config)->strict, problem);
}

static bool take_install(void *config, const char *value, struct buf *problem) {
    struct config *c = config;
    return option_text(value, c->install, sizeof c->install, problem);
}

static bool take_install_sh(void *config, const char *value, struct buf *problem) {
    return option_flag(value, &((struct config *)config)->install_sh, problem);
}

static const struct option_spec specs[] = {
    {"wait", "DURATION", "60s", "how long to wait for credentials; 0: one attempt", take_wait, false},
    {"source", "SOURCE", "auto", SOURCE_HELP, take_source, false},
    {"self-injected", "WHEN", "auto", INJECTION_SELF_HELP, take_self_injected, false},
    {"pod-labels", "FILE", NULL,
     "the pod's labels, as a downward API volume shows metadata.labels: tells a skipped container from a pod "
     "that the "
     "webhook missed",
     take_pod_labels, false},
    {"try-other-family", NULL, NULL,
     "if the agent's IPv4 address does not answer, ask its IPv6 address whether an agent is alive there, or "
     "the other "
     "way round; without an injected address, use the one that answers",
     take_try_other_family, false},
    {"verify", "DEPTH", "credentials",
     "how far to go: injection (environment and token, no network), credentials (also fetch them)",
     take_verify, false},
    {"expect-namespace", "NAME", NULL, "fail if the token is for another namespace", take_namespace, false},
    {"expect-service-account", "NAME", NULL, "fail if the token is for another service account",
     take_service_account, false},
    {"expect-account", "ID", NULL, "fail if the credentials are for another AWS account", take_account,
     false},
    {"min-ttl", "DURATION", "60s", "the least lifetime that fetched credentials must have left", take_min_ttl,
     false},
    {"format", "FORMAT", "text", "the report on standard output: text or json", take_format, false},
    {"termination-log", "PATH", DEFAULT_TERMINATION_LOG, "where the reason of a failure goes, on one line",
     take_termination_log, false},
    {"strict", NULL, NULL, "warnings fail", take_strict, false},
    {"install", "DIRECTORY", NULL, "copy pod-identity-get into this directory first, atomically",
     take_install, false},
    {"install-sh", NULL, NULL,
     "with --install: there as sh, too, for SDKs that start a credential_process through sh, in images that "
     "have none; it runs pod-identity-get and nothing else",
     take_install_sh, false},
    {"list-checks", NULL, NULL, "print the names of all checks, with what they look at, and exit",
     take_list_checks, false},
    {.name = NULL},
};

const struct options config_options = {
    .program = "pod-identity-init",
    .synopsis = "[explain REASON] [OPTION]...",
    .about =
        "Checks the AWS identity that was injected into this pod: environment, token, the way to the "
        "node's agent, and credentials themselves, which it waits for. Ends with 0 when they can be had, "
        "and otherwise with one reason and one remedy, on standard output and in the termination log.",
    .epilogue =
        "'explain REASON' prints what a reason means: its cause, how to confirm it, how to mend it.\n\n"
        "Exits: 0 ok, 10 NOT_INJECTED, 11 INJECTION_INVALID, 12 TOKEN_UNREADABLE, 13 TOKEN_INVALID,\n"
        "20 AGENT_UNREACHABLE, 21 ACCESS_DENIED, 22 THROTTLED, 23 BAD_RESPONSE,\n"
        "30 UNEXPECTED_IDENTITY, 64 usage error, 70 internal error.\n",
    .specs = specs,
};

static bool take_command(const char *const operands[2], struct config *out, struct buf *problem) {
    if (strcmp(operands[0], "explain") != 0) {
        buf_str(problem, "unexpected word ");
        buf_printable(problem, operands[0], strnlen(operands[0], 65), 64);
        buf_str(problem, "; the one command is explain REASON");
        return false;
    }
    out->explain = operands[1] != NULL ? operands[1] : "";
    return true;
}

enum options_result config_read(int argc, char **argv, struct config *out, struct buf *problem) {
    *out = (struct config){
        .wait_ms = DEFAULT_WAIT_MS,
        .min_ttl_ms = DEFAULT_MIN_TTL_MS,
        .verify = VERIFY_CREDENTIALS,
        .format = FORMAT_TEXT,
        .termination_log = DEFAULT_TERMINATION_LOG,
    };
    const char *operands[2] = {NULL, NULL};
    size_t operand_count;
    enum options_result result =
        options_read(&config_options, argc, argv, out, operands, 2, &operand_count, problem);
    if (result == OPTIONS_OK && operand_count > 0 && !take_command(operands, out, problem))
        return OPTIONS_USAGE;
    if (result == OPTIONS_OK && out->install_sh && out->install[0] == '\0') {
        buf_str(problem, "--install-sh needs --install=DIRECTORY");
        return OPTIONS_USAGE;
    }
    if (result == OPTIONS_OK && out->expect_account[0] != '\0' && out->verify == VERIFY_INJECTION) {
        buf_str(problem, "--expect-account needs credentials: it cannot go with --verify=injection");
        return OPTIONS_USAGE;
    }
    return result;
}
