#include "agent/webhook/admission.h"

#include <string.h>

#include "agent/webhook/admission_answer.h"
#include "agent/webhook/inject.h"
#include "agent/webhook/json_check.h"
#include "agent/webhook/members.h"

#define UID_MAX 256 /* of a review; the API server's have 36 characters */

/* What the injections of one pod work with: too much for a stack. */
static struct {
    struct pod pod;
    struct names skipped;
    struct identity_plan identity;
    struct toolkit_plan toolkit;
    struct notes notes;
} work;

static bool malformed(struct buf *problem, const char *text) {
    buf_str(problem, text);
    return false;
}

static bool checked(const char *body, size_t len, struct json_span *whole, struct buf *problem) {
    struct json_flaw flaw;
    if (len == 0)
        return malformed(problem, "the body is empty: an AdmissionReview is expected");
    if (!json_check(body, len, &flaw)) {
        buf_fmt(problem, "the body is not JSON: %s (byte %zu)", flaw.what, flaw.at + 1);
        return false;
    }
    if (!json_span_of(body, len, whole) || span_kind(*whole) != SPAN_OBJECT)
        return malformed(problem, "the body is not a JSON object: an AdmissionReview is expected");
    return true;
}

/* ---- the pod ---- */

static void cannot(const struct admission_rules *rules, struct admission_outcome *outcome) {
    outcome->problem = true;
    outcome->allowed = !rules->refuse;
    if (outcome->allowed)
        notes_add(&work.notes, "%s", outcome->why);
}

static const struct toolkit_plan *plan_toolkit(const struct admission_rules *rules,
                                               const struct admission_call *call,
                                               struct admission_outcome *outcome) {
    char text[TOOLKIT_WHY_MAX];
    struct buf why = BUF(text), said = BUF(outcome->why);
    if (rules->template == NULL)
        return NULL;
    enum toolkit_verdict verdict = toolkit_plan(rules->template, &work.pod, call->toolkit_always,
                                                &work.skipped, &work.toolkit, &work.notes, &why);
    if (verdict == TOOLKIT_CANNOT) {
        const struct template *t = rules->template;
        buf_fmt(&said, "%s no %s: %s",
                work.toolkit.labelled ? "the pod has the label pod-identity-toolkit/inject, but"
                                      : "the pod's namespace asks for the toolkit, but the pod has",
                t->init.whole.len > 0 ? t->init.name : t->sidecar.name, text);
        cannot(rules, outcome);
    }
    return verdict == TOOLKIT_INJECT ? &work.toolkit : NULL;
}

static const struct identity_plan *plan_identity(const struct admission_rules *rules,
                                                 const struct admission_call *call) {
    const struct pod *pod = &work.pod;
    if (rules->identity == NULL || pod->windows || identity_declined(pod) || pod->service_account[0] == '\0')
        return NULL;
    enum admission_association found = rules->associated(pod->namespace, pod->service_account);
    if (found == ADMISSION_NONE)
        return NULL;
    if (found == ADMISSION_UNUSABLE)
        notes_add(&work.notes,
                  "the association of %s.%s cannot be used (see the webhook's log): the pod's token is "
                  "injected, but "
                  "the node's agent will deny credentials",
                  pod->namespace, pod->service_account);
    identity_plan(rules->identity, pod, call->random, &work.identity, &work.notes);
    return &work.identity;
}

/* The patch, and what is said beside it. */
static void decide(const struct admission_rules *rules, const struct admission_call *call, struct buf *patch,
                   struct admission_outcome *outcome) {
    struct patch p = {.out = patch};
    struct buf said = BUF(outcome->why);
    memcpy(outcome->namespace, work.pod.namespace, sizeof outcome->namespace);
    memcpy(outcome->name, work.pod.name, sizeof outcome->name);
    if (work.pod.mirror)
        return;
    if (work.pod.too_many) {
        buf_fmt(&said, "the pod is not injected: it has more than %d containers", POD_CONTAINERS_MAX);
        cannot(rules, outcome);
        return;
    }
    enum err skipped = identity_skipped(&work.pod, &work.skipped);
    const struct toolkit_plan *toolkit = plan_toolkit(rules, call, outcome);
    const struct identity_plan *identity = outcome->allowed ? plan_identity(rules, call) : NULL;
    if (identity != NULL)
        work.identity.skipped = work.skipped;
    if (identity != NULL || toolkit != NULL)
        identity_tell_skipped(&work.pod, &work.skipped, skipped, &work.notes);
    inject(&work.pod, identity, toolkit, &p);
    if (patch->overflow) {
        buf_fmt(
            &said,
            "the pod is not injected: it has so many containers that the patch would have more than %d bytes",
            ADMISSION_PATCH_MAX);
        buf_reset(patch);
        cannot(rules, outcome);
        return;
    }
    outcome->toolkit = toolkit != NULL;
    outcome->identity = patch_end(&p) && identity != NULL;
}

