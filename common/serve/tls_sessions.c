#include "common/serve/tls_sessions.h"

#include "common/base/wipe.h"
#include "common/serve/loop.h"

#define KEPT_MS (60 * 60 * 1000)

static br_ssl_session_cache_lru sessions;
static unsigned char *storage;
static size_t storage_len;
static int64_t since_ms;
static const struct tls_identity *current;

void tls_sessions_forget(const struct tls_identity *identity) {
    current = identity;
    since_ms = loop_now().mono_ms;
    wipe(storage, storage_len);
    br_ssl_session_cache_lru_init(&sessions, storage, storage_len);
}

void tls_sessions_open(unsigned char *given, size_t len) {
    storage = given;
    storage_len = len;
    tls_sessions_forget(current);
}

static bool may_resume(const struct tls_session *s) {
    return s->identity == current && storage_len > 0;
}

static void save(const br_ssl_session_cache_class **cache, br_ssl_server_context *context,
                 const br_ssl_session_parameters *parameters) {
    struct tls_session *s = (struct tls_session *)(void *)cache;
    s->resumed = false; /* it came to nothing, or was not asked for */
    if (may_resume(s))
        sessions.vtable->save(&sessions.vtable, context, parameters);
}

static int load(const br_ssl_session_cache_class **cache, br_ssl_server_context *context,
                br_ssl_session_parameters *parameters) {
    struct tls_session *s = (struct tls_session *)(void *)cache;
    s->resumed = may_resume(s) && sessions.vtable->load(&sessions.vtable, context, parameters) == 1;
    return s->resumed;
}

void tls_sessions_begin(struct tls_session *s, const struct tls_identity *identity) {
    static const br_ssl_session_cache_class vtable = {sizeof(struct tls_session), save, load};
    if (loop_now().mono_ms - since_ms > KEPT_MS)
        tls_sessions_forget(current);
    *s = (struct tls_session){&vtable, identity, false};
}
