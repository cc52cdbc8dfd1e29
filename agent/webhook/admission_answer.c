#include "agent/webhook/admission_answer.h"

#include <string.h>

/* RFC 4648, section 4: the patch is a []byte of Go. */
static void put_base64(const unsigned char *bytes, size_t len, struct buf *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        unsigned group = (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? (unsigned)bytes[i + 2] : 0);
        const char four[4] = {digits[group >> 18], digits[group >> 12 & 63],
                              left > 1 ? digits[group >> 6 & 63] : '=', left > 2 ? digits[group & 63] : '='};
        buf_put(out, four, sizeof four);
    }
}

static void begin(const struct admission_head *head, bool allowed, struct buf *out) {
    buf_fmt(out,
            "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/%s\",\"response\":{\"uid\":%.*s,"
            "\"allowed\":%s",
            head->beta ? "v1beta1" : "v1", (int)head->uid.len, head->uid.at, allowed ? "true" : "false");
}

static void end(const struct buf *warnings, struct buf *out) {
    if (warnings->len > 0)
        buf_fmt(out, ",\"warnings\":[%s]", warnings->data);
    buf_str(out, "}}");
}

void admission_answer_allow(const struct admission_head *head, const struct buf *patch,
                            const struct buf *warnings, struct buf *out) {
    begin(head, true, out);
    if (patch->len > 0) {
        buf_str(out, ",\"patchType\":\"JSONPatch\",\"patch\":\"");
        put_base64((const unsigned char *)patch->data, patch->len, out);
        buf_char(out, '"');
    }
    end(warnings, out);
}

void admission_answer_refuse(const struct admission_head *head, const char *why, const struct buf *warnings,
                             struct buf *out) {
    begin(head, false, out);
    buf_str(out, ",\"status\":{\"status\":\"Failure\",\"message\":");
    buf_json(out, why, strlen(why));
    buf_str(out, ",\"reason\":\"Forbidden\",\"code\":403}");
    end(warnings, out);
}