static bool read_pod(struct json_span object, const char *namespace, struct buf *problem) {
    char text[ADMISSION_PROBLEM_MAX / 2];
    struct buf b = BUF(text);
    if (!pod_read(object, &work.pod, &b)) {
        buf_fmt(problem, "the object is no pod: %s", text);
        return false;
    }
    if (*namespace != '\0' || work.pod.namespace[0] == '\0') {
        struct buf out = BUF(work.pod.namespace);
        buf_str(&out, *namespace != '\0' ? namespace : "default");
    }
    return true;
}

static void begin(struct admission_outcome *outcome) {
    memset(outcome, 0, sizeof *outcome);
    outcome->allowed = true;
    notes_open(&work.notes);
}

/* ---- the review ---- */

struct review {
    struct admission_head head;
    struct json_span kind, object, operation, sub_resource;
    char namespace[POD_NAMESPACE_MAX];
    bool dry_run;
};

static bool version_known(struct json_span kind, struct json_span version, bool *beta, struct buf *problem) {
    if (!span_is(kind, "AdmissionReview")) {
        buf_str(problem, "the body is of kind ");
        buf_printable(problem, kind.len > 0 ? kind.at : "none", kind.len > 0 ? kind.len : 4, 80);
        buf_str(problem, ": an AdmissionReview is expected");
        return false;
    }
    *beta = span_is(version, "admission.k8s.io/v1beta1");
    if (*beta || span_is(version, "admission.k8s.io/v1"))
        return true;
    buf_str(problem, "the AdmissionReview is of version ");
    buf_printable(problem, version.len > 0 ? version.at : "none", version.len > 0 ? version.len : 4, 80);
    buf_str(problem, ": admission.k8s.io/v1 or admission.k8s.io/v1beta1 is expected");
    return false;
}

static bool read_request(struct json_span request, struct review *out, struct buf *problem) {
    struct member m[] = {
        {.name = "uid", .kind = SPAN_STRING},         {.name = "kind", .kind = SPAN_OBJECT},
        {.name = "object", .kind = SPAN_OBJECT},      {.name = "operation", .kind = SPAN_STRING},
        {.name = "subResource", .kind = SPAN_STRING}, {.name = "namespace", .kind = SPAN_STRING},
        {.name = "dryRun", .kind = SPAN_TRUE}};
    size_t len;
    const char *odd = members_pick(request, m, sizeof m / sizeof m[0]);
    if (odd != NULL) {
        buf_fmt(problem, "request.%s is of the wrong type", odd);
        return false;
    }
    if (m[0].value.len <= 2 || m[0].value.len > UID_MAX)
        return malformed(problem, "request.uid is missing, empty or too long");
    if (m[1].value.len == 0)
        return malformed(problem, "request.kind is missing");
    out->head.uid = m[0].value;
    out->kind = m[1].value;
    out->object = m[2].value;
    out->operation = m[3].value;
    out->sub_resource = m[4].value;
    if (m[5].value.len > 0 &&
        json_span_text(m[5].value, out->namespace, sizeof out->namespace, &len) != ERR_OK)
        return malformed(problem, "request.namespace is no name of a namespace");
    out->dry_run = span_kind(m[6].value) == SPAN_TRUE;
    return true;
}

static bool read_review(const char *body, size_t len, struct review *out, struct buf *problem) {
    struct json_span whole;
    struct member m[] = {{.name = "kind", .kind = SPAN_NULL},
                         {.name = "apiVersion", .kind = SPAN_NULL},
                         {.name = "request", .kind = SPAN_NULL}};
    memset(out, 0, sizeof *out);
    if (!checked(body, len, &whole, problem))
        return false;
    (void)members_pick(whole, m, sizeof m / sizeof m[0]);
    if (!version_known(m[0].value, m[1].value, &out->head.beta, problem))
        return false;
    if (span_kind(m[2].value) != SPAN_OBJECT)
        return malformed(problem, "the AdmissionReview has no request");
    return read_request(m[2].value, out, problem);
}

static void shown(struct json_span object, const char *name, struct buf *out) {
    struct json_span value = members_get(object, name);
    buf_printable(out, value.at + (value.len > 0), value.len > 2 ? value.len - 2 : 0, 80);
}

/* What is said is that the webhook's configuration sends too much. */
static bool about_pod(const struct admission_rules *rules, struct json_span kind,
                      struct admission_outcome *outcome) {
    struct buf said = BUF(outcome->why);
    if (span_is(members_get(kind, "kind"), "Pod") && members_get(kind, "group").len <= 2)
        return true;
    buf_str(&said, "this webhook is for pods, and was asked about a ");
    shown(kind, "kind", &said);
    buf_str(&said, " of group \"");
    shown(kind, "group", &said);
    buf_str(&said, "\": correct the rules of its MutatingWebhookConfiguration");
    cannot(rules, outcome);
    return false;
}

