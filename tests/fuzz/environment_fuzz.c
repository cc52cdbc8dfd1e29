/* What the environment and the command line can be: endpoints, the node's metadata service, the sidecar's
 * options and its source. The input is lines: "NAME=VALUE" is a variable, any other line a word of the
 * command line.
 *
 * Whatever comes, no request can go to a host that is neither AWS's nor the user's own choice, nothing leaves
 * the machine in clear, every refusal has words and a remedy, and no password is in them. */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/aws/endpoints.h"
#include "common/aws/node_credentials.h"
#include "common/base/log.h"
#include "common/source/source.h"
#include "sidecar/config_read.h"

#define VARIABLES_MAX 64
#define WORDS_MAX 32
#define PASSWORD "S3cr3tOfTheFuzzer"

static struct { const char *name, *value; } variables[VARIABLES_MAX];
static size_t variable_count;

static const char *lookup(const char *name) {
    for (size_t i = 0; i < variable_count; i++) {
        if (strcmp(variables[i].name, name) == 0)
            return variables[i].value;
    }
    return NULL;
}

/* The user information of a URL, in whatever setting it came. */
static void check_no_password(const char *text) {
    for (const char *at = text; (at = strstr(at, ":" PASSWORD "@")) != NULL; at++) {
        const char *word = at;
        while (word > text && word[-1] > ' ')
            word--;
        HOLDS(memmem(word, (size_t)(at - word), "://", 3) == NULL);
    }
}

static void check_words(const struct failure *f) {
    HOLDS(f->message[0] != '\0' && f->remedy[0] != '\0');
    for (const char *p = f->message; *p != '\0'; p++)
        HOLDS((unsigned char)*p >= ' ' && *p != 0x7f);
    check_no_password(f->message);
    check_no_password(f->remedy);
}

static void check_endpoint(enum endpoint_service service) {
    static struct endpoint e;
    struct failure f = {.reason = REASON_OK};
    memset(&e, 0, sizeof e);
    if (endpoint_find(service, lookup("OPTION"), lookup, &e, &f) != REASON_OK) {
        check_words(&f);
        return;
    }
    HOLDS(e.uri.https || e.uri.kind == URI_HOST_LOOPBACK || e.uri.kind == URI_HOST_LOCALHOST);
    HOLDS(e.region[0] != '\0' && e.origin != NULL);
    bool configured = strncmp(e.origin, "AWS_ENDPOINT", 12) == 0;
    HOLDS(configured || (endpoint_is_aws(&e) && e.uri.port == 443 && strchr(e.uri.host, '/') == NULL));
}

static void check_metadata(void) {
    static struct node_fetch fetch;
    struct failure f = {.reason = REASON_OK};
    memset(&fetch, 0, sizeof fetch);
    if (node_fetch_open(&fetch, lookup, &f) != REASON_OK)
        check_words(&f);
    else
        HOLDS(!fetch.base.https && fetch.base.kind != URI_HOST_NAME);
}

static void check_source(const struct source_options *options) {
    static struct source source;
    static struct source_scratch scratch;
    struct failure f = {.reason = REASON_OK};
    memset(&source, 0, sizeof source);
    if (source_open(&source, options, lookup, &scratch, &f) != REASON_OK) {
        check_words(&f);
        return;
    }
    HOLDS(source.hop_count > 0 && source.hop_count <= SOURCE_HOPS_MAX && source.kind != SOURCE_AUTO);
    HOLDS(source_upstream(&source) != NULL);
}

static void check_options(int argc, char **argv) {
    static struct config config;
    char text[OPTIONS_PROBLEM_MAX];
    struct buf problem = BUF(text);
    memset(&config, 0, sizeof config);
    enum options_result result = config_read(argc, argv, &config, &problem);
    HOLDS(result != OPTIONS_USAGE || (problem.len > 0 && strpbrk(text, "\r\n") == NULL));
    if (result != OPTIONS_OK)
        return;
    HOLDS(config.profile_count >= 1 && config.profile_count <= CONFIG_PROFILES_MAX);
    for (size_t i = 0; i < config.profile_count; i++)
        HOLDS(ini_profile_valid(config.profiles[i].profile));
    check_source(&config.profiles[0].source);
}

/* Options that open files are left to other targets. */
static bool opens_a_file(const char *word) {
    return strstr(word, "config") != NULL || strstr(word, "CONFIG") != NULL ||
           strstr(word, "policy") != NULL || strstr(word, "POLICY") != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char text[65536];
    static bool quiet;
    static char program[] = "pod-identity-sidecar";
    char *argv[WORDS_MAX + 1] = {program};
    int argc = 1;
    if (!quiet)
        log_setup(LOG_ERROR, LOG_LOGFMT, open("/dev/null", O_WRONLY | O_CLOEXEC));
    quiet = true;
    strcpy(text, as_text(data, size < sizeof text ? size : sizeof text - 1));
    variable_count = 0;
    clearenv();
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char *equals = strchr(line, '=');
        if (opens_a_file(line))
            continue;
        if (line[0] == '-' || equals == NULL || equals == line) {
            if (argc < WORDS_MAX)
                argv[argc++] = line;
        } else if (variable_count < VARIABLES_MAX) {
            *equals = '\0';
            variables[variable_count].name = line;
            variables[variable_count++].value = equals + 1;
            if (strncmp(line, "POD_IDENTITY_", 13) == 0)
                setenv(line, equals + 1, 1);
        }
    }
    check_endpoint(ENDPOINT_STS);
    check_endpoint(ENDPOINT_EKS_AUTH);
    check_metadata();
    check_options(argc, argv);
    return 0;
}
