#include "agent/go_runner.h"

#include <string.h>

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

const char *const *go_runner_behind(const char *const *words, bool *log_file, struct buf *problem) {
    static const char *const strings[] = {"log-file"}, *const booleans[] = {"also-stdout", "redirect-stderr"};
    for (; *words != NULL && (*words)[0] == '-' && (*words)[1] != '\0'; words++) {
        const char *name = *words + ((*words)[1] == '-' ? 2 : 1);
        size_t len = strcspn(name, "=");
        bool is_string = strlen(strings[0]) == len && memcmp(strings[0], name, len) == 0, known = is_string;
        for (size_t i = 0; i < sizeof booleans / sizeof booleans[0]; i++)
            known = known || (strlen(booleans[i]) == len && memcmp(booleans[i], name, len) == 0);
        if (len == 0) { /* -- */
            words++;
            break;
        }
        if (!known) {
            buf_str(problem, "go-runner: unknown flag: ");
            buf_printable(problem, *words, strnlen(*words, 61), 60);
            return NULL;
        }
        *log_file = *log_file || is_string;
        words += is_string && name[len] == '\0' && words[1] != NULL;
    }
    const char *program = *words != NULL ? base_name(*words) : "";
    if (strcmp(program, "eks-pod-identity-agent") == 0 || strcmp(program, "pod-identity-agent") == 0)
        return words + 1;
    buf_str(problem, *words != NULL ? "go-runner: it runs nothing but /eks-pod-identity-agent here, and not "
                                    : "go-runner: the program is missing: /eks-pod-identity-agent");
    if (*words != NULL)
        buf_printable(problem, *words, strnlen(*words, 61), 60);
    return NULL;
}

bool go_runner_is(const char *program) {
    return program != NULL && strcmp(base_name(program), "go-runner") == 0;
}
