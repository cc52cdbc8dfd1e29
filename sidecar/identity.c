#include "sidecar/identity.h"

#include "common/aws/sts.h"
#include "common/base/timefmt.h"

/* What is no plain text is as good as unknown: so nothing needs an escape. */
static void put(struct buf *out, const char *name, const char *value) {
    if (credentials_text_valid(value))
        buf_fmt(out, ",\"%s\":\"%s\"", name, value);
}

/* The names are those of the AWS CLI's get-caller-identity, and of the credentials. */
void identity_render(const struct identity *identity, const struct credentials *c, struct buf *out) {
    const char *account = identity->who->account;
    char expiration[TIME_UTC_MAX];
    time_format_utc(c->expires_ms / 1000, expiration);
    buf_fmt(out, "{\"Profile\":\"%s\"", identity->profile);
    put(out, "Account", account[0] != '\0' ? account : c->account_id);
    put(out, "Arn", identity->who->arn);
    put(out, "UserId", identity->who->user_id);
    put(out, "Source", identity->source);
    put(out, "Expiration", expiration);
    buf_char(out, '}');
}
