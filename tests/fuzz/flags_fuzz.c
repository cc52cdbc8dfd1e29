/* The agent's command line, one word a line: it is taken, and then within all limits, or refused in one line.
 */
#include "tests/fuzz/fuzz.h"

#include "agent/flags.h"

#define WORDS_MAX 64

static void check_line(const char *text) {
    HOLDS(*text != '\0');
    for (; *text != '\0'; text++)
        HOLDS(*text >= ' ' && *text < 0x7F);
}

static void check_settings(const struct settings *s) {
    HOLDS(s->command <= COMMAND_VERSION);
    HOLDS(s->port > 0 && s->host_count > 0 && s->host_count <= FLAGS_HOSTS_MAX);
    HOLDS(s->retention_ms >= 0 && s->cache_size <= FLAGS_CACHE_SIZE_MAX);
    HOLDS(s->service_qps >= 1 && s->service_qps <= FLAGS_QPS_MAX);
    HOLDS(s->max_concurrency >= 1 && s->max_concurrency <= FLAGS_CONCURRENCY_MAX);
    HOLDS(s->cache_bytes >= FLAGS_CACHE_BYTES_MIN && s->cache_bytes <= FLAGS_CACHE_BYTES_MAX);
    HOLDS(s->issuer_count <= FLAGS_ISSUERS_MAX && s->association_count <= FLAGS_ASSOCIATIONS_MAX);
    HOLDS(s->audience != NULL && *s->audience != '\0');
    if (s->command == COMMAND_SERVER)
        HOLDS(s->cluster_name != NULL && (s->association_count == 0 || s->issuer_count > 0));
    for (size_t i = 0; i < s->host_count; i++)
        HOLDS(s->hosts[i].text[0] != '\0' && (s->hosts[i].text[0] == '[') == s->hosts[i].ipv6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct settings settings;
    static char text[16384], problem_text[FLAGS_PROBLEM_MAX], help_text[FLAGS_HELP_MAX];
    static char quiet[] = "--log-level=error"; /* what is odd is a warning */
    char *argv[WORDS_MAX + 3];
    int argc = 0;
    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    for (char *at = text; argc < WORDS_MAX;) {
        argv[argc++] = at;
        at += strcspn(at, "\n");
        if (*at == '\0')
            break;
        *at++ = '\0';
    }
    argv[argc++] = quiet;
    argv[argc] = NULL;
    memset(&settings, 0, sizeof settings);
    struct buf problem = BUF(problem_text), help = BUF(help_text);
    buf_reset(&problem);
    buf_reset(&help);
    enum flags_result result = flags_read(argc, argv, &settings, &problem, &help);
    HOLDS(!problem.overflow && !help.overflow);
    if (result == FLAGS_RUN)
        check_settings(&settings);
    else
        HOLDS(strncmp(help.data, "Usage: ", 7) == 0);
    if (result == FLAGS_USAGE)
        check_line(problem.data);
    return 0;
}
