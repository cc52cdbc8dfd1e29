#include "common/http/http_header.h"

#include <string.h>
#include <strings.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/timefmt.h"

#define RETRY_AFTER_MAX_S                                                                                    \
    86400 /* what is longer is a mistake of the server; the refresh engine caps it further */

const char *http_header_value(const char *line, size_t len, const char *name, size_t *value_len) {
    size_t name_len = strlen(name);
    if (len <= name_len || strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
        return NULL;
    const char *at = line + name_len + 1, *end = line + len;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == '\n' || end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *value_len = (size_t)(end - at);
    return at;
}

int64_t http_retry_after_ms(const char *value, size_t len) {
    int64_t seconds = 0, date;
    if (time_parse_http(value, len, &date) == ERR_OK)
        seconds = date - clock_now().wall_ms / 1000;
    else
        for (size_t i = 0; i < len; i++) {
            if (value[i] < '0' || value[i] > '9')
                return 0;
            seconds = seconds * 10 + (value[i] - '0');
            if (seconds > RETRY_AFTER_MAX_S)
                break;
        }
    if (seconds > RETRY_AFTER_MAX_S)
        seconds = RETRY_AFTER_MAX_S;
    return seconds > 0 ? seconds * 1000 : 0;
}

static void copy(const char *value, size_t len, char *out, size_t cap) {
    struct buf b = buf_over(out, cap);
    buf_printable(&b, value, len, cap - sizeof "...");
}

void http_header_who(const char *line, size_t len, struct http_who *who) {
    static const char linkerd[] = "l5d-";
    const struct {
        const char *name;
        char *out;
        size_t cap;
    } kept[] = {{"Server", who->server, sizeof who->server},
                {"Via", who->via, sizeof who->via},
                {"x-amzn-ErrorType", who->error_type, sizeof who->error_type},
                {"x-amzn-RequestId", who->request_id, sizeof who->request_id}};
    size_t value_len;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const char *value = http_header_value(line, len, kept[i].name, &value_len);
        if (value != NULL)
            copy(value, value_len, kept[i].out, kept[i].cap);
    }
    who->linkerd =
        who->linkerd || (len > sizeof linkerd && strncasecmp(line, linkerd, sizeof linkerd - 1) == 0);
    who->amazon = who->amazon || who->request_id[0] != '\0';
}
