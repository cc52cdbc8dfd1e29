#include "common/source/source_settings.h"

#include <string.h>

#include "common/base/scratch.h"
#include "common/base/setting.h"
#include "common/base/wipe.h"
#include "common/http/proxy.h"
#include "common/pod/role_arn.h"

enum reason source_settings_proxy(injection_getenv *lookup, const struct uri *uri, struct failure *f) {
    SCRATCH static struct proxy proxy;
    const char *problem = NULL;
    enum err e = proxy_find(lookup, uri, &proxy, &problem);
    wipe(proxy.authorization, strlen(proxy.authorization));
    if (e == ERR_OK)
        return REASON_OK;
    struct buf m = failure_begin(f, REASON_SETTING_INVALID);
    f->permanent = true;
    f->cause = "proxy";
    buf_fmt(&m, "%s %s", proxy.variable, problem);
    failure_remedy(f, "let %s be http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT, or add %s to NO_PROXY",
                   proxy.variable, uri->host);
    return f->reason;
}

enum reason source_settings_ca_path(const struct source_options *options, injection_getenv *lookup,
                                    struct failure *f) {
    static const char names[][14] = {"AWS_CA_BUNDLE", "SSL_CERT_FILE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = lookup(names[i]), *flaw = value != NULL ? setting_flaw(value) : NULL;
        if (flaw == NULL || options->ca_bundle != NULL)
            continue;
        struct buf m = failure_begin(f, REASON_SETTING_INVALID);
        f->permanent = true;
        buf_fmt(&m, "%s=", names[i]);
        setting_quote(&m, value);
        buf_fmt(&m, " %s", flaw);
        failure_remedy(f, "correct it where it is set: it must be the path of a PEM file alone");
        return f->reason;
    }
    return REASON_OK;
}

enum reason source_settings_roles(const struct source_options *options, injection_getenv *lookup,
                                  struct failure *f) {
    for (size_t i = 0; i < options->role_count && !injection_own_sts(lookup); i++) {
        char why[256];
        struct buf problem = BUF(why);
        if (role_arn_check(options->roles[i].arn, ROLE_ARN_AWS, &problem))
            continue;
        struct buf m = failure_begin(f, REASON_SETTING_INVALID);
        f->permanent = true;
        buf_str(&m, "--assume-role=");
        setting_quote(&m, options->roles[i].arn);
        buf_fmt(&m, " %s", why);
        failure_remedy(f, "correct the ARN, or set AWS_ENDPOINT_URL_STS to the STS that knows it");
        return f->reason;
    }
    return REASON_OK;
}
