#include "common/aws/sigv4.h"

#include <string.h>

#include "common/base/timefmt.h"
#include "common/base/wipe.h"

#define STRING_TO_SIGN_MAX 512

struct slice {
    const char *at;
    size_t len;
};

static bool unreserved(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

static void put_encoded(struct buf *out, char c) {
    static const char hex[] = "0123456789ABCDEF";
    if (unreserved(c)) {
        buf_char(out, c);
        return;
    }
    const char escaped[3] = {'%', hex[(unsigned char)c >> 4], hex[(unsigned char)c & 15]};
    buf_put(out, escaped, sizeof escaped);
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Path segments as sent are encoded once more: what is %20 on the wire becomes %2520. */
static void put_path(struct buf *out, const char *path, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (path[i] == '/')
            buf_char(out, '/');
        else
            put_encoded(out, path[i]);
    }
}

static bool is_segment(struct slice s, const char *text) {
    return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

/* RFC 3986 dot segments removed, empty segments merged; a closing slash stays. */
static void put_normalised_path(struct buf *out, const char *path) {
    size_t start = out->len;
    const char *p = path;
    bool slash_at_end = true;
    while (*p != '\0') {
        p += strspn(p, "/");
        struct slice segment = {p, strcspn(p, "/")};
        p += segment.len;
        if (segment.len == 0 || is_segment(segment, ".")) {
            slash_at_end = true;
        } else if (is_segment(segment, "..")) {
            while (out->len > start && out->data[--out->len] != '/')
                continue;
            slash_at_end = true;
        } else {
            buf_char(out, '/');
            put_path(out, segment.at, segment.len);
            slash_at_end = *p == '/';
        }
    }
    if (slash_at_end || out->len == start)
        buf_char(out, '/');
}

struct parameter {
    struct slice name, value; /* encoded */
};

static int compare_slices(struct slice a, struct slice b) {
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);
    if (order != 0 || a.len == b.len)
        return order;
    return a.len < b.len ? -1 : 1;
}

static bool parameter_less(const struct parameter *a, const struct parameter *b) {
    int order = compare_slices(a->name, b->name);
    return order != 0 ? order < 0 : compare_slices(a->value, b->value) < 0;
}

/* One encoding for each character, whether it came encoded or not. */
static struct slice encode_query_part(struct buf *scratch, const char *part, size_t len) {
    size_t start = scratch->len;
    for (size_t i = 0; i < len; i++) {
        if (part[i] == '%' && len - i > 2 && hex_value(part[i + 1]) >= 0 && hex_value(part[i + 2]) >= 0) {
            put_encoded(scratch, (char)(hex_value(part[i + 1]) << 4 | hex_value(part[i + 2])));
            i += 2;
        } else {
            put_encoded(scratch, part[i]);
        }
    }
    return (struct slice){scratch->data + start, scratch->len - start};
}

static enum err put_query(struct buf *out, const char *query, struct buf scratch) {
    struct parameter sorted[SIGV4_PARAMETERS_MAX];
    size_t count = 0;
    while (*query != '\0') {
        size_t len = strcspn(query, "&");
        size_t name_len = strcspn(query, "=&");
        if (len > 0) {
            if (count == SIGV4_PARAMETERS_MAX)
                return ERR_TOO_LONG;
            struct parameter p;
            p.name = encode_query_part(&scratch, query, name_len);
            size_t value_at = name_len < len ? name_len + 1 : len;
            p.value = encode_query_part(&scratch, query + value_at, len - value_at);
            size_t i = count++;
            for (; i > 0 && parameter_less(&p, &sorted[i - 1]); i--)
                sorted[i] = sorted[i - 1];
            sorted[i] = p;
        }
        query += len + (query[len] == '&' ? 1 : 0);
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_char(out, '&');
        buf_put(out, sorted[i].name.at, sorted[i].name.len);
        buf_char(out, '=');
        buf_put(out, sorted[i].value.at, sorted[i].value.len);
    }
    bool full = scratch.overflow;
    buf_wipe(&scratch);
    return full ? ERR_TOO_LONG : ERR_OK;
}

static char lower(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static int compare_names(const char *a, const char *b) {
    while (*a != '\0' && lower(*a) == lower(*b))
        a++, b++;
    return (unsigned char)lower(*a) - (unsigned char)lower(*b);
}

/* Stable, so that values of a repeated name stay in the order of arrival. */
static enum err sort_headers(const struct sigv4_request *r,
                             const struct sigv4_header *sorted[SIGV4_HEADERS_MAX]) {
    if (r->header_count > SIGV4_HEADERS_MAX)
        return ERR_TOO_LONG;
    for (size_t n = 0; n < r->header_count; n++) {
        size_t i = n;
        for (; i > 0 && compare_names(r->headers[n].name, sorted[i - 1]->name) < 0; i--)
            sorted[i] = sorted[i - 1];
        sorted[i] = &r->headers[n];
    }
    return ERR_OK;
}

static bool blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Trimmed, and runs of blanks made one. */
static void put_header_value(struct buf *out, const char *value) {
    bool begun = false, pending = false;
    for (; *value != '\0'; value++) {
        if (blank(*value)) {
            pending = begun;
            continue;
        }
        if (pending)
            buf_char(out, ' ');
        pending = false;
        begun = true;
        buf_char(out, *value);
    }
}

static void put_name(struct buf *out, const char *name) {
    for (; *name != '\0'; name++)
        buf_char(out, lower(*name));
}

static void put_signed_headers(struct buf *out, const struct sigv4_header *const *sorted, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && compare_names(sorted[i]->name, sorted[i - 1]->name) == 0)
            continue;
        if (i > 0)
            buf_char(out, ';');
        put_name(out, sorted[i]->name);
    }
}

