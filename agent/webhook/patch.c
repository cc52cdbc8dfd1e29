#include "agent/webhook/patch.h"

#include <string.h>

void patch_op(struct patch *patch, const char *path) {
    buf_str(patch->out, patch->out->len == 0 ? "[" : ",");
    buf_fmt(patch->out, "{\"op\":\"add\",\"path\":\"%s\",\"value\":", path);
}

void patch_op_end(struct patch *patch) {
    buf_char(patch->out, '}');
}

bool patch_end(struct patch *patch) {
    if (patch->out->len == 0)
        return false;
    buf_char(patch->out, ']');
    return true;
}

/* An empty list is one, too: to that of the pod one can be appended. */
static bool by_operations(const struct additions *a) {
    return a->path != NULL && a->there.len > 0;
}

static void begin_inline(struct additions *a) {
    struct json_span name, value;
    size_t position = 0;
    buf_fmt(a->patch->out, ",\"%s\":[", a->name);
    while (json_span_next(a->there, &position, &name, &value)) {
        buf_put(a->patch->out, value.at, value.len);
        a->begun = true;
        buf_char(a->patch->out, ',');
    }
}

struct buf *additions_next(struct additions *a) {
    struct buf *out = a->patch->out;
    if (by_operations(a)) {
        char text[160];
        struct buf path = BUF(text);
        buf_fmt(&path, "%s/%s", a->path, a->first ? "0" : "-");
        patch_op(a->patch, text);
    } else if (a->begun) {
        buf_char(out, ',');
    } else if (a->path != NULL) {
        patch_op(a->patch, a->path);
        buf_char(out, '[');
    } else {
        begin_inline(a);
    }
    a->begun = true;
    return out;
}

void additions_done(struct additions *a) {
    if (by_operations(a))
        patch_op_end(a->patch);
}

void additions_end(struct additions *a) {
    if (!a->begun && a->path == NULL && a->there.len > 0)
        buf_fmt(a->patch->out, ",\"%s\":%.*s", a->name, (int)a->there.len, a->there.at);
    else if (a->begun && !by_operations(a))
        buf_str(a->patch->out, a->path != NULL ? "]}" : "]");
}