static void put_answer(const struct admission_head *head, const struct buf *patch,
                       struct admission_outcome *outcome, struct buf *answer) {
    if (outcome->allowed)
        admission_answer_allow(head, patch, &work.notes.json, answer);
    else
        admission_answer_refuse(head, outcome->why, &work.notes.json, answer);
    outcome->warnings = work.notes.count;
}

enum admission_kind admission_review(const struct admission_rules *rules, const struct admission_call *call,
                                     const char *body, size_t len, struct buf *patch, struct buf *answer,
                                     struct admission_outcome *outcome, struct buf *problem) {
    struct review review;
    begin(outcome);
    if (!read_review(body, len, &review, problem))
        return ADMISSION_MALFORMED;
    outcome->dry_run = review.dry_run;
    bool ours = about_pod(rules, review.kind, outcome);
    /* A pod's containers do not change any more once it is there. */
    if (ours && span_is(review.operation, "CREATE") && review.sub_resource.len <= 2) {
        if (review.object.len == 0)
            return malformed(problem, "request.object is missing: there is no pod") ? ADMISSION_ANSWERED
                                                                                    : ADMISSION_MALFORMED;
        if (!read_pod(review.object, review.namespace, problem))
            return ADMISSION_MALFORMED;
        decide(rules, call, patch, outcome);
    }
    put_answer(&review.head, patch, outcome, answer);
    return ADMISSION_ANSWERED;
}

enum admission_kind admission_pod(const struct admission_rules *rules, const struct admission_call *call,
                                  const char *text, size_t len, struct buf *patch, struct notes *notes,
                                  struct admission_outcome *outcome, struct buf *problem) {
    struct json_span whole;
    begin(outcome);
    if (!checked(text, len, &whole, problem))
        return ADMISSION_MALFORMED;
    struct json_span kind = members_get(whole, "kind");
    if (!span_is(kind, "Pod")) {
        buf_str(problem, "it is of kind ");
        buf_printable(problem, kind.len > 0 ? kind.at : "none", kind.len > 0 ? kind.len : 4, 80);
        buf_str(problem, ": a Pod or an AdmissionReview is expected");
        return ADMISSION_MALFORMED;
    }
    if (!read_pod(whole, "", problem))
        return ADMISSION_MALFORMED;
    decide(rules, call, patch, outcome);
    outcome->warnings = work.notes.count;
    *notes = work.notes;
    return ADMISSION_ANSWERED;
}

/* ---- one that is too large ---- */

/* The value of a member of the object that begins at p and need not end. NULL: it is not among what is there.
 */
static const char *value_of(const char *p, const char *end, const char *wanted) {
    struct json_span name, value;
    if (p == NULL || p == end || *p != '{')
        return NULL;
    for (p++;; p = value.at + value.len + 1) {
        if (!json_span_of(p, (size_t)(end - p), &name) || *name.at != '"')
            return NULL;
        p = name.at + name.len;
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
            p++;
        if (p == end || *p++ != ':')
            return NULL;
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
            p++;
        if (span_is(name, wanted))
            return p;
        if (!json_span_of(p, (size_t)(end - p), &value) || value.at + value.len == end ||
            value.at[value.len] != ',')
            return NULL;
    }
}

enum admission_kind admission_large(const struct admission_rules *rules, const char *body, size_t len,
                                    size_t limit, struct buf *answer, struct admission_outcome *outcome,
                                    struct buf *problem) {
    const char *end = body + len, *uid = value_of(value_of(body, end, "request"), end, "uid"),
               *version = value_of(body, end, "apiVersion");
    struct admission_head head = {.beta = false};
    struct json_span version_span;
    struct json_flaw flaw;
    char nothing[1];
    struct buf patch = BUF(nothing), said = BUF(outcome->why);
    begin(outcome);
    buf_reset(&said);
    if (uid == NULL || !json_span_of(uid, (size_t)(end - uid), &head.uid) || *uid != '"' ||
        head.uid.len > UID_MAX || !json_check(head.uid.at, head.uid.len, &flaw)) {
        (void)malformed(problem, "the body is too large, and request.uid does not stand at its beginning");
        return ADMISSION_MALFORMED;
    }
    head.beta = version != NULL && json_span_of(version, (size_t)(end - version), &version_span) &&
                span_is(version_span, "admission.k8s.io/v1beta1");
    outcome->problem = true;
    outcome->allowed = !rules->refuse_large;
    buf_fmt(&said,
            "the pod is too large to be injected: its review has more than %zu bytes; shorten its "
            "annotations, or set "
            "by hand what the injection adds",
            limit);
    if (outcome->allowed)
        notes_add(&work.notes, "%s", outcome->why);
    put_answer(&head, &patch, outcome, answer);
    return ADMISSION_ANSWERED;
}
