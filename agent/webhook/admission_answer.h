/* The answer to an AdmissionReview, as bytes. No I/O. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_ADMISSION_ANSWER_H
#define POD_IDENTITY_AGENT_WEBHOOK_ADMISSION_ANSWER_H

#include <stdbool.h>

#include "agent/json_scan.h"
#include "common/base/buf.h"

struct admission_head {
    struct json_span uid; /* a string, as it came */
    bool beta;            /* v1beta1 */
};

/* patch: "" or the operations; warnings: strings in JSON with commas between, or "". */
void admission_answer_allow(const struct admission_head *head, const struct buf *patch,
                            const struct buf *warnings, struct buf *out);
/* why: what kubectl shows. */
void admission_answer_refuse(const struct admission_head *head, const char *why, const struct buf *warnings,
                             struct buf *out);

#endif
