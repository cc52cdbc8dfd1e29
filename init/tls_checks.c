#include "init/tls_checks.h"

#include <string.h>

#include "common/source/authorities.h"

enum check_status check_tls_authorities(struct run *run, struct failure *finding) {
    struct ca_counts counts;
    char text[320];
    struct buf unusable = BUF(text);
    const struct config *c = run->config;
    if (run->opening.reason != REASON_OK || !authorities_needed(&run->source))
        return check_skipped(finding, "nobody is asked over https");
    if (authorities_read(&c->source, run->lookup, &counts, finding) != REASON_OK)
        return CHECK_FAIL;
    const char *path = source_ca_file(&c->source, run->lookup);
    if (!ca_bundle_unusable(&counts, &unusable))
        return check_passed(finding, "%zu authorities in %.200s", counts.usable, path);
    struct buf m = failure_begin(finding, REASON_SETTING_INVALID);
    buf_printable(&m, path, strlen(path), 300);
    buf_fmt(&m, ": %s", text);
    failure_remedy(
        finding, "nothing, if none of these signs for who is asked; otherwise let the authority have an RSA "
                 "key of 2048 to 4096 bits, or one on P-256, P-384 or P-521");
    return CHECK_WARN;
}
