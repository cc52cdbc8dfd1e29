#include "common/source/authorities.h"

#include <errno.h>
#include <string.h>

#include "common/http/http.h"

bool authorities_needed(const struct source *s) {
    switch (s->kind) {
    case SOURCE_WEB_IDENTITY:
        return s->sts.uri.https;
    case SOURCE_EKS_AUTH:
        return s->eks_auth.uri.https || (s->options->role_count > 0 && s->sts.uri.https);
    default:
        return s->injection.uri.https || (s->options->role_count > 0 && s->sts.uri.https);
    }
}

/* What named the file; NULL: nobody. */
static const char *named_by(const struct source_options *o, injection_getenv *lookup, const char *path) {
    static const char *const names[] = {"AWS_CA_BUNDLE", "SSL_CERT_FILE"};
    if (o->ca_bundle != NULL)
        return "--ca-bundle";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (lookup(names[i]) == path)
            return names[i];
    }
    return NULL;
}

static void put_problem(enum err e, int error, struct buf *m) {
    switch (e) {
    case ERR_SYSTEM:
        buf_str(m, strerror(error));
        return;
    case ERR_NOT_FILE:
        buf_str(m, "it is not a regular file");
        return;
    case ERR_TOO_LONG:
        buf_fmt(m, "more than %d certificates, or than %d MiB", CA_BUNDLE_MAX, CA_BUNDLE_FILE_MAX >> 20);
        return;
    case ERR_EMPTY:
        buf_str(m, "no line in it says -----BEGIN CERTIFICATE-----");
        return;
    default:
        buf_str(m, "none of its certificates can be used");
    }
}

enum reason authorities_read(const struct source_options *o, injection_getenv *lookup,
                             struct ca_counts *counts, struct failure *f) {
    const char *path = source_ca_file(o, lookup), *name = named_by(o, lookup, path);
    http_trust(path);
    enum err e = ca_bundle_load(path, counts, NULL);
    int error = errno;
    if (e == ERR_OK)
        return REASON_OK;
    struct buf m = failure_begin(f, name != NULL ? REASON_SETTING_INVALID : REASON_TLS_FAILED);
    f->permanent = name != NULL;
    f->cause = http_result_cause(HTTP_TLS_NO_CA);
    buf_fmt(&m, "%s%s", name != NULL ? name : "", name != NULL ? "=" : "");
    buf_printable(&m, path, strlen(path), 300);
    buf_str(&m, " has no trusted certificates: ");
    put_problem(e, error, &m);
    if (e == ERR_MISSING) {
        buf_str(&m, "; ");
        (void)ca_bundle_unusable(counts, &m);
    }
    failure_remedy(f, "%s", http_result_tls_remedy(HTTP_TLS_NO_CA));
    return f->reason;
}
