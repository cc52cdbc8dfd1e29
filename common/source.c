#include "common/source.h"

const char *const source_names[] = {[SOURCE_AUTO] = "auto", [SOURCE_POD_IDENTITY] = "pod-identity", NULL};

const char *source_name(enum source_kind kind) {
    return source_names[kind];
}

/* With one source built, what was injected and what was asked for are the same. */
enum reason source_open(struct source *source, const struct source_options *options, injection_getenv *lookup,
                        struct failure *failure) {
    struct injection *injection = &source->injection;
    source->kind = SOURCE_POD_IDENTITY;
    enum reason reason = injection_read(lookup, injection, failure);
    if (options->self_injected == INJECTION_SELF_NEVER)
        return reason;
    bool there = token_file_there(INJECTION_STANDARD_TOKEN_FILE);
    if (!there && options->self_injected == INJECTION_SELF_REQUIRE) {
        injection->wrong = INJECTION_PART_PAIR;
        return injection_own_token_missing(failure);
    }
    if (there && reason == REASON_NOT_INJECTED) {
        injection_adopt(injection);
        reason = REASON_OK;
    }
    return reason;
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
