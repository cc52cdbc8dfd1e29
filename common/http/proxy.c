#include "common/http/proxy.h"

#include <string.h>
#include <strings.h>

#include "common/base/scratch.h"
#include "common/base/setting.h"
#include "common/base/wipe.h"
#include "common/text/base64url.h"

static const char *first_set(proxy_lookup *lookup, const char *const *names) {
    for (; *names != NULL; names++) {
        const char *value = lookup(*names);
        if (value != NULL && *value != '\0')
            return *names;
    }
    return NULL;
}

/* HTTP_PROXY may come from a request's header "Proxy" where a program runs as a CGI: curl does not read it
 * either. */
static const char *variable_for(proxy_lookup *lookup, bool https) {
    static const char *const http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    static const char *const secure[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL};
    return first_set(lookup, https ? secure : http);
}

static int hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool percent_decode(const char *text, size_t len, struct buf *out) {
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if ((unsigned char)c <= ' ')
            return false;
        if (c == '%') {
            int high = len - i > 2 ? hex(text[i + 1]) : -1, low = high >= 0 ? hex(text[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        buf_char(out, c);
    }
    return !out->overflow;
}

/* RFC 7617. A name without a password has an empty one. */
static enum err authorize(const char *user, size_t len, struct proxy *out) {
    unsigned char bytes[PROXY_USER_MAX + 2];
    struct buf plain = buf_over((char *)bytes, sizeof bytes);
    char *text = out->authorization + 6;
    if (len > PROXY_USER_MAX)
        return ERR_TOO_LONG;
    bool decoded = percent_decode(user, len, &plain);
    if (decoded && memchr(user, ':', len) == NULL)
        buf_char(&plain, ':');
    if (decoded) {
        memcpy(out->authorization, "Basic ", 6);
        base64url_encode(bytes, plain.len, text);
        size_t text_len = strlen(text);
        for (char *at = text; *at != '\0'; at++)
            *at = (char)(*at == '-' ? '+' : *at == '_' ? '/' : *at);
        while (text_len % 4 != 0)
            text[text_len++] = '=';
        text[text_len] = '\0';
    }
    buf_wipe(&plain);
    return decoded ? ERR_OK : ERR_SYNTAX;
}

/* Without a scheme it is http, as everywhere. */
static enum err skip_scheme(const char **value, const char **problem) {
    const char *end = strstr(*value, "://");
    if (end == NULL || strcspn(*value, ":/@?#") < (size_t)(end - *value))
        return ERR_OK;
    size_t len = (size_t)(end - *value);
    bool http = len == 4 && strncasecmp(*value, "http", 4) == 0;
    *problem = "is not an http:// URL: proxies that are spoken to by https:// or SOCKS are not supported";
    if (len > 5 || (len == 5 && strncasecmp(*value, "https", 5) != 0 && strncasecmp(*value, "socks", 5) != 0))
        *problem = "is not an http:// URL: SOCKS and other kinds of proxies are not supported";
    *value = end + 3;
    return http ? ERR_OK : ERR_SYNTAX;
}

static enum err parse(const char *value, struct proxy *out, const char **problem) {
    SCRATCH static struct uri uri;
    char origin[URI_HOST_MAX + 16];
    struct buf text = BUF(origin);
    *problem = setting_flaw(value);
    enum err e = *problem != NULL ? ERR_SYNTAX : skip_scheme(&value, problem);
    if (e != ERR_OK)
        return e;
    size_t len = strcspn(value, "/?#");
    *problem = "has an @ behind its host: the characters / ? # @ % of a password must be percent-encoded "
               "(%2F %3F %23 %40 %25)";
    const char *at = memchr(value, '@', len);
    if (strchr(value + len, '@') != NULL ||
        (at != NULL && memchr(at + 1, '@', len - (size_t)(at + 1 - value))))
        return ERR_SYNTAX;
    *problem = "has a user or password that is too long, or not percent-encoded as it must be";
    if (at != NULL && (e = authorize(value, (size_t)(at - value), out)) != ERR_OK)
        return e;
    const char *host = at != NULL ? at + 1 : value;
    *problem = "is not of the form http://HOST:PORT";
    buf_str(&text, "http://");
    buf_put(&text, host, len - (size_t)(host - value));
    e = text.overflow ? ERR_TOO_LONG : uri_parse(text.data, &uri);
    memcpy(out->host, uri.host, sizeof out->host);
    out->port = uri.port;
    out->kind = uri.kind;
    return e;
}

enum err proxy_find(proxy_lookup *lookup, const struct uri *uri, struct proxy *out, const char **problem) {
    static const char *const exceptions[] = {"no_proxy", "NO_PROXY", NULL};
    const char *variable = variable_for(lookup, uri->https), *no_proxy = first_set(lookup, exceptions);
    out->variable = NULL;
    out->authorization[0] = '\0';
    if (variable == NULL || uri_is_local(uri) || (no_proxy != NULL && no_proxy_covers(lookup(no_proxy), uri)))
        return ERR_OK;
    out->variable = variable;
    enum err e = parse(lookup(variable), out, problem);
    if (e != ERR_OK)
        wipe(out->authorization, sizeof out->authorization);
    return e;
}
