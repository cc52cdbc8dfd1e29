#include "agent/webhook/inject.h"

#include <string.h>

#include "agent/webhook/donor.h"

/* What belongs to one pod. */
struct injection {
    const struct pod *pod;
    const struct identity_plan *identity;
    const struct toolkit_plan *toolkit;
    struct patch *patch;
};

static struct additions to_list(struct patch *patch, const char *path, struct json_span there) {
    return (struct additions){.patch = patch, .path = path, .there = there};
}

/* By operations on the pod, at its place before anything is put in front of it. */
static void put_container(const struct injection *in, const struct container *c, const char *list,
                          size_t index) {
    struct variables before = {false}, v;
    char env_text[64], mounts_text[64];
    struct buf env_path = BUF(env_text), mounts_path = BUF(mounts_text);
    buf_fmt(&env_path, "/spec/%s/%zu/env", list, index);
    buf_fmt(&mounts_path, "/spec/%s/%zu/volumeMounts", list, index);
    struct additions env = to_list(in->patch, env_text, c->env),
                     mounts = to_list(in->patch, mounts_text, c->mounts);
    variables_of(c->env, &before);
    v = before;
    if (in->toolkit != NULL)
        toolkit_env(in->toolkit, c, &v, &env);
    if (in->identity != NULL)
        identity_env(in->identity, c, &v, &env);
    additions_end(&env);
    if (in->toolkit != NULL)
        toolkit_mounts(in->toolkit, c, &before, &mounts);
    if (in->identity != NULL)
        identity_mounts(in->identity, c, &v, &mounts);
    additions_end(&mounts);
}

/* One of the template's, with what it gets by the way. */
static void put_ours(const struct injection *in, const struct template_container *ours,
                     struct additions *list) {
    struct variables v = {false};
    struct container c, donor;
    struct buf *out = additions_next(list);
    (void)container_read(ours->whole, &c);
    bool copies =
        in->identity == NULL && !names_has(in->toolkit->skipped, c.name) && donor_find(in->pod, &donor);
    variables_of(c.env, &v);
    struct additions env = {.patch = in->patch, .name = "env", .there = c.env};
    struct additions mounts = {.patch = in->patch, .name = "volumeMounts", .there = c.mounts};
    buf_char(out, '{');
    toolkit_members(in->toolkit, ours, out);
    if (in->identity != NULL)
        identity_env(in->identity, &c, &v, &env);
    else if (copies)
        donor_env(&donor, &c, &env);
    additions_end(&env);
    if (in->identity != NULL)
        identity_mounts(in->identity, &c, &v, &mounts);
    else if (copies)
        donor_mounts(&donor, &c, &mounts);
    additions_end(&mounts);
    buf_char(out, '}');
    additions_done(list);
}

/* Init first, then the sidecar, then what the pod has: a list that is there is filled from its front. */
static void put_toolkit(const struct injection *in) {
    const struct template *t = in->toolkit->template;
    struct json_span inits_there = in->pod->lists[POD_INIT_CONTAINERS];
    struct additions inits = to_list(in->patch, "/spec/initContainers", inits_there);
    struct additions containers = to_list(in->patch, "/spec/containers", in->pod->lists[POD_CONTAINERS]);
    bool has_init = t->init.whole.len > 0, sidecar_inits = t->sidecar.whole.len > 0 && t->native;
    inits.first = containers.first = true;
    if (has_init && inits_there.len == 0)
        put_ours(in, &t->init, &inits);
    if (sidecar_inits)
        put_ours(in, &t->sidecar, &inits);
    if (has_init && inits_there.len > 0)
        put_ours(in, &t->init, &inits);
    additions_end(&inits);
    if (t->sidecar.whole.len > 0 && !t->native)
        put_ours(in, &t->sidecar, &containers);
    additions_end(&containers);
}

static void put_volumes(const struct injection *in) {
    struct additions volumes = to_list(in->patch, "/spec/volumes", in->pod->volumes);
    /* Where the EKS webhook puts its own: in front. A list that is there is filled from there, the last one
     * first. */
    bool whole = in->pod->volumes.len == 0;
    volumes.first = true;
    if (in->identity != NULL && whole)
        identity_volume(in->identity, in->pod, &volumes);
    if (in->toolkit != NULL)
        toolkit_volumes(in->toolkit, &volumes);
    if (in->identity != NULL && !whole)
        identity_volume(in->identity, in->pod, &volumes);
    additions_end(&volumes);
}

void inject(const struct pod *pod, const struct identity_plan *identity, const struct toolkit_plan *toolkit,
            struct patch *patch) {
    const struct injection in = {pod, identity, toolkit, patch};
    for (size_t l = 0; l < POD_LISTS; l++) {
        struct container c;
        size_t position = 0;
        for (size_t i = 0; !patch->out->overflow && pod_next(pod->lists[l], &position, &c); i++)
            put_container(&in, &c, pod_list_names[l], i);
    }
    if (toolkit != NULL)
        put_toolkit(&in);
    put_volumes(&in);
    if (pod->metadata.len == 0 && (identity != NULL || toolkit != NULL)) {
        patch_op(patch, "/metadata");
        buf_str(patch->out, "{}");
        patch_op_end(patch);
    }
    if (identity != NULL)
        identity_label(pod, patch);
    if (toolkit != NULL) {
        toolkit_default_container(toolkit, pod, patch);
        toolkit_fs_group(toolkit, pod, patch);
    }
}
