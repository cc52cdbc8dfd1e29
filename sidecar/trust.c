#include "sidecar/trust.h"

#include "common/base/environment.h"
#include "common/base/log.h"
#include "common/http/http.h"
#include "common/source/authorities.h"

bool trust_authorities(const struct source_options *options, bool needed, struct failure *failure) {
    static bool told;
    struct ca_counts counts;
    char text[320];
    struct buf unusable = BUF(text);
    const char *path = source_ca_file(options, environment);
    http_trust(path);
    if (!needed)
        return true;
    bool good = authorities_read(options, environment, &counts, failure) == REASON_OK;
    if (good && !told && ca_bundle_unusable(&counts, &unusable)) {
        LOG(LOG_WARN, "authorities that cannot be used", LOG_TEXT("ca_bundle", path),
            LOG_TEXT("detail", text));
        told = true;
    }
    return good || !failure->permanent;
}
