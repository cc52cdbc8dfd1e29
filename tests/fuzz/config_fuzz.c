/* The file of --config: what is accepted is whole, and what is not is one line that says why. */
#include "tests/fuzz/fuzz.h"

#include "sidecar/config_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct config config;
    char why[OPTIONS_PROBLEM_MAX];
    struct buf problem = BUF(why);
    memset(&config, 0, sizeof config);
    if (!config_file_parse("c.json", (const char *)data, size, &config, &problem)) {
        HOLDS(problem.len > 0 && strpbrk(why, "\r\n") == NULL && strncmp(why, "c.json", 6) == 0);
        return 0;
    }
    HOLDS(config.profile_count >= 1 && config.profile_count <= CONFIG_PROFILES_MAX);
    for (size_t i = 0; i < config.profile_count; i++) {
        const struct config_profile *p = &config.profiles[i];
        HOLDS(ini_profile_valid(p->name) && p->source.role_count <= SOURCE_ROLES_MAX);
        for (size_t k = 0; k < p->source.role_count; k++)
            HOLDS(p->source.roles[k].arn != NULL && p->source.roles[k].duration_s <= STS_CHAIN_MAX_S);
    }
    return 0;
}
