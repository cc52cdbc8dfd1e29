#include "common/http/http_header.h"

#include <string.h>
#include <strings.h>

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
