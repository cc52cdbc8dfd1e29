#include "agent/webhook/template.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/webhook/json_check.h"
#include "agent/webhook/members.h"

#define LABEL_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-"

struct reading {
    struct template *out;
    struct buf *problem;
};

/* at: what is wrong, whose line is said. */
__attribute__((format(printf, 3, 4))) static bool refuse(struct reading *r, struct json_span at,
                                                         const char *format, ...) {
    char text[TEMPLATE_PROBLEM_MAX - 32];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buf_fmt(r->problem, "line %u: %s", span_line(r->out->text, at.at), text);
    return false;
}

/* ---- objects with known members ---- */

static const char top_names[] = " native fsGroup init sidecar volumes app ";
static const char app_names[] = " env volumeMounts ";
/* Of Kubernetes 1.36, core/v1 Container. */
static const char container_names[] =
    " name image command args workingDir ports envFrom env resources resizePolicy restartPolicy "
    "restartPolicyRules volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle "
    "terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty ";

static bool listed(const char *list, struct json_span name) {
    char word[TEMPLATE_NAME_MAX];
    struct buf b = BUF(word);
    buf_char(&b, ' ');
    buf_put(&b, name.at + 1, name.len - 2);
    buf_char(&b, ' ');
    return !b.overflow && name.len > 2 && memchr(name.at + 1, ' ', name.len - 2) == NULL &&
           strstr(list, word) != NULL;
}

/* Every member is one of the list, and none is there twice. path: "" or with a dot at its end. */
static bool only(struct reading *r, struct json_span object, const char *path, const char *list) {
    struct json_span name, value, other, ignored;
    for (size_t position = 0; json_span_next(object, &position, &name, &value);) {
        char text[80];
        struct buf shown = BUF(text);
        buf_printable(&shown, name.at + 1, name.len - 2, 60);
        if (!listed(list, name))
            return refuse(r, name, "%s%s is not known; known are%.*s", path, text, (int)strlen(list) - 1,
                          list);
        for (size_t behind = position; json_span_next(object, &behind, &other, &ignored);) {
            if (span_same(name, other))
                return refuse(r, other, "%s%s is given twice", path, text);
        }
    }
    return true;
}

static bool pick(struct reading *r, struct json_span object, const char *path, struct member *m,
                 size_t count) {
    static const char *const kinds[] = {[SPAN_OBJECT] = "an object",
                                        [SPAN_ARRAY] = "a list",
                                        [SPAN_STRING] = "a string",
                                        [SPAN_TRUE] = "true or false",
                                        [SPAN_NUMBER] = "a number"};
    const char *odd = members_pick(object, m, count);
    for (size_t i = 0; odd != NULL && i < count; i++) {
        if (strcmp(m[i].name, odd) == 0)
            return refuse(r, m[i].value, "%s%s is not %s", path, odd, kinds[m[i].kind]);
    }
    return true;
}

/* A text that is there, of less than cap bytes. */
static bool take_text(struct reading *r, struct json_span owner, const char *path, const char *field,
                      struct json_span value, char *out, size_t cap) {
    size_t len;
    if (value.len <= 2)
        return refuse(r, value.len > 0 ? value : owner, "%s%s is %s", path, field,
                      value.len > 0 ? "empty" : "missing");
    if (json_span_text(value, out, cap, &len) == ERR_OK)
        return true;
    return refuse(r, value, "%s%s is no text of at most %zu bytes", path, field, cap - 1);
}

static bool is_label(const char *text) {
    size_t len = strlen(text);
    return len > 0 && len < TEMPLATE_NAME_MAX && strspn(text, LABEL_CHARACTERS) == len && text[0] != '-' &&
           text[len - 1] != '-';
}

/* ---- lists ---- */

static bool has_text(const struct template_item *items, size_t count, const char *text) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(items[i].text, text) == 0)
            return true;
    }
    return false;
}

/* Each element is an object with a text that no other has. */
static bool take_list(struct reading *r, struct json_span list, const char *path, const char *field,
                      struct template_item *items, size_t *count) {
    struct json_span name, value;
    for (size_t position = 0; json_span_next(list, &position, &name, &value); ++*count) {
        char text[64];
        struct buf at = BUF(text);
        buf_fmt(&at, "%s[%zu]", path, *count);
        struct member m = {.name = field, .kind = SPAN_STRING};
        if (*count == TEMPLATE_LIST_MAX)
            return refuse(r, value, "%s has more than %d elements", path, TEMPLATE_LIST_MAX);
        if (span_kind(value) != SPAN_OBJECT)
            return refuse(r, value, "%s is not an object", text);
        buf_char(&at, '.');
        struct template_item *item = &items[*count];
        if (!pick(r, value, text, &m, 1) ||
            !take_text(r, value, text, field, m.value, item->text, sizeof item->text))
            return false;
        if (has_text(items, *count, item->text))
            return refuse(r, m.value, "%s%s is \"%s\", which another one has, too", text, field, item->text);
        item->whole = value;
    }
    return true;
}

/* Mounts are of volumes that the template brings: a pod need not have others. */
static bool mounts_known(struct reading *r, struct json_span list, const char *path) {
    struct json_span ignored, value;
    const struct template *t = r->out;
    size_t position = 0;
    for (size_t i = 0; json_span_next(list, &position, &ignored, &value); i++) {
        char name[TEMPLATE_TEXT_MAX], text[64];
        struct buf at = BUF(text);
        struct member m = {.name = "name", .kind = SPAN_STRING};
        buf_fmt(&at, "%s[%zu].", path, i);
        if (!pick(r, value, text, &m, 1) || !take_text(r, value, text, "name", m.value, name, sizeof name))
            return false;
        if (!has_text(t->volumes, t->volume_count, name))
            return refuse(r, m.value, "%sname is \"%s\", which is none of the template's volumes", text,
                          name);
    }
    return true;
}

