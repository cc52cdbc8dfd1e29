/* The engine of the webhook: a review, a pod by itself, the beginning of a large one, and a template; the
 * first byte says which, and how the webhook is set up. Whatever comes, what goes out is JSON. */
#include "tests/fuzz/fuzz.h"

#include "agent/webhook/admission.h"
#include "agent/webhook/json_check.h"
#include "common/text/json.h"

static char patch_text[ADMISSION_PATCH_MAX + 1], answer_text[ADMISSION_ANSWER_MAX];
static struct template known, fuzzed;
static struct notes notes;

static const char template_text[] =
    "{\"native\":true,\"fsGroup\":65532,\"init\":{\"name\":\"pod-identity-init\",\"image\":\"i\",\"command\":"
    "[\"/i\","
    "\"--wait=2m\"]},\"sidecar\":{\"name\":\"pod-identity-sidecar\",\"image\":\"s\",\"restartPolicy\":"
    "\"Always\","
    "\"command\":[\"/"
    "s\",\"--http=127.0.0.1:9911\"],\"env\":[{\"name\":\"A\",\"value\":\"b\"}],\"volumeMounts\":[{\"name\":"
    "\"pod-identity\",\"mountPath\":\"/run/"
    "pod-identity\"}]},\"volumes\":[{\"name\":\"pod-identity\",\"emptyDir\":{}}],"
    "\"app\":{\"env\":[{\"name\":\"AWS_CONTAINER_CREDENTIALS_FULL_URI\",\"value\":\"http://127.0.0.1:9911/v1/"
    "credentials\"},"
    "{\"name\":\"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE\",\"value\":\"/run/pod-identity/"
    "http-token\"}],\"volumeMounts\":[{"
    "\"name\":\"pod-identity\",\"mountPath\":\"/run/pod-identity\"}]}}";

static enum admission_association associated(const char *namespace, const char *service_account) {
    HOLDS(strlen(namespace) < POD_NAMESPACE_MAX && strlen(service_account) < POD_NAME_MAX);
    return service_account[0] == 'x'   ? ADMISSION_UNUSABLE
           : service_account[0] == 'y' ? ADMISSION_NONE
                                       : ADMISSION_USABLE;
}

static void is_json(const struct buf *text) {
    struct json_flaw flaw;
    HOLDS(!text->overflow && text->len == strlen(text->data));
    HOLDS(json_check(text->data, text->len, &flaw));
}

/* Templates may not do more than ours: what is read is used on a pod. */
static const struct template *take_template(const char *data, size_t size) {
    char text[TEMPLATE_PROBLEM_MAX];
    struct buf problem = BUF(text);
    if (size >= sizeof fuzzed.text)
        return NULL;
    memcpy(fuzzed.text, data, size);
    fuzzed.len = size;
    bool good = template_read(&fuzzed, &problem);
    HOLDS(good == (problem.len == 0));
    return good ? &fuzzed : NULL;
}

static void use_template(const struct template *t) {
    static const char pod[] =
        "{\"kind\":\"Pod\",\"metadata\":{\"labels\":{\"pod-identity-toolkit/inject\":\"enabled\"},"
        "\"annotations\":{\"pod-identity-toolkit/port\":\"80\",\"pod-identity-toolkit/wait\":\"1s\"}},"
        "\"spec\":{\"containers\":[{\"name\":\"app\"}]}}";
    const struct admission_rules rules = {.template = t, .refuse = true};
    const struct admission_call call = {.toolkit_always = true};
    char text[ADMISSION_PROBLEM_MAX];
    struct buf patch = BUF(patch_text), problem = BUF(text);
    struct admission_outcome outcome;
    HOLDS(admission_pod(&rules, &call, pod, sizeof pod - 1, &patch, &notes, &outcome, &problem) ==
          ADMISSION_ANSWERED);
    if (patch.len > 0)
        is_json(&patch);
}

/* What this takes, the other parser of ours takes, too, but for its limits. */
static void agree(const char *data, size_t size) {
    struct json_flaw flaw;
    const struct json *root;
    bool good = json_check(data, size, &flaw);
    HOLDS(good == (flaw.what == NULL) && flaw.at <= size);
    enum err e = json_open(data, size, &root);
    HOLDS(!good || e == ERR_OK || e == ERR_TOO_LONG || e == ERR_TOO_DEEP ||
          memmem(data, size, "\\u", 2) != NULL);
    json_close();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct identity identity = {"pods.eks.amazonaws.com", "http://169.254.170.23/v1/credentials",
                                             "eu-north-1", IDENTITY_EXPIRATION_S};
    char text[ADMISSION_PROBLEM_MAX];
    struct buf patch = BUF(patch_text), answer = BUF(answer_text), problem = BUF(text);
    struct admission_outcome outcome;
    if (size == 0)
        return 0;
    if (known.len == 0) {
        known.len = sizeof template_text - 1;
        memcpy(known.text, template_text, known.len);
        HOLDS(template_read(&known, &problem));
    }
    unsigned mode = data[0];
    const char *body = (const char *)data + 1;
    size--;
    agree(body, size);
    const struct admission_rules rules = {.identity = (mode & 4) != 0 ? &identity : NULL,
                                          .associated = associated,
                                          .template = (mode & 8) != 0 ? &known : NULL,
                                          .refuse = (mode & 16) != 0,
                                          .refuse_large = (mode & 16) != 0};
    const struct admission_call call = {.toolkit_always = (mode & 32) != 0, .random = mode * 977};
    enum admission_kind kind = ADMISSION_MALFORMED;
    switch (mode & 3) {
    case 0:
        kind = admission_review(&rules, &call, body, size, &patch, &answer, &outcome, &problem);
        break;
    case 1:
        kind = admission_pod(&rules, &call, body, size, &patch, &notes, &outcome, &problem);
        break;
    case 2:
        kind = admission_large(&rules, body, size, size, &answer, &outcome, &problem);
        break;
    default:
        if (take_template(body, size) != NULL)
            use_template(&fuzzed);
        return 0;
    }
    HOLDS((kind == ADMISSION_MALFORMED) == (problem.len > 0) && !problem.overflow);
    if (patch.len > 0 && kind == ADMISSION_ANSWERED)
        is_json(&patch);
    if (kind == ADMISSION_ANSWERED && (mode & 3) != 1)
        is_json(&answer);
    return 0;
}
