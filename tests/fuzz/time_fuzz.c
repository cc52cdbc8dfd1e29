/* Times: what is parsed and formatted is the same time again. */
#include "tests/fuzz/fuzz.h"

#include "common/base/timefmt.h"

static void rfc3339(const uint8_t *data, size_t size) {
    int64_t ms, again;
    if (time_parse_rfc3339((const char *)data, size, &ms) != ERR_OK)
        return;
    HOLDS(size >= 20);
    char text[TIME_UTC_MAX];
    if (ms < 0 || ms / 1000 > INT64_C(253402300799))
        return; /* only a zone can push a time out of the years that are formatted */
    time_format_utc(ms / 1000, text);
    HOLDS(strlen(text) == TIME_UTC_MAX - 1);
    HOLDS(time_parse_rfc3339(text, strlen(text), &again) == ERR_OK);
    HOLDS(again == ms / 1000 * 1000);
}

static void duration(const char *text) {
    int64_t ms, again;
    if (time_parse_duration(text, &ms) != ERR_OK)
        return;
    HOLDS(ms >= 0 && ms <= INT64_C(36000000000));
    char out[TIME_DURATION_MAX];
    time_format_duration(ms, out);
    HOLDS(time_parse_duration(out, &again) == ERR_OK && again == ms);
    time_format_rough(ms, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t s;
    rfc3339(data, size);
    if (time_parse_http((const char *)data, size, &s) == ERR_OK)
        HOLDS(s >= 0 && s <= INT64_C(253402300800));
    duration(as_text(data, size));
    return 0;
}