enum err sigv4_canonical_request(const struct sigv4_request *request, struct sigv4_scratch *scratch,
                                 struct buf *out) {
    const struct sigv4_header *sorted[SIGV4_HEADERS_MAX];
    enum err e = sort_headers(request, sorted);
    if (e != ERR_OK)
        return e;
    buf_str(out, request->method);
    buf_char(out, '\n');
    if (request->keep_path && request->path[0] != '\0')
        put_path(out, request->path, strlen(request->path));
    else
        put_normalised_path(out, request->path);
    buf_char(out, '\n');
    e = put_query(out, request->query, BUF(scratch->query));
    if (e != ERR_OK)
        return e;
    for (size_t i = 0; i < request->header_count; i++) {
        bool again = i > 0 && compare_names(sorted[i]->name, sorted[i - 1]->name) == 0;
        if (again) {
            buf_char(out, ',');
        } else {
            buf_char(out, '\n');
            put_name(out, sorted[i]->name);
            buf_char(out, ':');
        }
        put_header_value(out, sorted[i]->value);
    }
    buf_str(out, "\n\n");
    put_signed_headers(out, sorted, request->header_count);
    unsigned char hash[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    hash_sha256(request->body, request->body_len, hash);
    hash_hex(hash, hex);
    buf_char(out, '\n');
    buf_str(out, hex);
    return out->overflow ? ERR_TOO_LONG : ERR_OK;
}

static void put_scope(struct buf *out, const struct sigv4_scope *scope) {
    char stamp[TIME_BASIC_MAX];
    time_format_basic(scope->unix_s, stamp);
    buf_put(out, stamp, 8);
    buf_char(out, '/');
    buf_str(out, scope->region);
    buf_char(out, '/');
    buf_str(out, scope->service);
    buf_str(out, "/aws4_request");
}

void sigv4_string_to_sign(const struct sigv4_scope *scope, const char *canonical, size_t len,
                          struct buf *out) {
    char stamp[TIME_BASIC_MAX];
    unsigned char hash[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    time_format_basic(scope->unix_s, stamp);
    hash_sha256(canonical, len, hash);
    hash_hex(hash, hex);
    buf_str(out, "AWS4-HMAC-SHA256\n");
    buf_str(out, stamp);
    buf_char(out, '\n');
    put_scope(out, scope);
    buf_char(out, '\n');
    buf_str(out, hex);
}

void sigv4_signature(const struct sigv4_scope *scope, const char *to_sign, size_t len,
                     char out[HASH_HEX_SIZE]) {
    char stamp[TIME_BASIC_MAX];
    time_format_basic(scope->unix_s, stamp);
    char first[sizeof "AWS4" + SIGV4_SECRET_MAX];
    struct buf b = BUF(first);
    buf_str(&b, "AWS4");
    buf_str(&b, scope->secret_access_key);
    unsigned char key[HASH_SIZE];
    hash_hmac(b.data, b.len, stamp, 8, key);
    buf_wipe(&b);
    hash_hmac(key, sizeof key, scope->region, strlen(scope->region), key);
    hash_hmac(key, sizeof key, scope->service, strlen(scope->service), key);
    hash_hmac(key, sizeof key, "aws4_request", 12, key);
    hash_hmac(key, sizeof key, to_sign, len, key);
    hash_hex(key, out);
    wipe(key, sizeof key);
}

/* The three stages, one behind the other. */
static enum err sign(const struct sigv4_scope *scope, const struct sigv4_request *request,
                     struct sigv4_scratch *scratch, char signature[HASH_HEX_SIZE]) {
    struct buf canonical = BUF(scratch->canonical);
    char to_sign_text[STRING_TO_SIGN_MAX];
    struct buf to_sign = BUF(to_sign_text);
    enum err e = sigv4_canonical_request(request, scratch, &canonical);
    if (e == ERR_OK) {
        sigv4_string_to_sign(scope, canonical.data, canonical.len, &to_sign);
        e = to_sign.overflow ? ERR_TOO_LONG : ERR_OK;
    }
    if (e == ERR_OK)
        sigv4_signature(scope, to_sign.data, to_sign.len, signature);
    buf_wipe(&canonical);
    return e;
}

enum err sigv4_authorization(const struct sigv4_scope *scope, const struct sigv4_request *request,
                             struct sigv4_scratch *scratch, struct buf *out) {
    char signature[HASH_HEX_SIZE];
    const struct sigv4_header *sorted[SIGV4_HEADERS_MAX];
    enum err e = sign(scope, request, scratch, signature);
    if (e == ERR_OK)
        e = sort_headers(request, sorted);
    if (e != ERR_OK)
        return e;
    buf_fmt(out, "AWS4-HMAC-SHA256 Credential=%s/", scope->access_key_id);
    put_scope(out, scope);
    buf_str(out, ", SignedHeaders=");
    put_signed_headers(out, sorted, request->header_count);
    buf_fmt(out, ", Signature=%s", signature);
    return out->overflow ? ERR_TOO_LONG : ERR_OK;
}

/* ---- in the query ---- */

void sigv4_put_encoded(struct buf *out, const char *text) {
    for (; *text != '\0'; text++)
        put_encoded(out, *text);
}

/* A text that is put together here, escaped. */
static void put_escaped(struct buf *out, struct buf *text) {
    sigv4_put_encoded(out, text->data);
    out->overflow = out->overflow || text->overflow;
    buf_reset(text);
}

static void put_token(struct buf *out, const char *token) {
    buf_str(out, "&X-Amz-Security-Token=");
    sigv4_put_encoded(out, token);
}

enum err sigv4_presigned_query(const struct sigv4_scope *scope, const struct sigv4_request *request,
                               const struct sigv4_presign *presign, struct buf *out) {
    const struct sigv4_header *sorted[SIGV4_HEADERS_MAX];
    char stamp[TIME_BASIC_MAX], text[SIGV4_AUTHORIZATION_MAX];
    struct buf part = BUF(text);
    enum err e = sort_headers(request, sorted);
    if (e != ERR_OK)
        return e;
    time_format_basic(scope->unix_s, stamp);
    buf_fmt(out, "%s%sX-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=", request->query,
            request->query[0] != '\0' ? "&" : "");
    buf_fmt(&part, "%s/", scope->access_key_id);
    put_scope(&part, scope);
    put_escaped(out, &part);
    buf_fmt(out, "&X-Amz-Date=%s&X-Amz-Expires=%u&X-Amz-SignedHeaders=", stamp, (unsigned)presign->expires_s);
    put_signed_headers(&part, sorted, request->header_count);
    put_escaped(out, &part);
    if (presign->session_token != NULL && !presign->token_unsigned)
        put_token(out, presign->session_token);
    return out->overflow ? ERR_TOO_LONG : ERR_OK;
}

enum err sigv4_presign(const struct sigv4_scope *scope, const struct sigv4_request *request,
                       const struct sigv4_presign *presign, struct sigv4_scratch *scratch, struct buf *out) {
    struct sigv4_request signing = *request;
    char signature[HASH_HEX_SIZE];
    signing.query = out->data + out->len;
    enum err e = sigv4_presigned_query(scope, request, presign, out);
    if (e == ERR_OK)
        e = sign(scope, &signing, scratch, signature);
    if (e != ERR_OK)
        return e;
    if (presign->session_token != NULL && presign->token_unsigned)
        put_token(out, presign->session_token);
    buf_fmt(out, "&X-Amz-Signature=%s", signature);
    return out->overflow ? ERR_TOO_LONG : ERR_OK;
}
