/* The look-alike of the EC2 instance metadata service, version 2: what SDKs ask that know nothing but
 * instance profiles.
 *
 *   PUT /latest/api/token                                   a session token, for 1 to 21600 seconds
 *   GET /latest/meta-data/iam/security-credentials/         the name of the role
 *   GET /latest/meta-data/iam/security-credentials/NAME     its credentials
 *
 * Version 1 (requests without a token) is refused, everything else is not there. Protocol: EC2 user guide,
 * "Use the Instance Metadata Service". */
#ifndef POD_IDENTITY_SIDECAR_IMDS_H
#define POD_IDENTITY_SIDECAR_IMDS_H

#include "common/serve/request.h"
#include "sidecar/answers.h"

#define IMDS_TTL_MAX_S 21600
#define IMDS_ROLE "pod-identity" /* the agent does not tell the role's name, and SDKs only hand it back */

/* Makes the key that tokens are signed with. A token holds its own end and needs no memory here, so there can
 * be any number of them; they end with the process. false with errno if there is no entropy. */
bool imds_open(void);
void imds_wipe(void);

/* What a request must have been parsed with. */
enum imds_header { IMDS_TOKEN, IMDS_TTL, IMDS_FORWARDED };
extern const struct request_extras imds_headers;

const struct answer *imds_pick(const struct request *request);

#endif
