/* Resolves one host name within an event loop: A and AAAA at once, over UDP and, if an answer does not fit,
 * TCP. Nothing here blocks, and no thread is needed, so what is served never waits for DNS.
 *
 * The rules are glibc's, with three differences that cost nothing and save pods: a name with a dot is asked
 * as it stands first, whatever ndots says (with Kubernetes' ndots:5 it would come after the search list); a
 * question that is not answered within a second is asked again, of the next server, until timeout x attempts
 * x servers of resolv.conf are over, and an answer that comes late still counts; where one IP version has
 * addresses, the other is waited for only a moment. */
#ifndef POD_IDENTITY_HTTP_RESOLVER_H
#define POD_IDENTITY_HTTP_RESOLVER_H

#include "common/base/buf.h"
#include "common/http/resolv_conf.h"

enum { RESOLVER_READ = 1, RESOLVER_WRITE = 2 };

/* Told when a descriptor is to be watched; events 0: not any more, it is about to be closed. */
typedef void resolver_watch(int fd, int events);

enum resolver_state {
    RESOLVER_WORKING,
    RESOLVER_FOUND,
    RESOLVER_NO_NAME, /* DNS knows no such name, or no address of it */
    RESOLVER_ERROR,   /* DNS answered with errors, or with nonsense */
    RESOLVER_SILENT   /* no DNS server answered, or none can be asked */
};

#define RESOLVER_SOCKETS (RESOLV_SERVERS_MAX + 1) /* one for each server, and one for TCP */
#define RESOLVER_STREAM_MAX 4096                  /* an answer by TCP; more is an error */

struct resolver_question { /* private */
    enum { QUESTION_ASKED, QUESTION_FOUND, QUESTION_NONE, QUESTION_FAILED } state;
    uint16_t id;
    bool by_tcp;     /* the answer by UDP was truncated */
    unsigned next;   /* how often it was asked, which also says whom next */
    unsigned errors; /* how many of these failed at once */
    unsigned server; /* who was asked, or answered, last */
    unsigned problem;
};

struct resolver {              /* storage of the caller; private but for fds, deadline_ms and found */
    int fds[RESOLVER_SOCKETS]; /* -1: none. To be polled by whoever has no event loop, with tcp_writing for
                                  the last */
    bool tcp_writing;
    int64_t deadline_ms;        /* monotonic: when to call resolver_step() without an event */
    struct dns_addresses found; /* those to be tried first stand first */

    resolver_watch *watch;
    const char *hosts_file, *conf_file;
    unsigned char *stream; /* RESOLVER_STREAM_MAX bytes */
    size_t stream_len;
    struct resolv_conf conf;
    struct resolver_question questions[2];
    int64_t end_ms, limit_ms, repeat_ms, grace_ms;
    enum resolver_state outcome; /* RESOLVER_WORKING: there is no verdict yet */
    bool started, heard, itself, asked_itself;
    size_t candidate;
    struct resolver_question verdict; /* what is told of a failure: the name's own */
    char name[DNS_NAME_MAX], asked[DNS_NAME_MAX];
};

/* Begins; the first resolver_step() may follow at once. stream: storage of RESOLVER_STREAM_MAX bytes for the
 * time of the resolution. end_ms: monotonic, the latest end. False if the name is too long. */
bool resolver_start(struct resolver *r, const char *name, resolver_watch *watch, unsigned char *stream,
                    int64_t end_ms);

/* After an event on one of its descriptors, or at its deadline. Once it returns anything but
 * RESOLVER_WORKING, all descriptors are closed. */
enum resolver_state resolver_step(struct resolver *r, int64_t now_ms);

/* Closes what is open. Harmless at any time after a start. */
void resolver_stop(struct resolver *r);

/* Why there are no addresses: which server said what. */
void resolver_describe(const struct resolver *r, struct buf *out);

#endif
