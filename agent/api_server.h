/* The cluster's API server, as the agent asks it: by the service's address (the host's network has no cluster
 * DNS), verified as kubernetes.default.svc by the cluster's authority, with the mounted service account's
 * token.
 * --api-server=https://HOST[:PORT] asks there, and verifies HOST. */
#ifndef POD_IDENTITY_AGENT_API_SERVER_H
#define POD_IDENTITY_AGENT_API_SERVER_H

#include "common/base/failure.h"
#include "common/http/http.h"
#include "common/pod/injection.h"
#include "common/pod/token_file.h"
#include "common/text/uri.h"

#define API_SERVER_HOST "kubernetes.default.svc"
#define API_SERVER_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"
#define API_SERVER_PATH_MAX 512
#define API_SERVER_FILE_MAX 512
#define API_SERVER_TIMEOUT_MS 10000
#define API_SERVER_CONNECT_MS 3000

struct api_server {
    char url[URI_TEXT_MAX];           /* https://HOST:PORT */
    char resolved[URI_HOST_MAX + 64]; /* see http.h; "": HOST is looked up */
    char ca_file[API_SERVER_FILE_MAX], token_file[API_SERVER_FILE_MAX];
};

/* override: --api-server, or NULL: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT. folder: where ca.crt
 * and token are; NULL: API_SERVER_FOLDER. REASON_SETTING_INVALID: no address, or one that is none. */
enum reason api_server_open(struct api_server *server, const char *override, const char *folder,
                            injection_getenv *lookup, struct failure *failure);

/* What a request is made of: it lives until the request was started, and is wiped then. Static; zero it once.
 */
struct api_call {
    char url[URI_TEXT_MAX + API_SERVER_PATH_MAX];
    char authorization[TOKEN_FILE_MAX + 8];
    struct http_header headers[3];
    struct token token;
};

/* Reads the token anew. path: with its query. body: JSON (of PATCH: a JSON patch), or NULL.
 * REASON_TOKEN_UNREADABLE. */
enum reason api_server_request(const struct api_server *server, const char *method, const char *path,
                               const char *body, size_t body_len, struct api_call *call,
                               struct http_request *out, struct failure *failure);
void api_call_wipe(struct api_call *call);

/* The failure of a request that was not answered with 200 or 201, for that purpose: "read the cluster's
 * keys". */
enum reason api_server_failed(const struct api_server *server, const char *path, const char *purpose,
                              const struct http_response *response, struct failure *failure);

#endif
