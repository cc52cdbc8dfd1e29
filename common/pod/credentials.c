#include "common/pod/credentials.h"

#include <string.h>

#include "common/base/timefmt.h"
#include "common/base/wipe.h"
#include "common/text/json.h"

bool credentials_text_valid(const char *text) {
    const char *at = text;
    while (*at > ' ' && *at <= '~' && *at != '"' && *at != '\\')
        at++;
    return at > text && *at == '\0';
}

static bool account_valid(const char *text, size_t len) {
    return len == CREDENTIALS_ACCOUNT_MAX - 1 && strspn(text, "0123456789") >= len;
}

void credentials_account_of_arn(const char *arn, char out[CREDENTIALS_ACCOUNT_MAX]) {
    const char *at = arn;
    out[0] = '\0';
    for (int colons = 0; at != NULL && colons < 4; colons++) { /* arn:PARTITION:SERVICE:REGION:ACCOUNT:… */
        at = strchr(at, ':');
        at = at != NULL ? at + 1 : NULL;
    }
    if (at == NULL || !account_valid(at, strcspn(at, ":")))
        return;
    memcpy(out, at, CREDENTIALS_ACCOUNT_MAX - 1);
    out[CREDENTIALS_ACCOUNT_MAX - 1] = '\0';
}

void credentials_copy(const struct credentials *from, struct credentials *to) {
    credentials_wipe(to);
    to->expires_ms = from->expires_ms;
    memcpy(to->account_id, from->account_id, sizeof to->account_id);
    memcpy(to->access_key_id, from->access_key_id, strlen(from->access_key_id) + 1);
    memcpy(to->secret_access_key, from->secret_access_key, strlen(from->secret_access_key) + 1);
    memcpy(to->session_token, from->session_token, strlen(from->session_token) + 1);
}

static enum err copy_secret(const struct json *value, char *out, size_t cap) {
    if (value == NULL || json_is_null(value))
        return ERR_MISSING;
    const char *text = json_text(value);
    if (text == NULL)
        return ERR_TYPE;
    size_t len = strlen(text);
    if (len == 0)
        return ERR_EMPTY;
    if (len >= cap)
        return ERR_TOO_LONG;
    if (!credentials_text_valid(text))
        return ERR_CONTROL;
    memcpy(out, text, len + 1);
    return ERR_OK;
}

static enum err copy_expiration(const struct json *value, int64_t *out) {
    if (value == NULL || json_is_null(value))
        return ERR_MISSING;
    const char *text = json_text(value);
    if (text == NULL)
        return ERR_TYPE;
    enum err e = *text == '\0' ? ERR_EMPTY : time_parse_rfc3339(text, strlen(text), out);
    if (e == ERR_OK)
        *out -= *out % 1000; /* a fraction more than is shown would be served as expired */
    return e;
}

static enum err copy_account(const struct json *value, char out[CREDENTIALS_ACCOUNT_MAX]) {
    const char *text = json_text(value);
    if (value == NULL || json_is_null(value) || (text != NULL && *text == '\0'))
        return ERR_OK;
    if (text == NULL)
        return ERR_TYPE;
    if (!account_valid(text, strlen(text)))
        return ERR_SYNTAX;
    memcpy(out, text, CREDENTIALS_ACCOUNT_MAX);
    return ERR_OK;
}

static enum err read_fields(const struct json *root, struct credentials *out, const char **field) {
    *field = "the answer (a JSON object)";
    if (!json_is_object(root))
        return ERR_TYPE;
    const struct {
        const char *name;
        enum err result;
    } parts[] = {
        {"AccessKeyId",
         copy_secret(json_get(root, "AccessKeyId"), out->access_key_id, sizeof out->access_key_id)},
        {"SecretAccessKey", copy_secret(json_get(root, "SecretAccessKey"), out->secret_access_key,
                                        sizeof out->secret_access_key)},
        {"Token", copy_secret(json_get(root, "Token"), out->session_token, sizeof out->session_token)},
        {"Expiration", copy_expiration(json_get(root, "Expiration"), &out->expires_ms)},
        {"AccountId", copy_account(json_get(root, "AccountId"), out->account_id)},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].result != ERR_OK) {
            *field = parts[i].name;
            return parts[i].result;
        }
    }
    return ERR_OK;
}

