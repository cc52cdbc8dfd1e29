#include "agent/webhook/pod.h"

#include <string.h>

#include "agent/webhook/members.h"

const char *const pod_list_names[POD_LISTS] = {"initContainers", "containers"};

/* ---- containers ---- */

const char *container_read(struct json_span whole, struct container *out) {
    struct member m[] = {{.name = "name", .kind = SPAN_STRING},
                         {.name = "env", .kind = SPAN_ARRAY},
                         {.name = "volumeMounts", .kind = SPAN_ARRAY}};
    const char *odd = members_pick(whole, m, sizeof m / sizeof m[0]);
    *out = (struct container){whole, m[0].value, m[1].value, m[2].value};
    return odd;
}

bool pod_next(struct json_span list, size_t *position, struct container *out) {
    struct json_span name, value;
    if (!json_span_next(list, position, &name, &value))
        return false;
    (void)container_read(value, out);
    return true;
}

bool list_has(struct json_span list, const char *member, const char *text) {
    struct json_span name, value;
    size_t position = 0;
    while (json_span_next(list, &position, &name, &value)) {
        if (span_is(members_get(value, member), text))
            return true;
    }
    return false;
}

void pod_names(const struct pod *pod, struct buf *out) {
    for (size_t l = POD_LISTS; l-- > 0;) {
        struct container c;
        size_t position = 0;
        while (pod_next(pod->lists[l], &position, &c)) {
            buf_str(out, out->len > 0 ? ", " : "");
            buf_printable(out, c.name.at + (c.name.len > 0), c.name.len > 0 ? c.name.len - 2 : 0, 63);
        }
    }
}

/* ---- the whole ---- */

/* The elements of a list must be objects. -1: they are; else which one is not. */
static int odd_element(struct json_span list) {
    struct json_span name, value;
    size_t position = 0;
    for (int i = 0; json_span_next(list, &position, &name, &value); i++) {
        if (span_kind(value) != SPAN_OBJECT)
            return i;
    }
    return -1;
}

static bool container_good(const struct container *c, const char *path, struct buf *problem) {
    int odd = odd_element(c->env);
    const char *member = "env";
    if (odd < 0) {
        odd = odd_element(c->mounts);
        member = "volumeMounts";
    }
    if (odd >= 0)
        buf_fmt(problem, "%s.%s[%d] is not an object", path, member, odd);
    return odd < 0;
}

static bool containers_good(struct json_span list, const char *name, bool *too_many, struct buf *problem) {
    struct json_span ignored, value;
    struct container c;
    size_t position = 0;
    for (size_t i = 0; json_span_next(list, &position, &ignored, &value); i++) {
        char text[64];
        struct buf path = BUF(text);
        buf_fmt(&path, "spec.%s[%zu]", name, i);
        if (span_kind(value) != SPAN_OBJECT) {
            buf_fmt(problem, "%s is not an object", text);
            return false;
        }
        const char *odd = container_read(value, &c);
        if (odd != NULL) {
            buf_fmt(problem, "%s.%s is not %s", text, odd,
                    strcmp(odd, "name") == 0 ? "a string" : "an array");
            return false;
        }
        if (!container_good(&c, text, problem))
            return false;
        *too_many = *too_many || i >= POD_CONTAINERS_MAX;
    }
    return true;
}

static bool volumes_good(struct json_span list, struct buf *problem) {
    int odd = odd_element(list);
    if (odd >= 0)
        buf_fmt(problem, "spec.volumes[%d] is not an object", odd);
    return odd < 0;
}

/* A name that does not fit is none: "". */
static void text_of(struct json_span string, char *out, size_t cap) {
    size_t len;
    if (json_span_text(string, out, cap, &len) != ERR_OK)
        out[0] = '\0';
}

static const char *kind_name(enum span_kind kind) {
    return kind == SPAN_OBJECT   ? "an object"
           : kind == SPAN_ARRAY  ? "an array"
           : kind == SPAN_STRING ? "a string"
                                 : "true or false";
}

