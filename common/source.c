#include "common/source.h"

#include <string.h>

static const char *const names[] = {[SOURCE_AUTO] = "auto", [SOURCE_POD_IDENTITY] = "pod-identity"};

const char *source_name(enum source_kind kind) {
    return names[kind];
}

bool source_parse(const char *name, enum source_kind *out) {
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (enum source_kind)i;
            return true;
        }
    }
    return false;
}

enum reason source_open(struct source *source, enum source_kind wanted, injection_getenv *lookup,
                        struct failure *failure) {
    (void)wanted; /* with one source built, what was injected and what was asked for are the same */
    source->kind = SOURCE_POD_IDENTITY;
    return injection_read(lookup, &source->injection, failure);
}

enum reason source_request(struct source *source, struct http_request *out, struct failure *failure) {
    enum reason reason = token_file_read(source->injection.token_path, &source->token, failure);
    if (reason == REASON_OK)
        agent_request(&source->injection.uri, &source->token, source->headers, out);
    return reason;
}

void source_forget(struct source *source) {
    token_wipe(&source->token);
}

enum reason source_result(const struct source *source, const struct http_response *response,
                          struct moment now, struct credentials *out, struct failure *failure) {
    return agent_result(&source->injection.uri, response, now, out, failure);
}
