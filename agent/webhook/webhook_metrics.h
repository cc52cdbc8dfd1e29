/* What is counted, and the page that shows it. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_WEBHOOK_METRICS_H
#define POD_IDENTITY_AGENT_WEBHOOK_WEBHOOK_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/webhook/admission.h"
#include "common/serve/tls_server.h"

/* A review was answered; failed: it was none, or could not be. */
void webhook_metrics_review(const struct admission_outcome *outcome, bool patched);
void webhook_metrics_failed(void);

enum webhook_file {
    WEBHOOK_FILE_CERTIFICATE,
    WEBHOOK_FILE_TEMPLATE,
    WEBHOOK_FILE_ASSOCIATIONS,
    WEBHOOK_FILES
};
void webhook_metrics_reload_failed(enum webhook_file file);

struct webhook_gauges {
    bool ready;
    bool with_associations;
    size_t associations, associations_unusable;
    size_t connections;
    int64_t now_s; /* since 1970 */
    struct tls_server_dates dates;
    struct tls_server_counts tls;
};
/* out has room for all of it (WEBHOOK_PAGE_MAX). */
void webhook_metrics_render(const struct webhook_gauges *gauges, struct buf *out);

#endif
