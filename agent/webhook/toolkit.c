#include "agent/webhook/toolkit.h"

#include <string.h>

#include "agent/webhook/members.h"

#define LABEL TOOLKIT_PREFIX "inject"
#define OUR_PREFIX "pod-identity-" /* of containers: nobody else's should begin with it */

/* ---- whether ---- */

/* A pod without the label as it should be. */
static bool asked(const struct pod *pod, bool always, struct notes *notes) {
    struct json_span value = members_get(pod->labels, LABEL);
    if (value.len > 0 && !span_is(value, "disabled")) {
        char text[80];
        struct buf b = BUF(text);
        buf_printable(&b, value.at, value.len, 65);
        notes_add(notes, "label " LABEL " is %s, which means nothing: enabled or disabled", text);
    }
    return always && !span_is(value, "disabled");
}

static bool is_there(const struct template *t, const struct pod *pod) {
    if (t->init.whole.len > 0)
        return list_has(pod->lists[POD_INIT_CONTAINERS], "name", t->init.name);
    return list_has(pod->lists[POD_INIT_CONTAINERS], "name", t->sidecar.name) ||
           list_has(pod->lists[POD_CONTAINERS], "name", t->sidecar.name);
}

/* The path as the template has it, or with a slash behind it. */
static bool same_path(struct json_span path, const char *wanted) {
    size_t len = strlen(wanted);
    return span_is(path, wanted) ||
           (span_begins(path, wanted) && path.len == len + 3 && path.at[path.len - 2] == '/');
}

static const char *mounted_over(const struct template *t, const struct container *c) {
    struct json_span name, value;
    for (size_t position = 0; json_span_next(c->mounts, &position, &name, &value);) {
        for (size_t i = 0; i < t->mount_count; i++) {
            if (same_path(members_get(value, "mountPath"), t->mounts[i].text))
                return t->mounts[i].text;
        }
    }
    return NULL;
}

static bool gets_endpoint(const struct toolkit_plan *plan, const struct container *c,
                          const struct variables *v) {
    bool chosen = plan->wishes.listed ? names_has(&plan->wishes.containers, c->name)
                                      : !names_has(plan->skipped, c->name);
    return chosen && !v->endpoint;
}

/* Each container that would get a mount, and has another at its place. */
static void find_mounts(const struct toolkit_plan *plan, const struct pod *pod, struct buf *why) {
    const char *path = NULL;
    for (size_t l = 0; l < POD_LISTS; l++) {
        struct container c;
        for (size_t position = 0; pod_next(pod->lists[l], &position, &c);) {
            struct variables v = {false};
            variables_of(c.env, &v);
            const char *over = gets_endpoint(plan, &c, &v) ? mounted_over(plan->template, &c) : NULL;
            if (over == NULL)
                continue;
            if (path == NULL)
                buf_fmt(why, "something is mounted at %s, which the toolkit uses, in: ", over);
            else
                buf_str(why, ", ");
            path = over;
            buf_printable(why, c.name.at + 1, c.name.len > 2 ? c.name.len - 2 : 0, 63);
            if (why->len > TOOLKIT_WHY_MAX / 2) {
                buf_str(why, ", and others");
                l = POD_LISTS;
                break;
            }
        }
    }
    if (path != NULL)
        buf_str(why, "; mount it elsewhere");
}

static void find_volume(const struct template *t, const struct pod *pod, struct buf *why) {
    for (size_t i = 0; i < t->volume_count && why->len == 0; i++) {
        if (list_has(pod->volumes, "name", t->volumes[i].text))
            buf_fmt(why, "it has a volume %s, a name that the toolkit uses: rename it", t->volumes[i].text);
    }
}

static void find_container(const struct template *t, const struct pod *pod, struct buf *why) {
    const char *missing = t->init.whole.len > 0 ? t->init.name : t->sidecar.name;
    for (size_t l = 0; l < POD_LISTS; l++) {
        struct container c;
        for (size_t position = 0; pod_next(pod->lists[l], &position, &c);) {
            if (why->len > 0 || !(span_begins(c.name, OUR_PREFIX) || span_is(c.name, t->init.name) ||
                                  span_is(c.name, t->sidecar.name)))
                continue;
            buf_str(why, "it has a container ");
            buf_printable(why, c.name.at + 1, c.name.len - 2, 63);
            buf_fmt(why, ", a name that the toolkit uses, but no %s: rename it, or add %s by hand", missing,
                    missing);
        }
    }
}

