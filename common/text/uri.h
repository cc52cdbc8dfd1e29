/* The URI of a credentials endpoint, and which hosts an AWS SDK would speak plain HTTP to.
 *
 * Hosts are judged by their number, never by a prefix of their text: "169.254.170.23.example.com" is a name.
 * Source of the list: the AWS SDKs and Tools Reference Guide, container credential provider. */
#ifndef POD_IDENTITY_TEXT_URI_H
#define POD_IDENTITY_TEXT_URI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define URI_TEXT_MAX 2048 /* what web servers and browsers agree on as a safe upper bound */
#define URI_HOST_MAX 254  /* a DNS name and its NUL */

#define URI_EKS_V4 "169.254.170.23" /* where the agent listens */
#define URI_EKS_V6 "fd00:ec2::23"

enum uri_host {
    URI_HOST_NAME,         /* a DNS name; never resolved here */
    URI_HOST_LOOPBACK,     /* 127.0.0.0/8, ::1 */
    URI_HOST_LOCALHOST,    /* the name "localhost", which stands for loopback by definition (RFC 6761) */
    URI_HOST_ECS,          /* 169.254.170.2 */
    URI_HOST_EKS_V4,       /* 169.254.170.23 */
    URI_HOST_EKS_V6,       /* fd00:ec2::23 */
    URI_HOST_OTHER_ADDRESS /* any other numeric address */
};

struct uri {
    char text[URI_TEXT_MAX + 1]; /* the whole, as given */
    bool https;
    char host[URI_HOST_MAX]; /* lower case, without brackets */
    bool ipv6;
    enum uri_host kind;
    uint16_t port;    /* given, or 80 and 443 by scheme */
    const char *path; /* into text; "" if there is none. Holds the query. */
};

/* Parses an absolute http or https URI without user information, fragment, blanks or control characters.
 * ERR_EMPTY, ERR_TOO_LONG, ERR_CONTROL, ERR_RANGE (the port), ERR_MISSING (the host), ERR_SYNTAX. */
enum err uri_parse(const char *text, struct uri *out);

/* A copy whose path points into its own text. */
void uri_copy(const struct uri *from, struct uri *to);

/* Whether some AWS SDK sends the token there: https to any host, http to loopback, "localhost" and the three
 * link-local addresses. */
bool uri_allowed_by_sdks(const struct uri *uri);

/* Link-local or loopback by number, or "localhost": never sent through a proxy. */
bool uri_is_local(const struct uri *uri);

/* "http://host", with the port if it is not the scheme's own. */
void uri_put_origin(const struct uri *uri, struct buf *out);

/* A URL for messages, whatever it is and whoever wrote it: "https://host:8080/path". What may be a user or
 * password becomes "[redacted]@", a query or fragment "?[redacted]", and what stands in a port's place
 * without being one is left out; at most URI_SHOWN_MAX bytes. */
#define URI_SHOWN_MAX 200
void uri_show(const char *text, struct buf *out);

/* The same path and port at the agent's address of the other IP version. False if the host is none of the
 * agent's two. */
bool uri_other_family(const struct uri *uri, struct uri *out);

/* A numeric listening address of any kind, "0.0.0.0:9912" or "[::]:9912": as the next one, without its
 * ERR_RANGE for what is not loopback. */
enum err uri_parse_listen(const char *text, bool *ipv6, unsigned char address[16], uint16_t *port);

/* A numeric listening address, "127.0.0.1:8080" or "[::1]:8080"; port 0 is allowed (any free one). Any
 * address that is not loopback, or a name, is ERR_RANGE; otherwise as above. */
enum err uri_parse_loopback(const char *text, bool *ipv6, unsigned char address[16], uint16_t *port);

#endif