static bool pick(struct json_span object, const char *path, struct member *m, size_t count,
                 struct buf *problem) {
    const char *odd = members_pick(object, m, count);
    for (size_t i = 0; odd != NULL && i < count; i++) {
        if (strcmp(m[i].name, odd) == 0)
            buf_fmt(problem, "%s%s is not %s", path, odd, kind_name(m[i].kind));
    }
    return odd == NULL;
}

static bool read_metadata(struct pod *out, struct buf *problem) {
    struct member m[] = {
        {.name = "labels", .kind = SPAN_OBJECT},       {.name = "annotations", .kind = SPAN_OBJECT},
        {.name = "namespace", .kind = SPAN_STRING},    {.name = "name", .kind = SPAN_STRING},
        {.name = "generateName", .kind = SPAN_STRING}, {.name = "ownerReferences", .kind = SPAN_ARRAY}};
    if (!pick(out->metadata, "metadata.", m, sizeof m / sizeof m[0], problem))
        return false;
    out->labels = m[0].value;
    out->annotations = m[1].value;
    text_of(m[2].value, out->namespace, sizeof out->namespace);
    text_of(m[3].value.len > 2 ? m[3].value : m[4].value, out->name, sizeof out->name);
    out->ends = list_has(m[5].value, "kind", "Job");
    out->mirror = members_get(out->annotations, "kubernetes.io/config.mirror").len > 0;
    return true;
}

static bool read_spec(struct pod *out, struct buf *problem) {
    struct member m[] = {{.name = "initContainers", .kind = SPAN_ARRAY},
                         {.name = "containers", .kind = SPAN_ARRAY},
                         {.name = "volumes", .kind = SPAN_ARRAY},
                         {.name = "serviceAccountName", .kind = SPAN_STRING},
                         {.name = "hostNetwork", .kind = SPAN_TRUE},
                         {.name = "securityContext", .kind = SPAN_OBJECT},
                         {.name = "os", .kind = SPAN_OBJECT},
                         {.name = "nodeSelector", .kind = SPAN_OBJECT},
                         {.name = "restartPolicy", .kind = SPAN_STRING}};
    if (!pick(out->spec, "spec.", m, sizeof m / sizeof m[0], problem))
        return false;
    out->lists[POD_INIT_CONTAINERS] = m[0].value;
    out->lists[POD_CONTAINERS] = m[1].value;
    out->volumes = m[2].value;
    text_of(m[3].value, out->service_account, sizeof out->service_account);
    if (m[3].value.len <= 2)
        memcpy(out->service_account, "default", sizeof "default");
    out->host_network = span_kind(m[4].value) == SPAN_TRUE;
    out->security = m[5].value;
    out->ends = out->ends || (m[8].value.len > 2 && !span_is(m[8].value, "Always"));
    out->fs_group = members_get(out->security, "fsGroup");
    out->windows = span_is(members_get(m[6].value, "name"), "windows") ||
                   span_is(members_get(m[7].value, "kubernetes.io/os"), "windows") ||
                   span_is(members_get(m[7].value, "beta.kubernetes.io/os"), "windows");
    return true;
}

bool pod_read(struct json_span object, struct pod *out, struct buf *problem) {
    struct member m[] = {{.name = "metadata", .kind = SPAN_OBJECT}, {.name = "spec", .kind = SPAN_OBJECT}};
    memset(out, 0, sizeof *out);
    if (!pick(object, "", m, sizeof m / sizeof m[0], problem))
        return false;
    out->metadata = m[0].value;
    out->spec = m[1].value;
    if (out->spec.len == 0) {
        buf_str(problem, "the pod has no spec");
        return false;
    }
    if (!read_metadata(out, problem) || !read_spec(out, problem) || !volumes_good(out->volumes, problem))
        return false;
    for (size_t l = 0; l < POD_LISTS; l++) {
        if (!containers_good(out->lists[l], pod_list_names[l], &out->too_many, problem))
            return false;
    }
    return true;
}