enum toolkit_verdict toolkit_plan(const struct template *template, const struct pod *pod, bool always,
                                  const struct names *skipped, struct toolkit_plan *plan, struct notes *notes,
                                  struct buf *why) {
    plan->template = template;
    plan->skipped = skipped;
    plan->labelled = span_is(members_get(pod->labels, LABEL), "enabled");
    if (!plan->labelled && !asked(pod, always, notes))
        return TOOLKIT_NOT_ASKED;
    if (is_there(template, pod))
        return TOOLKIT_THERE;
    const char *decline = plan->labelled ? "take the label away" : "give it the label " LABEL ": disabled";
    if (pod->host_network) {
        buf_fmt(why,
                "it has hostNetwork, and its loopback is the node's: %s, and add the sidecar by hand, with "
                "its Unix "
                "socket or a port of its own",
                decline);
    } else if (pod->windows) {
        buf_fmt(why, "it is a Windows pod, for which there are no programs: %s", decline);
    } else if (pod->ends && !template->native && template->sidecar.whole.len > 0) {
        buf_fmt(why,
                "it is a pod that ends, as a Job's, and with the sidecar as an ordinary container it never "
                "would: %s, "
                "and take the manifest for Jobs (job-classic.yaml)",
                decline);
    } else if (toolkit_wishes_read(template, pod, &plan->wishes, why)) {
        find_volume(template, pod, why);
        find_container(template, pod, why);
        if (why->len == 0)
            find_mounts(plan, pod, why);
    }
    return why->len == 0 ? TOOLKIT_INJECT : TOOLKIT_CANNOT;
}

/* ---- the pod's own containers ---- */

/* The URL of the endpoint, with the pod's port and profile. */
static void put_url(const struct toolkit_plan *plan, struct json_span value, struct buf *out) {
    size_t from, to;
    if (plan->wishes.port != 0 && toolkit_port_at(value, "\"http://", &from, &to)) {
        buf_put(out, value.at, from);
        buf_u64(out, plan->wishes.port);
    } else {
        to = 0;
    }
    buf_put(out, value.at + to, value.len - to - 1);
    if (plan->wishes.profile[0] != '\0')
        buf_fmt(out, "/%s", plan->wishes.profile);
    buf_char(out, '"');
}

static void put_variable(const struct toolkit_plan *plan, const struct template_item *item, struct buf *out) {
    struct json_span value = members_get(item->whole, "value");
    if (strcmp(item->text, VARIABLE_URI) != 0 || span_kind(value) != SPAN_STRING) {
        buf_put(out, item->whole.at, item->whole.len);
        return;
    }
    buf_str(out, "{\"name\":\"" VARIABLE_URI "\",\"value\":");
    put_url(plan, value, out);
    buf_char(out, '}');
}

/* The EKS webhook was here first: its pair becomes ours, where it stands. */
static void replace_variable(const struct toolkit_plan *plan, const struct container *c,
                             const struct template_item *item, struct additions *env) {
    struct json_span ignored, element, name = members_get(item->whole, "name"),
                                       value = members_get(item->whole, "value");
    size_t position = 0;
    if (span_kind(value) != SPAN_STRING ||
        (!span_is(name, VARIABLE_URI) && !span_is(name, VARIABLE_TOKEN_FILE)))
        return;
    for (size_t i = 0; json_span_next(c->env, &position, &ignored, &element); i++) {
        if (!span_same(members_get(element, "name"), name))
            continue;
        char text[160];
        struct buf path = BUF(text);
        buf_fmt(&path, "%s/%zu/value", env->path, i);
        patch_op(env->patch, text);
        if (span_is(name, VARIABLE_URI))
            put_url(plan, value, env->patch->out);
        else
            buf_put(env->patch->out, value.at, value.len);
        patch_op_end(env->patch);
    }
}

