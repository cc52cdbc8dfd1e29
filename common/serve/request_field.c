#include "common/serve/request_field.h"

#include "common/serve/request_text.h"

enum field {
    FIELD_OTHER,
    FIELD_HOST,
    FIELD_AUTHORIZATION,
    FIELD_CONNECTION,
    FIELD_LENGTH,
    FIELD_TRANSFER,
    FIELD_EXTRA /* and those behind it: the caller's own */
};

enum request_status request_refuse(struct request *r, int status, const char *why) {
    r->error_status = status;
    r->error = why;
    return REQUEST_BAD;
}

static int field_named(const char *name, size_t len, const struct request_extras *extras) {
    static const char names[FIELD_EXTRA][sizeof "transfer-encoding"] = {
        [FIELD_OTHER] = "",
        [FIELD_HOST] = "host",
        [FIELD_AUTHORIZATION] = "authorization",
        [FIELD_CONNECTION] = "connection",
        [FIELD_LENGTH] = "content-length",
        [FIELD_TRANSFER] = "transfer-encoding",
    };
    for (int i = 0; extras != NULL && i < REQUEST_EXTRAS_MAX && extras->headers[i].name != NULL; i++) {
        if (strcmp(name, extras->headers[i].name) == 0)
            return FIELD_EXTRA + i;
    }
    int field = FIELD_EXTRA;
    while (--field > FIELD_OTHER) {
        const char *known = names[field];
        if (name[0] == known[0] && len < sizeof names[field] && known[len] == '\0' &&
            strcmp(name, known) == 0)
            break;
    }
    return field;
}

/* What the server decides on may come once: whoever is before it could have read the other one. */
static bool *seen_before(struct request *r) {
    switch (r->field) {
    case FIELD_HOST:
        return &r->has_host;
    case FIELD_AUTHORIZATION:
        return &r->has_authorization;
    case FIELD_LENGTH:
        return &r->has_length;
    case FIELD_TRANSFER:
        return &r->chunked;
    default:
        return r->field >= FIELD_EXTRA ? &r->extras[r->field - FIELD_EXTRA].present : NULL;
    }
}

static bool may_repeat(const struct request *r) {
    return r->field >= FIELD_EXTRA && !r->wanted->headers[r->field - FIELD_EXTRA].once;
}

enum request_status request_field_begins(struct request *r) {
    r->field = FIELD_OTHER;
    if (r->at < REQUEST_NAME_MAX) {
        r->name[r->at] = '\0';
        r->field = (uint8_t)field_named(r->name, r->at, r->wanted);
    }
    bool *seen = seen_before(r);
    if (seen != NULL) {
        if (*seen && !may_repeat(r))
            return request_refuse(r, 400, "a header that may come once came twice");
        *seen = true;
    }
    r->at = 0;
    r->field_too_long = false;
    return REQUEST_MORE;
}

static char *field_storage(struct request *r, size_t *cap) {
    switch (r->field) {
    case FIELD_HOST:
        *cap = sizeof r->host;
        return r->host;
    case FIELD_AUTHORIZATION:
        *cap = r->room.cap > 0 ? r->room.cap : sizeof r->authorization;
        return r->room.cap > 0 ? r->room.text : r->authorization;
    case FIELD_CONNECTION:
    case FIELD_LENGTH:
    case FIELD_TRANSFER:
        *cap = sizeof r->value;
        return r->value;
    default:
        *cap = REQUEST_EXTRA_MAX;
        return r->field >= FIELD_EXTRA ? r->extras[r->field - FIELD_EXTRA].value : NULL;
    }
}

/* Envoy's retries say "chunked" and send an empty body. What has both lengths is how requests are smuggled.
 */
static enum request_status transfer_ends(struct request *r) {
    if (r->has_length || r->http_1_0)
        return request_refuse(r, 400, "a transfer coding beside Content-Length, or in HTTP/1.0");
    if (r->field_too_long || strcasecmp(r->value, "chunked") != 0)
        return request_refuse(r, 501, "no transfer coding but chunked is known here");
    return REQUEST_MORE;
}

static enum request_status length_ends(struct request *r) {
    size_t digits = strspn(r->value, "0123456789");
    if (r->chunked)
        return request_refuse(r, 400, "a transfer coding beside Content-Length");
    if (r->field_too_long || digits == 0 || r->value[digits] != '\0')
        return request_refuse(r, 400, "Content-Length is not a number");
    if (strspn(r->value, "0") != digits)
        return request_refuse(r, 413, "requests have no body here");
    return REQUEST_MORE;
}

enum request_status request_field_ends(struct request *r) {
    size_t cap;
    char *storage = field_storage(r, &cap);
    if (storage == NULL)
        return REQUEST_MORE;
    size_t len = r->field_too_long ? 0 : r->at;
    while (len > 0 && (storage[len - 1] == ' ' || storage[len - 1] == '\t'))
        len--;
    storage[len] = '\0';
    if (r->field == FIELD_AUTHORIZATION)
        r->authorization_len = (uint32_t)len;
    if (r->field == FIELD_LENGTH)
        return length_ends(r);
    if (r->field == FIELD_TRANSFER)
        return transfer_ends(r);
    if (r->field == FIELD_CONNECTION && (r->field_too_long || has_word(r->value, "close")))
        r->close = true;
    return REQUEST_MORE;
}

void request_field_keep(struct request *r, const char *bytes, size_t len) {
    size_t cap;
    char *storage = field_storage(r, &cap);
    if (storage == NULL)
        return;
    if (len > cap - 1 - r->at) {
        len = cap - 1 - r->at;
        r->field_too_long = true;
    }
    memcpy(storage + r->at, bytes, len);
    r->at += (uint32_t)len;
    if (storage == r->room.text)
        r->room_used = r->at;
}
