#include "init/config.h"

#include <string.h>

#define DEFAULT_WAIT_MS 60000    /* a node's agent starts within that time after the node */
#define DEFAULT_MIN_TTL_MS 60000 /* less would end before the app has started */
#define DEFAULT_TERMINATION_LOG "/dev/termination-log"

static bool take_verify(void *place, const char *value, struct buf *problem) {
    static const char *const names[] = {[VERIFY_INJECTION] = "injection",
                                        [VERIFY_CREDENTIALS] = "credentials",
                                        [VERIFY_IDENTITY] = "identity",
                                        NULL};
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    *(enum verify *)place = (enum verify)index;
    return true;
}

static bool take_format(void *place, const char *value, struct buf *problem) {
    static const char *const names[] = {[FORMAT_TEXT] = "text", [FORMAT_JSON] = "json", NULL};
    size_t index;
    if (!option_choice(value, names, &index, problem))
        return false;
    *(enum format *)place = (enum format)index;
    return true;
}

typedef char claim_text[JWT_TEXT_MAX];

static bool take_claim(void *place, const char *value, struct buf *problem) {
    return option_text(value, place, sizeof(claim_text), problem);
}

/* Its place is the whole configuration. */
static bool take_termination_log(void *config, const char *value, struct buf *problem) {
    struct config *c = config;
    c->termination_log_named = true;
    return option_text(value, c->termination_log, sizeof c->termination_log, problem);
}

static const struct option_spec specs[] = {
    OPTION_GROUP("Checks"),
    OPTION_DURATION(struct config, wait_ms, "wait", "60s",
                    "how long to wait for credentials; 0: one attempt"),
    OPTION_OF(
        struct config, verify, enum verify, "verify", "DEPTH", "credentials",
        "how far to go: injection (environment and token, no network), credentials (also fetch them) or "
        "identity (also ask STS who they are for)",
        take_verify, false),
    OPTION_DURATION(struct config, min_ttl_ms, "min-ttl", "60s",
                    "fail if the credentials have less time left"),
    OPTION_FLAG(struct config, strict, "strict", "warnings fail"),
    OPTION_OF(struct config, expect_namespace, claim_text, "expect-namespace", "NAME", "",
              "fail if the token is for another namespace", take_claim, false),
    OPTION_OF(struct config, expect_service_account, claim_text, "expect-service-account", "NAME", "",
              "fail if the token is for another service account", take_claim, false),
    SOURCE_OPTION(struct config, source, "expect-account", "ID", "",
                  "fail if the credentials are for another AWS account", source_take_expect_account, false),
    SOURCE_OPTION(struct config, source, "expect-role", "ROLE", "",
                  "fail if they are for another role, given as ARN or name; implies --verify=identity",
                  source_take_expect_role, false),
    OPTION_PATH(struct config, pod_labels, "pod-labels", "FILE", "",
                "downward API file with metadata.labels: tells a skipped container from a pod that the "
                "webhook missed"),
    OPTION_FLAG(struct config, try_other_family, "try-other-family",
                "if the agent's IPv4 address does not answer, look for an agent at its IPv6 address, or the "
                "other way round; use it if nothing was injected"),
    SOURCE_OPTION_SPECS(struct config, source),
    OPTION_GROUP("Report"),
    OPTION_OF(struct config, format, enum format, "format", "FORMAT", "text",
              "report on standard output: text or json", take_format, false),
    OPTION("termination-log", "PATH", DEFAULT_TERMINATION_LOG, "file for the one-line reason of a failure",
           take_termination_log, false),
    OPTION_FLAG(struct config, list_checks, "list-checks",
                "list all checks with what they look at, and exit"),
    OPTION_GROUP("Files"),
    OPTION_PATH(struct config, install, "install", "DIRECTORY", "",
                "first copy pod-identity-get into this directory, atomically"),
    OPTION_FLAG(struct config, install_sh, "install-sh",
                "with --install: also copy it under the name sh, for images without a shell whose SDK starts "
                "credential_process through sh; it runs pod-identity-get and nothing else"),
    {.name = NULL},
};

static const struct option_command commands[] = {
    {"explain REASON", "Print a reason's cause, how to confirm it, and the fix.", NULL},
    {.name = NULL},
};

const struct options config_options = {
    .program = "pod-identity-init",
    .synopsis = "[OPTION]...\n       pod-identity-init explain REASON",
    .about = "Checks the AWS identity that was injected into this pod: environment, token, the way to the "
             "node's agent or to STS, and the credentials, which it waits for. Ends with 0 when all is well, "
             "and otherwise with one reason and one remedy, in the report and the termination log.",
    .epilogue = "Examples:\n"
                "  pod-identity-init --wait=2m --expect-service-account=app\n"
                "  pod-identity-init --verify=injection --format=json\n\n"
                "Exit status: 0 OK, 10 NOT_INJECTED, 11 INJECTION_INVALID, 12 TOKEN_UNREADABLE,\n"
                "13 TOKEN_INVALID, 14 SETTING_INVALID, 20 AGENT_UNREACHABLE, 21 ACCESS_DENIED,\n"
                "22 THROTTLED, 23 BAD_RESPONSE, 24 AWS_UNREACHABLE, 25 TLS_FAILED,\n"
                "30 UNEXPECTED_IDENTITY, 64 usage error, 70 internal error.\n",
    .specs = specs,
    .commands = commands,
};

static bool take_command(const char *const operands[2], struct config *out, struct buf *problem) {
    if (strcmp(operands[0], "explain") != 0) {
        buf_str(problem, "unexpected word ");
        buf_printable(problem, operands[0], strnlen(operands[0], 65), 64);
        if (strcmp(operands[0], "help") == 0 || strcmp(operands[0], "version") == 0)
            buf_fmt(problem, "; did you mean --%s?", operands[0]);
        else
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
    if (result == OPTIONS_OK && !source_options_spread(&out->source, problem))
        return OPTIONS_USAGE;
    if (result == OPTIONS_OK && out->install_sh && out->install[0] == '\0') {
        buf_str(problem, "--install-sh needs --install=DIRECTORY");
        return OPTIONS_USAGE;
    }
    bool expects = out->source.expect_account != NULL || out->source.expect_role != NULL;
    if (result == OPTIONS_OK && expects && out->verify == VERIFY_INJECTION) {
        buf_fmt(problem, "--expect-%s needs credentials: it cannot go with --verify=injection",
                out->source.expect_account != NULL ? "account" : "role");
        return OPTIONS_USAGE;
    }
    if (out->source.expect_role != NULL)
        out->verify = VERIFY_IDENTITY;
    return result;
}