void toolkit_env(const struct toolkit_plan *plan, const struct container *c, struct variables *v,
                 struct additions *env) {
    const struct template *t = plan->template;
    if (!gets_endpoint(plan, c, v))
        return;
    for (size_t i = 0; i < t->env_count; i++) {
        if (list_has(c->env, "name", t->env[i].text)) {
            if (v->of_eks)
                replace_variable(plan, c, &t->env[i], env);
            continue;
        }
        put_variable(plan, &t->env[i], additions_next(env));
        additions_done(env);
        variables_note(members_get(t->env[i].whole, "name"), v);
    }
}

void toolkit_mounts(const struct toolkit_plan *plan, const struct container *c, const struct variables *v,
                    struct additions *mounts) {
    const struct template *t = plan->template;
    for (size_t i = 0; gets_endpoint(plan, c, v) && i < t->mount_count; i++) {
        buf_put(additions_next(mounts), t->mounts[i].whole.at, t->mounts[i].whole.len);
        additions_done(mounts);
    }
}

/* ---- what is added beside them ---- */

/* A list of words, one of them perhaps another: --http= of the sidecar, --wait= of init. */
static void put_words(const struct toolkit_plan *plan, bool init, struct json_span list, struct buf *out) {
    struct json_span name, value;
    size_t position = 0, from, to;
    buf_char(out, '[');
    for (bool first = true; json_span_next(list, &position, &name, &value); first = false) {
        buf_str(out, first ? "" : ",");
        if (init && plan->wishes.wait[0] != '\0' && span_begins(value, "--wait=")) {
            buf_fmt(out, "\"--wait=%s\"", plan->wishes.wait);
        } else if (!init && plan->wishes.port != 0 && toolkit_port_at(value, "\"--http=", &from, &to)) {
            buf_put(out, value.at, from);
            buf_u64(out, plan->wishes.port);
            buf_put(out, value.at + to, value.len - to);
        } else {
            buf_put(out, value.at, value.len);
        }
    }
    buf_char(out, ']');
}

void toolkit_members(const struct toolkit_plan *plan, const struct template_container *c, struct buf *out) {
    struct json_span name, value;
    bool init = c == &plan->template->init, any = false;
    for (size_t position = 0; json_span_next(c->whole, &position, &name, &value);) {
        if (span_is(name, "env") || span_is(name, "volumeMounts"))
            continue;
        buf_str(out, any ? "," : "");
        any = true;
        buf_put(out, name.at, name.len);
        buf_char(out, ':');
        if (span_kind(value) == SPAN_ARRAY && (span_is(name, "command") || span_is(name, "args")))
            put_words(plan, init, value, out);
        else
            buf_put(out, value.at, value.len);
    }
}

void toolkit_volumes(const struct toolkit_plan *plan, struct additions *volumes) {
    for (size_t i = 0; i < plan->template->volume_count; i++) {
        const struct json_span *whole = &plan->template->volumes[i].whole;
        buf_put(additions_next(volumes), whole->at, whole->len);
        additions_done(volumes);
    }
}

/* kubectl's default container would be the sidecar. */
void toolkit_default_container(const struct toolkit_plan *plan, const struct pod *pod, struct patch *patch) {
    static const char key[] = "kubectl.kubernetes.io/default-container";
    struct container first;
    size_t position = 0;
    if (plan->template->native || plan->template->sidecar.whole.len == 0 ||
        members_get(pod->annotations, key).len > 0 ||
        !pod_next(pod->lists[POD_CONTAINERS], &position, &first) || first.name.len == 0)
        return;
    bool alone = pod->annotations.len == 0;
    patch_op(patch, alone ? "/metadata/annotations"
                          : "/metadata/annotations/kubectl.kubernetes.io~1default-container");
    if (alone)
        buf_fmt(patch->out, "{\"%s\":", key);
    buf_put(patch->out, first.name.at, first.name.len);
    buf_str(patch->out, alone ? "}" : "");
    patch_op_end(patch);
}

void toolkit_fs_group(const struct toolkit_plan *plan, const struct pod *pod, struct patch *patch) {
    struct json_span group = plan->template->fs_group;
    bool alone = pod->security.len == 0;
    if (group.len == 0 || span_kind(pod->fs_group) != SPAN_NULL)
        return;
    patch_op(patch, alone ? "/spec/securityContext" : "/spec/securityContext/fsGroup");
    buf_fmt(patch->out, "%s%.*s%s", alone ? "{\"fsGroup\":" : "", (int)group.len, group.at, alone ? "}" : "");
    patch_op_end(patch);
}
