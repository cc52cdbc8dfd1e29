/* DNS messages (RFC 1035): one question, and what the answer to it says. No I/O. */
#ifndef POD_IDENTITY_HTTP_DNS_MESSAGE_H
#define POD_IDENTITY_HTTP_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_MAX 254             /* as text, with its NUL */
#define DNS_QUERY_MAX (12 + 255 + 4) /* header, name, type and class */
#define DNS_ADDRESSES_MAX 8          /* of each IP version: nobody tries more than a few */

enum dns_type { DNS_A = 1, DNS_AAAA = 28 };

struct dns_address {
    bool ipv6;
    unsigned char bytes[16]; /* 4 or 16 of them, in network order */
};

struct dns_addresses {
    struct dns_address list[2 * DNS_ADDRESSES_MAX];
    size_t count;
};

enum dns_verdict {
    DNS_FOUND,     /* addresses were added */
    DNS_NONE,      /* the name does not exist, or has no address of that type */
    DNS_ERROR,     /* the server's error code, or DNS_CODE_MALFORMED */
    DNS_TRUNCATED, /* no address arrived, and there is more: to be asked by TCP */
    DNS_NOT_OURS   /* no answer to this question: somebody else's, or nonsense */
};

enum { DNS_CODE_SERVFAIL = 2, DNS_CODE_NXDOMAIN = 3, DNS_CODE_REFUSED = 5, DNS_CODE_MALFORMED = 16 };

/* The length of the query; 0 if the name is none (an empty label, or one over 63 bytes, or too long in all).
 * One dot at its end makes no difference. */
size_t dns_query(const char *name, uint16_t id, enum dns_type type, unsigned char out[DNS_QUERY_MAX]);

/* Judges what came against the query that was sent: identifier, question, and the chain of aliases in the
 * order in which servers give it, as glibc does. What is more than DNS_ADDRESSES_MAX addresses is left out:
 * any of them is as good. *code is the server's, for DNS_NONE and DNS_ERROR. */
enum dns_verdict dns_answer(const unsigned char *query, size_t query_len, const unsigned char *message,
                            size_t len, struct dns_addresses *out, unsigned *code);

#endif
