#include "agent/webhook/identity.h"

#include <string.h>

#include "agent/webhook/members.h"
#include "common/base/number.h"

#define PREFIX "eks.amazonaws.com/"
#define LABEL PREFIX "pod-identity"

bool identity_declined(const struct pod *pod) {
    struct json_span label = members_get(pod->labels, PREFIX "skip-pod-identity-webhook");
    return label.len > 0;
}

/* ---- annotations ---- */

static void shown(struct json_span string, struct buf *out) {
    buf_printable(out, string.at, string.len, 80);
}

static void tell_strangers(const struct names *names, const struct pod *pod, struct notes *notes) {
    size_t position = 0;
    for (const char *name; (name = names_next(names, &position)) != NULL;) {
        bool toolkits = strncmp(name, "pod-identity-", 13) == 0; /* it may be about to come */
        if (toolkits || list_has(pod->lists[POD_CONTAINERS], "name", name) ||
            list_has(pod->lists[POD_INIT_CONTAINERS], "name", name))
            continue;
        char text[100];
        struct buf b = BUF(text);
        buf_printable(&b, name, strlen(name), 63);
        notes_add(notes,
                  "annotation " PREFIX "skip-containers names \"%s\", which is no container of this pod",
                  text);
        return; /* one is enough to look at it */
    }
}

enum err identity_skipped(const struct pod *pod, struct names *out) {
    struct json_span value = members_get(pod->annotations, PREFIX "skip-containers");
    out->len = 0;
    return value.len > 0 ? names_read_csv(value, out) : ERR_EMPTY;
}

void identity_tell_skipped(const struct pod *pod, const struct names *names, enum err e,
                           struct notes *notes) {
    char text[100];
    struct buf b = BUF(text);
    if (e == ERR_OK)
        tell_strangers(names, pod, notes);
    if (e == ERR_OK || e == ERR_EMPTY)
        return;
    shown(members_get(pod->annotations, PREFIX "skip-containers"), &b);
    notes_add(
        notes, "annotation " PREFIX "skip-containers cannot be read (%s), so no container is skipped: %s",
        e == ERR_TOO_LONG ? "more than 256 names or 4095 bytes" : "names with commas between are needed",
        text);
}

/* A sign may be there, as for Go's ParseInt. False: no such number, or more than any token's life. */
static bool seconds(struct json_span string, int64_t *out) {
    char text[32];
    size_t len;
    uint32_t n;
    if (json_span_text(string, text, sizeof text, &len) != ERR_OK)
        return false;
    bool minus = text[0] == '-';
    const char *digits = text + (minus || text[0] == '+');
    unsigned count = number_read(digits, 10, UINT32_MAX, &n);
    if (count == 0 || digits[count] != '\0')
        return false;
    *out = minus ? -(int64_t)n : (int64_t)n;
    return true;
}

void identity_plan(const struct identity *settings, const struct pod *pod, uint64_t random,
                   struct identity_plan *plan, struct notes *notes) {
    struct json_span value = members_get(pod->annotations, PREFIX "token-expiration");
    plan->settings = settings;
    plan->expiration_s = settings->expiration_s;
    if (value.len > 0 && !seconds(value, &plan->expiration_s)) {
        char text[100];
        struct buf b = BUF(text);
        shown(value, &b);
        notes_add(notes,
                  "annotation " PREFIX "token-expiration is no number of seconds, so %lld are used: %s",
                  (long long)settings->expiration_s, text);
    }
    if (plan->expiration_s < IDENTITY_EXPIRATION_MIN_S)
        plan->expiration_s = IDENTITY_EXPIRATION_MIN_S;
    if (plan->expiration_s == IDENTITY_EXPIRATION_S)
        plan->expiration_s = IDENTITY_EXPIRATION_FROM_S +
                             (int64_t)(random % (IDENTITY_EXPIRATION_S - IDENTITY_EXPIRATION_FROM_S + 1));
}

/* ---- containers ---- */

static bool left_alone(const struct identity_plan *plan, const struct container *c,
                       const struct variables *v) {
    return (v->pair && v->region && v->regional_sts) || names_has(&plan->skipped, c->name);
}

static void put_variable(struct additions *env, const char *name, const char *value) {
    struct buf *out = additions_next(env);
    buf_fmt(out, "{\"name\":\"%s\",\"value\":", name);
    buf_json(out, value, strlen(value));
    buf_char(out, '}');
    additions_done(env);
}

void identity_env(const struct identity_plan *plan, const struct container *c, const struct variables *v,
                  struct additions *env) {
    const struct identity *s = plan->settings;
    if (left_alone(plan, c, v))
        return;
    if (!v->region && *s->region != '\0') {
        put_variable(env, "AWS_DEFAULT_REGION", s->region);
        put_variable(env, "AWS_REGION", s->region);
    }
    if (!v->pair) {
        put_variable(env, VARIABLE_URI, s->uri);
        put_variable(env, VARIABLE_TOKEN_FILE, VARIABLE_EKS_TOKEN_FILE);
    }
}

void identity_mounts(const struct identity_plan *plan, const struct container *c, const struct variables *v,
                     struct additions *mounts) {
    if (left_alone(plan, c, v) || list_has(c->mounts, "name", IDENTITY_VOLUME))
        return;
    buf_str(additions_next(mounts),
            "{\"name\":\"" IDENTITY_VOLUME "\",\"readOnly\":true,\"mountPath\":\"" IDENTITY_FOLDER "\"}");
    additions_done(mounts);
}

/* ---- the pod ---- */

void identity_volume(const struct identity_plan *plan, const struct pod *pod, struct additions *volumes) {
    const char *audience = plan->settings->audience;
    if (list_has(pod->volumes, "name", IDENTITY_VOLUME))
        return;
    struct buf *out = additions_next(volumes);
    buf_str(out, "{\"name\":\"" IDENTITY_VOLUME
                 "\",\"projected\":{\"sources\":[{\"serviceAccountToken\":{\"audience\":");
    buf_json(out, audience, strlen(audience));
    buf_fmt(out, ",\"expirationSeconds\":%lld,\"path\":\"" IDENTITY_VOLUME "\"}}]}}",
            (long long)plan->expiration_s);
    additions_done(volumes);
}

void identity_label(const struct pod *pod, struct patch *patch) {
    if (span_is(members_get(pod->labels, LABEL), "enabled"))
        return;
    if (pod->labels.len == 0) {
        patch_op(patch, "/metadata/labels");
        buf_str(patch->out, "{\"" LABEL "\":\"enabled\"}");
    } else {
        patch_op(patch, "/metadata/labels/eks.amazonaws.com~1pod-identity");
        buf_str(patch->out, "\"enabled\"");
    }
    patch_op_end(patch);
}
