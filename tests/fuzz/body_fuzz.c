/* Requests with bodies: however the bytes arrive, the result is the same, and what is kept of a body is what
 * was sent. The first byte of the input says where to cut. */
#include "tests/fuzz/fuzz.h"

#include "common/serve/request.h"
#include "common/serve/request_body.h"

enum { KEPT = 600, READ = 1500 };

static const struct request_extras extras = {
    .headers = REQUEST_BODY_HEADERS, .body_kept = KEPT, .body_read = READ};

struct outcome {
    struct request request;
    enum request_status status;
    size_t used;
    bool had_body;
    char room[KEPT];
};

/* The room and the pieces lie in memory of their exact size, so that the sanitizer sees a byte too many. */
static void feed(struct outcome *o, const uint8_t *bytes, size_t len, size_t first, size_t rest) {
    char *room = NULL;
    memset(o, 0, sizeof *o);
    request_reset(&o->request);
    for (size_t want = first; (o->status == REQUEST_MORE || o->status == REQUEST_BODY) && o->used < len;
         want = rest) {
        size_t n = want < len - o->used ? want : len - o->used, taken = 0;
        char *piece = malloc(n);
        if (piece == NULL)
            abort();
        memcpy(piece, bytes + o->used, n);
        o->status = request_body_feed(&o->request, &extras, piece, n, &taken);
        free(piece);
        HOLDS(taken <= n && (taken == n || o->status != REQUEST_MORE));
        o->used += taken;
        if (o->status == REQUEST_BODY) {
            HOLDS(!o->had_body);
            o->had_body = true;
            room = malloc(o->request.body.dropped ? REQUEST_BODY_PREFIX : KEPT);
            o->request.body.bytes = room;
        }
    }
    if (o->request.body.len > 0)
        memcpy(o->room, room, o->request.body.len);
    free(room);
    o->request.body.bytes = NULL;
}

static void check(const struct outcome *o, const uint8_t *bytes) {
    const struct request *r = &o->request;
    HOLDS(r->body.len <= (r->body.dropped ? (uint32_t)REQUEST_BODY_PREFIX : (uint32_t)KEPT));
    HOLDS(r->body_total <= READ);
    HOLDS(o->had_body || (r->body.len == 0 && r->body_total == 0));
    if (o->status == REQUEST_BAD)
        HOLDS(r->error != NULL && r->error_status >= 400 && r->error_status < 600);
    if (o->status != REQUEST_DONE)
        return;
    HOLDS(r->body.dropped == (r->body_total > KEPT));
    HOLDS(r->body.dropped || r->body.len == r->body_total);
    HOLDS(!r->extras[REQUEST_BODY_LENGTH].present || !r->extras[REQUEST_BODY_CODING].present);
    if (r->extras[REQUEST_BODY_LENGTH].present && r->body_total > 0)
        HOLDS(memcmp(o->room, bytes + o->used - r->body_total, r->body.len) == 0);
}

static void same(const struct outcome *a, const struct outcome *b) {
    HOLDS(a->status == b->status && a->used == b->used && a->had_body == b->had_body);
    HOLDS(memcmp(&a->request, &b->request, sizeof a->request) == 0);
    HOLDS(memcmp(a->room, b->room, sizeof a->room) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct outcome whole, pieces;
    if (size < 2)
        return 0;
    size_t cut = data[0];
    data++;
    size--;
    feed(&whole, data, size, size, size);
    check(&whole, data);
    feed(&pieces, data, size, 1, 1);
    same(&whole, &pieces);
    feed(&pieces, data, size, cut % size + 1, size);
    same(&whole, &pieces);
    feed(&pieces, data, size, cut + 1, cut / 3 + 1);
    same(&whole, &pieces);
    return 0;
}
