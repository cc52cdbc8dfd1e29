#include "sidecar/access.h"

#include "common/base/log.h"
#include "sidecar/metrics.h"

void access_record(enum routes_kind listener, const struct request *r, int status) {
    static const char methods[][8] = {
        [REQUEST_GET] = "GET", [REQUEST_HEAD] = "HEAD", [REQUEST_PUT] = "PUT", [REQUEST_OTHER] = "other"};
    metrics_request(listener, status);
    if (!log_enabled(LOG_DEBUG)) /* formatting costs more than answering */
        return;
    LOG(LOG_DEBUG, "request", LOG_TEXT("listener", routes_kind_name(listener)),
        LOG_TEXT("method", methods[r->method]), LOG_TEXT("path", r->path), LOG_NUMBER("status", status),
        LOG_TEXT("error", r->error != NULL ? r->error : ""));
}
