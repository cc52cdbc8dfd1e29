#include "agent/judge.h"

#include <string.h>

#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#define UNPARSABLE "Service account token cannot be parsed: token is "

/* ---- the path ---- */

static void drop_last_part(struct buf *out) {
    while (out->len > 0 && out->data[out->len - 1] != '/')
        out->len--;
    out->len -= out->len > 0;
    out->data[out->len] = '\0';
}

bool judge_clean_path(const char *path, struct buf *out) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~$+,/:;=@";
    bool slash = false;
    if (path[strspn(path, plain)] != '\0')
        return false;
    for (const char *at = path; *at != '\0';) {
        size_t slashes = strspn(at, "/"), part = strcspn(at + slashes, "/");
        const char *name = at + slashes;
        at = name + part;
        slash = part == 0 || (*at == '/' && at[strspn(at, "/")] == '\0');
        if (part == 2 && memcmp(name, "..", 2) == 0) {
            drop_last_part(out);
        } else if (part > 0 && !(part == 1 && *name == '.')) {
            buf_char(out, '/');
            buf_put(out, name, part);
        }
    }
    if (out->len == 0 || slash)
        buf_char(out, '/');
    return strcmp(path, out->data) != 0;
}

/* ---- Host ---- */

/* As Go's net.SplitHostPort takes it apart; what it does not understand stays whole. */
static void split_port(const char **host, size_t *len) {
    const char *at = *host, *end = at + *len, *colon = memrchr(at, ':', *len);
    if (colon == NULL || memchr(colon, ']', (size_t)(end - colon)) != NULL)
        return;
    if (*at == '[') {
        const char *bracket = memchr(at, ']', *len);
        if (bracket == NULL || bracket + 1 != colon ||
            memchr(at + 1, '[', (size_t)(bracket - at - 1)) != NULL)
            return;
        *host = at + 1;
        *len = (size_t)(bracket - at - 1);
    } else if (memchr(at, ':', *len) == colon && memchr(at, '[', *len) == NULL &&
               memchr(at, ']', *len) == NULL) {
        *len = (size_t)(colon - at);
    }
}

static bool is(const char *text, size_t len, const char *wanted) {
    return len == strlen(wanted) && memcmp(text, wanted, len) == 0;
}

bool judge_host(const char *host, struct buf *error) {
    if (strcmp(host, JUDGE_IPV4) == 0) /* nearly always */
        return true;
    size_t len = strlen(host);
    split_port(&host, &len);
    if (len > 1 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (is(host, len, JUDGE_IPV4) || is(host, len, JUDGE_IPV6))
        return true;
    buf_str(error, "Access Denied. Called agent through invalid address, please use either [" JUDGE_IPV4
                   " " JUDGE_IPV6 "] address not ");
    buf_put(error, host, len);
    return false;
}

/* ---- the token ---- */

static bool unparsable(struct buf *error, const char *why) {
    buf_str(error, UNPARSABLE);
    buf_str(error, why);
    return false;
}

static size_t count_dots(const char *token, size_t len) {
    size_t dots = 0;
    for (const char *at = token; (at = memchr(at, '.', (size_t)(token + len - at))) != NULL; at++)
        dots++;
    return dots;
}

/* golang-jwt's words for what is no base64url without padding. */
static bool is_base64(const char *part, size_t len, const char *what, struct buf *error) {
    size_t good = strspn(part, BASE64URL);
    if (good >= len && len % 4 != 1)
        return true;
    if (good > len)
        good = len;
    buf_fmt(error, UNPARSABLE "malformed: could not base64 decode %s: illegal base64 data at input byte %zu",
            what, good);
    return false;
}

bool judge_token(const char *token, size_t len, struct jwt_claims *claims, struct buf *error) {
    const char *wrong = "";
    if (count_dots(token, len) != 2)
        return unparsable(error, "malformed: token contains an invalid number of segments");
    size_t header = strcspn(token, "."), payload = strcspn(token + header + 1, ".");
    if (!is_base64(token, header, "header", error) || !is_base64(token + header + 1, payload, "claim", error))
        return false;
    enum err e = jwt_inspect_unverified(token, len, claims, &wrong);
    if (e == ERR_OK)
        return true;
    if (e == ERR_TOO_LONG) {
        memset(claims, 0, sizeof *claims);
        return true;
    }
    buf_fmt(error, UNPARSABLE "malformed: could not JSON decode claim: %s: %s", wrong, err_text(e));
    return false;
}

bool judge_times(int64_t expires_s, int64_t not_before_s, int64_t now_ms, struct buf *error) {
    bool expired = expires_s != 0 && now_ms >= expires_s * 1000, early = now_ms < not_before_s * 1000;
    if (!expired && !early)
        return true;
    buf_fmt(error, "Service account token failed basic claim validations: %s%s%s",
            expired ? "token is expired" : "", expired && early ? ", " : "",
            early ? "token is not valid yet" : "");
    return false;
}