enum err credentials_parse(const char *json, size_t len, struct credentials *out, const char **field) {
    const struct json *root;
    credentials_wipe(out);
    *field = "the answer (JSON)";
    enum err e = json_open(json, len, &root);
    if (e == ERR_OK)
        e = read_fields(root, out, field);
    json_close();
    if (e != ERR_OK)
        credentials_wipe(out);
    return e;
}

void credentials_wipe(struct credentials *c) {
    wipe(c->access_key_id, strlen(c->access_key_id));
    wipe(c->secret_access_key, strlen(c->secret_access_key));
    wipe(c->session_token, strlen(c->session_token));
    wipe(c->account_id, strlen(c->account_id));
    c->expires_ms = 0;
}

static void put_pair(struct buf *out, const char *key, const char *value) {
    buf_str(out, ",\"");
    buf_str(out, key);
    buf_str(out, "\":");
    buf_json(out, value, strlen(value));
}

static void put_rest(const struct credentials *c, struct buf *out, const char *token_name) {
    char expiration[TIME_UTC_MAX];
    time_format_utc(c->expires_ms / 1000, expiration);
    put_pair(out, "SecretAccessKey", c->secret_access_key);
    put_pair(out, token_name, c->session_token);
    put_pair(out, "Expiration", expiration);
    if (c->account_id[0] != '\0')
        put_pair(out, "AccountId", c->account_id);
    buf_char(out, '}');
}

void credentials_render_container(const struct credentials *c, struct buf *out) {
    buf_str(out, "{\"AccessKeyId\":");
    buf_json(out, c->access_key_id, strlen(c->access_key_id));
    put_rest(c, out, "Token");
}

void credentials_render_process(const struct credentials *c, struct buf *out) {
    buf_str(out, "{\"Version\":1");
    put_pair(out, "AccessKeyId", c->access_key_id);
    put_rest(c, out, "SessionToken");
}

void credentials_render_instance(const struct credentials *c, int64_t updated_s, struct buf *out) {
    char updated[TIME_UTC_MAX];
    time_format_utc(updated_s, updated);
    buf_str(out, "{\"Code\":\"Success\"");
    put_pair(out, "LastUpdated", updated);
    put_pair(out, "Type", "AWS-HMAC");
    put_pair(out, "AccessKeyId", c->access_key_id);
    put_rest(c, out, "Token");
}

void credentials_render_profile(const struct credentials *c, struct buf *out) {
    char expiration[TIME_UTC_MAX];
    time_format_utc(c->expires_ms / 1000, expiration);
    buf_str(out, "aws_access_key_id = ");
    buf_str(out, c->access_key_id);
    buf_str(out, "\naws_secret_access_key = ");
    buf_str(out, c->secret_access_key);
    buf_str(out, "\naws_session_token = ");
    buf_str(out, c->session_token);
    if (c->account_id[0] != '\0') {
        buf_str(out, "\naws_account_id = ");
        buf_str(out, c->account_id);
    }
    /* No SDK reads this key; people and tools such as saml2aws do. */
    buf_str(out, "\nx_security_token_expires = ");
    buf_str(out, expiration);
    buf_char(out, '\n');
}

void credentials_short_id(const struct credentials *c, char out[CREDENTIALS_SHORT_ID_MAX]) {
    struct buf b = buf_over(out, CREDENTIALS_SHORT_ID_MAX);
    size_t len = strlen(c->access_key_id);
    if (len < 12)
        return;
    buf_put(&b, c->access_key_id, 4);
    buf_str(&b, "...");
    buf_put(&b, c->access_key_id + len - 4, 4);
}
