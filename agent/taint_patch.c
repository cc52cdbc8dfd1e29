#include "agent/taint_patch.h"

#include <string.h>

#include "agent/json_scan.h"

#define TAINTS_MAX 3 /* of one key: there are as many effects */
_Static_assert(TAINT_PATCH_MAX > TAINTS_MAX * (TAINT_KEY_MAX + 128), "each has its place");

static bool has_key(struct json_span taint, const char *key) {
    struct json_span value;
    char plain[TAINT_KEY_MAX];
    size_t len;
    return json_span_member(taint, "key", &value) &&
           json_span_text(value, plain, sizeof plain, &len) == ERR_OK && strcmp(plain, key) == 0;
}

/* From the last to the first, so that the places of those before stay as they are. */
bool taint_patch(const char *node, size_t len, const char *key, struct buf *out) {
    struct json_span object, spec, taints, unused, taint;
    size_t found[TAINTS_MAX], count = 0, position = 0;
    if (!json_span_of(node, len, &object) || !json_span_member(object, "spec", &spec))
        return false;
    if (!json_span_member(spec, "taints", &taints))
        return true;
    for (size_t i = 0; json_span_next(taints, &position, &unused, &taint); i++) {
        if (has_key(taint, key) && count < TAINTS_MAX)
            found[count++] = i;
    }
    for (size_t left = count; left-- > 0;) {
        buf_fmt(out, "%s{\"op\":\"test\",\"path\":\"/spec/taints/%zu/key\",\"value\":\"%s\"},",
                left + 1 == count ? "[" : ",", found[left], key);
        buf_fmt(out, "{\"op\":\"remove\",\"path\":\"/spec/taints/%zu\"}%s", found[left],
                left == 0 ? "]" : "");
    }
    return !out->overflow;
}