static bool take_volumes(struct reading *r, struct json_span list) {
    struct template *t = r->out;
    if (!take_list(r, list, "volumes", "name", t->volumes, &t->volume_count))
        return false;
    for (size_t i = 0; i < t->volume_count; i++) {
        if (!is_label(t->volumes[i].text))
            return refuse(r, t->volumes[i].whole, "volumes[%zu].name is \"%s\", which is no DNS label", i,
                          t->volumes[i].text);
    }
    return true;
}

static bool take_app(struct reading *r, struct json_span app) {
    struct template *t = r->out;
    struct member m[] = {{.name = "env", .kind = SPAN_ARRAY}, {.name = "volumeMounts", .kind = SPAN_ARRAY}};
    return only(r, app, "app.", app_names) && pick(r, app, "app.", m, 2) &&
           take_list(r, m[0].value, "app.env", "name", t->env, &t->env_count) &&
           take_list(r, m[1].value, "app.volumeMounts", "mountPath", t->mounts, &t->mount_count) &&
           mounts_known(r, m[1].value, "app.volumeMounts");
}

/* ---- containers ---- */

static bool take_container(struct reading *r, struct json_span object, const char *path,
                           struct template_container *out) {
    char unused[TEMPLATE_TEXT_MAX], text[32];
    struct buf mounts = BUF(text);
    struct member m[] = {
        {.name = "name", .kind = SPAN_STRING},         {.name = "image", .kind = SPAN_STRING},
        {.name = "env", .kind = SPAN_ARRAY},           {.name = "volumeMounts", .kind = SPAN_ARRAY},
        {.name = "command", .kind = SPAN_ARRAY},       {.name = "args", .kind = SPAN_ARRAY},
        {.name = "restartPolicy", .kind = SPAN_STRING}};
    out->whole = object;
    buf_fmt(&mounts, "%svolumeMounts", path);
    if (object.len == 0)
        return true;
    if (!only(r, object, path, container_names) || !pick(r, object, path, m, sizeof m / sizeof m[0]) ||
        !take_text(r, object, path, "name", m[0].value, out->name, sizeof out->name) ||
        !take_text(r, object, path, "image", m[1].value, unused, sizeof unused) ||
        !mounts_known(r, m[3].value, text))
        return false;
    if (!is_label(out->name))
        return refuse(r, m[0].value, "%sname is \"%s\", which is no DNS label", path, out->name);
    bool native = r->out->native && object.at == r->out->sidecar.whole.at;
    if (native && !span_is(m[6].value, "Always"))
        return refuse(
            r, m[6].value.len > 0 ? m[6].value : object,
            "%srestartPolicy is not \"Always\", which makes an init container go on: set it, or set "
            "native to false",
            path);
    if (!native && m[6].value.len > 0)
        return refuse(r, m[6].value, "%srestartPolicy is given, which only a native sidecar may have", path);
    return true;
}

static bool take_containers(struct reading *r, struct json_span whole, struct json_span init,
                            struct json_span sidecar) {
    struct template *t = r->out;
    if (init.len == 0 && sidecar.len == 0)
        return refuse(r, whole, "neither init nor sidecar is there: nothing would be injected");
    if (!take_container(r, init, "init.", &t->init) || !take_container(r, sidecar, "sidecar.", &t->sidecar))
        return false;
    if (init.len > 0 && sidecar.len > 0 && strcmp(t->init.name, t->sidecar.name) == 0)
        return refuse(r, sidecar, "sidecar.name is \"%s\", as is init.name", t->sidecar.name);
    return true;
}

/* ---- the whole ---- */

static bool take(struct reading *r, struct json_span whole) {
    struct member m[] = {{.name = "native", .kind = SPAN_TRUE},   {.name = "fsGroup", .kind = SPAN_NUMBER},
                         {.name = "init", .kind = SPAN_OBJECT},   {.name = "sidecar", .kind = SPAN_OBJECT},
                         {.name = "volumes", .kind = SPAN_ARRAY}, {.name = "app", .kind = SPAN_OBJECT}};
    if (span_kind(whole) != SPAN_OBJECT)
        return refuse(r, whole, "the template is not a JSON object");
    if (!only(r, whole, "", top_names) || !pick(r, whole, "", m, sizeof m / sizeof m[0]))
        return false;
    r->out->native = span_kind(m[0].value) != SPAN_FALSE;
    r->out->fs_group = m[1].value;
    r->out->sidecar.whole = m[3].value;
    for (size_t i = 0; i < m[1].value.len; i++) {
        if (m[1].value.at[i] < '0' || m[1].value.at[i] > '9')
            return refuse(r, m[1].value, "fsGroup is no number of a group");
    }
    return take_volumes(r, m[4].value) && take_app(r, m[5].value) &&
           take_containers(r, whole, m[2].value, m[3].value);
}

bool template_read(struct template *out, struct buf *problem) {
    struct reading r = {out, problem};
    struct json_flaw flaw;
    struct json_span whole;
    bool good = json_check(out->text, out->len, &flaw);
    out->volume_count = out->env_count = out->mount_count = 0;
    out->init = out->sidecar = (struct template_container){.whole = {out->text, 0}};
    if (!good)
        return refuse(&r, (struct json_span){out->text + flaw.at, 0}, "it is not JSON: %s", flaw.what);
    return json_span_of(out->text, out->len, &whole) && take(&r, whole);
}
