/* Who answered in another's stead: the proxy of a mesh, a proxy, an ingress, a page of whatever it is. */
#ifndef POD_IDENTITY_HTTP_MIDDLEBOX_H
#define POD_IDENTITY_HTTP_MIDDLEBOX_H

#include "common/base/buf.h"
#include "common/http/http.h"

enum middlebox {
    MIDDLEBOX_NONE,    /* nothing points to one */
    MIDDLEBOX_ENVOY,   /* of Istio and other meshes */
    MIDDLEBOX_LINKERD, /* its proxy */
    MIDDLEBOX_PROXY,   /* a proxy that says so (Via, Squid) */
    MIDDLEBOX_SERVER,  /* another web server, an ingress */
    MIDDLEBOX_PAGE     /* a page of HTML that nobody signed */
};

/* By headers and body, for an answer that does not have the form of whom it was expected from. */
enum middlebox middlebox_of(const struct http_response *response);

/* Appends " (Server: squid/6, Via: 1.1 p)", as far as there is any of it. */
void middlebox_put(const struct http_response *response, struct buf *message);

#endif
