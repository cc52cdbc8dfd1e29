/* The EKS Pod Identity Agent: what is asked, and what each of its answers means.
 *
 * Source: aws/eks-pod-identity-agent pkg/handlers, internal/validation, pkg/errors (0.1.37). No I/O here. */
#ifndef POD_IDENTITY_POD_AGENT_CLIENT_H
#define POD_IDENTITY_POD_AGENT_CLIENT_H

#include "common/base/clock.h"
#include "common/base/failure.h"
#include "common/http/http.h"
#include "common/http/middlebox.h"
#include "common/pod/credentials.h"
#include "common/pod/token_file.h"
#include "common/text/uri.h"

#define AGENT_CLIENT_CONNECT_TIMEOUT_MS 2000 /* on the same node: a connection takes well under 1 ms */
/* A cold request makes the agent try EKS Auth three times, a second each with pauses between, and before that
 * a metadata service that may be deaf three times, 5 s each; with the probe behind it, all ends within 20 s.
 */
#define AGENT_CLIENT_TOTAL_TIMEOUT_MS 18500

/* Behind a remedy for a refused connection. */
#define AGENT_CLIENT_MESH_HINT                                                                               \
    FAILURE_MESH FAILURE_ISTIO "IPRanges: 169.254.170.23/32 or " FAILURE_LINKERD "\"80\""

/* Fills in the request; headers is storage for two, and all that is passed must live until the request was
 * started. */
void agent_client_request(const struct uri *uri, const struct token *token, struct http_header headers[2],
                          struct http_request *out);

/* Judges the answer: REASON_OK with *out filled, or the reason with *failure; *out is wiped then. No error
 * quotes anything of an answer that may hold credentials. */
enum reason agent_client_result(const struct uri *uri, const struct http_response *response,
                                struct moment now, struct credentials *out, struct failure *failure);

/* The probe that needs no token and costs EKS Auth nothing: GET / on the same host and port, which a living
 * agent answers with 404. The storage must live until the request was started. */
#define AGENT_CLIENT_PROBE_TIMEOUT_MS 1000
struct agent_client_probe {
    char url[URI_HOST_MAX + 32];
};
void agent_client_probe_request(const struct uri *uri, struct agent_client_probe *probe,
                                struct http_request *out);
/* Appends what came of it, "answered 404" or "was refused", and tells whether an agent is alive there. */
bool agent_client_probe_result(const struct http_response *response, struct buf *message);

#endif
