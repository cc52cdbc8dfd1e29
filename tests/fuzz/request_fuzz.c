/* HTTP requests: however the bytes arrive, the result is the same. The first byte of the input says where to
 * cut. */
#include "tests/fuzz/fuzz.h"

#include "common/serve/request.h"

static const struct request_extras extras = {.headers = {{"x-aws-ec2-metadata-token", true},
                                                         {"x-aws-ec2-metadata-token-ttl-seconds", true},
                                                         {"x-forwarded-for", false}}};

struct outcome {
    struct request request;
    enum request_status status;
    size_t used;
};

/* Pieces are copied to memory of their exact size, so that the sanitizer sees a byte read too many. */
static void feed(struct outcome *o, const uint8_t *bytes, size_t len, size_t first, size_t rest) {
    memset(o, 0, sizeof *o);
    request_reset(&o->request);
    for (size_t want = first; o->status == REQUEST_MORE && o->used < len; want = rest) {
        size_t n = want < len - o->used ? want : len - o->used, taken = 0;
        char *piece = malloc(n);
        if (piece == NULL)
            abort();
        memcpy(piece, bytes + o->used, n);
        o->status = request_feed(&o->request, &extras, piece, n, &taken);
        free(piece);
        HOLDS(taken <= n && (taken == n || o->status != REQUEST_MORE));
        o->used += taken;
    }
}

static void check(const struct outcome *o) {
    const struct request *r = &o->request;
    if (o->status == REQUEST_BAD) {
        HOLDS(r->error != NULL && r->error_status >= 400 && r->error_status < 600);
        return;
    }
    if (o->status != REQUEST_DONE)
        return;
    HOLDS(o->used <= REQUEST_HEAD_MAX);
    HOLDS(r->has_host || r->http_1_0);
    HOLDS(memchr(r->path, '\0', sizeof r->path) != NULL);
    HOLDS(memchr(r->host, '\0', sizeof r->host) != NULL);
    HOLDS(memchr(r->authorization, '\0', sizeof r->authorization) != NULL);
    for (size_t i = 0; i < REQUEST_EXTRAS_MAX; i++)
        HOLDS(memchr(r->extras[i].value, '\0', sizeof r->extras[i].value) != NULL);
    HOLDS(r->path[0] == '/' || r->path[0] == '\0');
    HOLDS(strpbrk(r->path, "?\r\n ") == NULL);
    HOLDS(strpbrk(r->host, "\r\n") == NULL && strpbrk(r->authorization, "\r\n") == NULL);
}

static void same(const struct outcome *a, const struct outcome *b) {
    HOLDS(a->status == b->status && a->used == b->used);
    HOLDS(memcmp(&a->request, &b->request, sizeof a->request) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct outcome whole, pieces;
    if (size < 2)
        return 0;
    size_t cut = data[0];
    data++;
    size--;
    feed(&whole, data, size, size, size);
    check(&whole);
    feed(&pieces, data, size, 1, 1);
    same(&whole, &pieces);
    feed(&pieces, data, size, cut % size + 1, size);
    same(&whole, &pieces);
    feed(&pieces, data, size, cut + 1, cut / 3 + 1);
    same(&whole, &pieces);
    return 0;
}
