/* What the API server itself says about a token (--token-review): tokens of pods that are gone are refused
 * before they expire, as EKS Auth does. No I/O. */
#ifndef POD_IDENTITY_AGENT_TOKEN_REVIEW_H
#define POD_IDENTITY_AGENT_TOKEN_REVIEW_H

#include "agent/api_server.h"

/* Makes the request, with its body in that storage, which must live until it was started; the rest of it is
 * one for the process. REASON_TOKEN_INVALID: the token is too long for that; or what api_server_request()
 * fails with. */
enum reason token_review_request(const struct api_server *server, const char *audience,
                                 const struct token *token, char *body, size_t body_cap,
                                 struct http_request *out, struct failure *failure);
/* Wipes what the request was made of, beside its body. */
void token_review_forget(void);

/* REASON_OK: the token is a living pod's. REASON_TOKEN_INVALID: it is not, which failure says in the API
 * server's words. Anything else: it could not be told. */
enum reason token_review_answer(const struct api_server *server, const struct http_response *response,
                                struct failure *failure);

#endif
