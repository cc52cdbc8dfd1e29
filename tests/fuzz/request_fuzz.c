/* HTTP requests: any split gives the same result as the whole, and every request that is taken gets an
 * answer. The first byte of the input says where to split. */
#include "tests/fuzz/fuzz.h"

#include "sidecar/request.h"
#include "sidecar/routes.h"

static enum request_status feed_all(struct request *r, const char *bytes, size_t len, size_t step,
                                    size_t *used) {
    enum request_status status = REQUEST_MORE;
    request_reset(r);
    *used = 0;
    while (*used < len && status == REQUEST_MORE) {
        size_t n = len - *used < step ? len - *used : step, taken;
        status = request_feed(r, bytes + *used, n, &taken);
        HOLDS(taken <= n && (status != REQUEST_MORE || taken == n));
        *used += taken;
    }
    return status;
}

static void same(const struct request *a, const struct request *b, enum request_status status) {
    HOLDS(a->method == b->method && a->close == b->close && a->http_1_0 == b->http_1_0);
    HOLDS(a->error_status == b->error_status);
    if (status != REQUEST_DONE)
        return;
    HOLDS(strcmp(a->path, b->path) == 0 && strcmp(a->host, b->host) == 0);
    HOLDS(strcmp(a->authorization, b->authorization) == 0);
}

static void answered(const struct request *r, enum request_status status) {
    static const struct routes socket_routes = {.kind = ROUTES_SOCKET};
    static const struct routes http_routes = {
        .kind = ROUTES_HTTP, .bearer = "secret", .host = "127.0.0.1", .host_port = "127.0.0.1:80"};
    if (status == REQUEST_BAD) {
        HOLDS(r->error != NULL && answers_error(r->error_status)->keep_len > 0);
        return;
    }
    const struct answer *a = routes_pick(&http_routes, r);
    HOLDS(routes_pick(&socket_routes, r)->keep_len > 0);
    HOLDS(a->keep_len > 0 && a->close_len > a->keep_len);
    if (a == answers_page(ANSWERS_CREDENTIALS))
        HOLDS(strcmp(r->authorization, "secret") == 0 && strncmp(r->host, "127.0.0.1", 9) == 0);
}

static void nobody(const struct answer *answer) {
    (void)answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct request whole, parts;
    static int opened;
    if (!opened++)
        answers_open(nobody);
    if (size < 1)
        return 0;
    size_t step = data[0] % 64 + 1U, used, used_in_parts;
    const char *bytes = (const char *)data + 1;
    enum request_status status = feed_all(&whole, bytes, size - 1, SIZE_MAX, &used);
    HOLDS(feed_all(&parts, bytes, size - 1, step, &used_in_parts) == status);
    HOLDS(used == used_in_parts);
    same(&whole, &parts, status);
    if (status != REQUEST_MORE)
        answered(&whole, status);
    return 0;
}
