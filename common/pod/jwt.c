#include "common/pod/jwt.h"

#include <string.h>

#include "common/base/scratch.h"
#include "common/base/wipe.h"
#include "common/text/base64url.h"
#include "common/text/json.h"

static enum err copy_text(const struct json *value, char out[JWT_TEXT_MAX]) {
    if (value == NULL)
        return ERR_OK;
    const char *text = json_text(value);
    if (text == NULL)
        return ERR_TYPE;
    size_t len = strlen(text);
    if (len >= JWT_TEXT_MAX)
        return ERR_TOO_LONG;
    memcpy(out, text, len + 1);
    return ERR_OK;
}

static enum err copy_time(const struct json *value, int64_t *out, bool *present) {
    if (value == NULL)
        return ERR_OK;
    if (!json_number(value, out))
        return ERR_TYPE;
    *present = true;
    return ERR_OK;
}

static enum err copy_audiences(const struct json *value, struct jwt_claims *out) {
    if (value == NULL)
        return ERR_OK;
    if (json_text(value) != NULL) {
        out->audience_count = 1;
        return copy_text(value, out->audiences[0]);
    }
    if (!json_is_array(value))
        return ERR_TYPE;
    for (const struct json *item; (item = json_item(value, out->audience_count)) != NULL;
         out->audience_count++) {
        if (out->audience_count == JWT_AUDIENCES_MAX)
            return ERR_TOO_LONG;
        enum err e = copy_text(item, out->audiences[out->audience_count]);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

/* "system:serviceaccount:NAMESPACE:NAME"; another shape leaves the two empty. */
static void split_subject(struct jwt_claims *out) {
    static const char prefix[] = "system:serviceaccount:";
    if (strncmp(out->subject, prefix, sizeof prefix - 1) != 0)
        return;
    const char *ns = out->subject + sizeof prefix - 1;
    const char *colon = strchr(ns, ':');
    if (colon == NULL || strchr(colon + 1, ':') != NULL)
        return;
    if (out->namespace[0] == '\0')
        memcpy(out->namespace, ns, (size_t)(colon - ns));
    if (out->service_account[0] == '\0')
        memcpy(out->service_account, colon + 1, strlen(colon + 1));
}

static enum err read_claims(const struct json *root, struct jwt_claims *out, const char **wrong) {
    const struct json *k8s = json_get(root, "kubernetes.io"), *pod = json_get(k8s, "pod");
    const struct {
        const char *name;
        enum err result;
    } parts[] = {
        {"claim iss", copy_text(json_get(root, "iss"), out->issuer)},
        {"claim sub", copy_text(json_get(root, "sub"), out->subject)},
        {"claim aud", copy_audiences(json_get(root, "aud"), out)},
        {"claim iat", copy_time(json_get(root, "iat"), &out->issued_at_s, &out->has_issued_at)},
        {"claim nbf", copy_time(json_get(root, "nbf"), &out->not_before_s, &out->has_not_before)},
        {"claim exp", copy_time(json_get(root, "exp"), &out->expires_s, &out->has_expires)},
        {"claim kubernetes.io", k8s != NULL && !json_is_object(k8s) ? ERR_TYPE : ERR_OK},
        {"claim kubernetes.io.namespace", copy_text(json_get(k8s, "namespace"), out->namespace)},
        {"claim kubernetes.io.serviceaccount.name",
         copy_text(json_get(json_get(k8s, "serviceaccount"), "name"), out->service_account)},
        {"claim kubernetes.io.pod.name", copy_text(json_get(pod, "name"), out->pod)},
        {"claim kubernetes.io.pod.uid", copy_text(json_get(pod, "uid"), out->pod_uid)},
        {"claim kubernetes.io.node.name", copy_text(json_get(json_get(k8s, "node"), "name"), out->node)},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].result != ERR_OK) {
            *wrong = parts[i].name;
            return parts[i].result;
        }
    }
    split_subject(out);
    return ERR_OK;
}

/* One part of the token as a JSON object, left open. */
static enum err open_part(const char *part, size_t len, unsigned char *scratch, const struct json **root) {
    size_t decoded;
    enum err e = base64url_decode(part, len, scratch, JWT_CLAIMS_MAX, &decoded);
    if (e != ERR_OK)
        return e;
    e = json_open((const char *)scratch, decoded, root);
    if (e == ERR_OK && !json_is_object(*root))
        e = ERR_TYPE;
    return e;
}

static enum err inspect(const char *token, size_t len, struct jwt_claims *out, const char **wrong) {
    SCRATCH static unsigned char scratch[JWT_CLAIMS_MAX];
    const char *end = token + len;
    const char *dot1 = memchr(token, '.', len);
    const char *dot2 = dot1 != NULL ? memchr(dot1 + 1, '.', (size_t)(end - dot1 - 1)) : NULL;
    *wrong = "the three parts, separated by dots";
    if (dot2 == NULL || memchr(dot2 + 1, '.', (size_t)(end - dot2 - 1)) != NULL || dot2 + 1 == end)
        return ERR_SYNTAX;
    const struct json *root;
    *wrong = "the header (base64url of a JSON object)";
    enum err e = open_part(token, (size_t)(dot1 - token), scratch, &root);
    if (e == ERR_OK) {
        *wrong = "the claims (base64url of a JSON object)";
        e = open_part(dot1 + 1, (size_t)(dot2 - dot1 - 1), scratch, &root);
    }
    if (e == ERR_OK)
        e = read_claims(root, out, wrong);
    size_t ignored;
    if (e == ERR_OK) {
        *wrong = "the signature (base64url)";
        e = base64url_decode(dot2 + 1, (size_t)(end - dot2 - 1), scratch, sizeof scratch, &ignored);
    }
    json_close();
    wipe(scratch, sizeof scratch);
    return e;
}

enum err jwt_inspect_unverified(const char *token, size_t len, struct jwt_claims *out, const char **wrong) {
    const char *unused;
    memset(out, 0, sizeof *out);
    return inspect(token, len, out, wrong != NULL ? wrong : &unused);
}

bool jwt_has_audience(const struct jwt_claims *claims, const char *audience) {
    for (size_t i = 0; i < claims->audience_count; i++) {
        if (strcmp(claims->audiences[i], audience) == 0)
            return true;
    }
    return false;
}
