#include "agent/webhook/toolkit_wishes.h"

#include <string.h>

#include "agent/webhook/members.h"
#include "common/base/number.h"
#include "common/base/timefmt.h"
#include "common/text/ini.h"

bool toolkit_port_at(struct json_span string, const char *begin, size_t *from, size_t *to) {
    size_t len = strlen(begin), at = 0;
    if (string.len <= len || memcmp(string.at, begin, len) != 0)
        return false;
    for (size_t i = len; i + 1 < string.len && string.at[i] != '/'; i++) {
        if (string.at[i] == ':')
            at = i + 1; /* the last one: an address of IPv6 has more */
    }
    *from = *to = at;
    while (*to < string.len && string.at[*to] >= '0' && string.at[*to] <= '9')
        ++*to;
    return at > 0 && *to > at;
}

/* The annotation's text; false: it is not there. Too long or with a NUL: it is "?", which nothing takes. */
static bool wish(const struct pod *pod, const char *name, char *out, size_t cap) {
    struct json_span value = members_get(pod->annotations, name);
    size_t len;
    if (value.len == 0)
        return false;
    if (json_span_text(value, out, cap, &len) != ERR_OK)
        memcpy(out, "?", 2);
    return true;
}

static bool refuse(const struct pod *pod, const char *name, const char *what, struct buf *why) {
    struct json_span value = members_get(pod->annotations, name);
    buf_fmt(why, "annotation %s is ", name);
    buf_printable(why, value.at, value.len, 80);
    buf_fmt(why, ", %s", what);
    return false;
}

/* Whether a word of a container's command is one that the annotation can change. */
static bool has_word(struct json_span container, const char *begin, bool with_port) {
    static const char *const lists[] = {"command", "args"};
    struct json_span name, value;
    size_t from, to;
    for (size_t i = 0; i < 2; i++) {
        struct json_span list = members_get(container, lists[i]);
        for (size_t position = 0;
             span_kind(list) == SPAN_ARRAY && json_span_next(list, &position, &name, &value);) {
            if (with_port ? toolkit_port_at(value, begin, &from, &to) : span_begins(value, begin))
                return true;
        }
    }
    return false;
}

static bool wish_port(const struct template *t, const struct pod *pod, struct toolkit_wishes *out,
                      struct buf *why) {
    static const char name[] = TOOLKIT_PREFIX "port";
    char text[8];
    uint32_t port;
    if (!wish(pod, name, text, sizeof text))
        return true;
    unsigned digits = number_read(text, 10, 65535, &port);
    if (digits == 0 || text[digits] != '\0' || port == 0)
        return refuse(pod, name, "which is no port: give a number from 1 to 65535", why);
    if (!has_word(t->sidecar.whole, "\"--http=", true))
        return refuse(pod, name,
                      "but the template's sidecar has no --http=ADDRESS:PORT: take the annotation away", why);
    out->port = (uint16_t)port;
    return true;
}

static bool wish_wait(const struct template *t, const struct pod *pod, struct toolkit_wishes *out,
                      struct buf *why) {
    static const char name[] = TOOLKIT_PREFIX "wait";
    int64_t ms;
    if (!wish(pod, name, out->wait, sizeof out->wait))
        return true;
    if (time_parse_duration(out->wait, &ms) != ERR_OK)
        return refuse(pod, name, "which is no duration such as 90s or 2m", why);
    if (!has_word(t->init.whole, "--wait=", false))
        return refuse(pod, name, "but the template's init has no --wait=DURATION: take the annotation away",
                      why);
    return true;
}

static bool wish_profile(const struct pod *pod, struct toolkit_wishes *out, struct buf *why) {
    static const char name[] = TOOLKIT_PREFIX "profile";
    if (!wish(pod, name, out->profile, sizeof out->profile))
        return true;
    /* It becomes a part of a URL, in JSON. */
    if (out->profile[0] == '\0' || !ini_profile_valid(out->profile))
        return refuse(pod, name, "which is no profile's name: 1 to 128 letters, digits and any of -_.@+=,:/",
                      why);
    return true;
}

static bool wish_containers(const struct pod *pod, struct toolkit_wishes *out, struct buf *why) {
    static const char name[] = TOOLKIT_PREFIX "containers";
    struct json_span value = members_get(pod->annotations, name);
    size_t position = 0;
    if (value.len == 0)
        return true;
    if (names_read(value, &out->containers) != ERR_OK)
        return refuse(pod, name, "which is no list of containers: give their names with commas between", why);
    out->listed = true;
    for (const char *one; (one = names_next(&out->containers, &position)) != NULL;) {
        if (list_has(pod->lists[POD_CONTAINERS], "name", one) ||
            list_has(pod->lists[POD_INIT_CONTAINERS], "name", one))
            continue;
        char shown[400];
        struct buf names = BUF(shown);
        pod_names(pod, &names);
        const char *others = names.overflow ? ", and others" : "";
        buf_str(why, "annotation " TOOLKIT_PREFIX "containers names ");
        buf_printable(why, one, strlen(one), 63);
        buf_fmt(why, ", which it does not have: its containers are %s%s", shown, others);
        return false;
    }
    return true;
}

bool toolkit_wishes_read(const struct template *template, const struct pod *pod, struct toolkit_wishes *out,
                         struct buf *why) {
    out->listed = false;
    out->containers.len = 0;
    out->port = 0;
    out->wait[0] = out->profile[0] = '\0';
    return wish_port(template, pod, out, why) && wish_wait(template, pod, out, why) &&
           wish_profile(pod, out, why) && wish_containers(pod, out, why);
}
