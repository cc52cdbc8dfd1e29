/* A failure as its reader meets it: a reason with a name and an exit code, what happened, and what to do.
 *
 * The reasons and their numbers are an interface: reports, termination messages, exit codes and the sidecar's
 * 503 answers all carry them. */
#ifndef POD_IDENTITY_BASE_FAILURE_H
#define POD_IDENTITY_BASE_FAILURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

enum reason { /* the value is the exit code */
              REASON_OK = 0,
              REASON_NOT_INJECTED = 10,
              REASON_INJECTION_INVALID = 11,
              REASON_TOKEN_UNREADABLE = 12,
              REASON_TOKEN_INVALID = 13,
              REASON_SETTING_INVALID = 14, /* of the environment: region, endpoint, proxy, … */
              REASON_AGENT_UNREACHABLE = 20,
              REASON_ACCESS_DENIED = 21,
              REASON_THROTTLED = 22,
              REASON_BAD_RESPONSE = 23,
              REASON_AWS_UNREACHABLE = 24,
              REASON_TLS_FAILED = 25,
              REASON_UNEXPECTED_IDENTITY = 30,
              REASON_USAGE = 64,
              REASON_INTERNAL = 70
};

/* "AGENT_UNREACHABLE" and so on. Static storage. */
const char *reason_name(enum reason reason);

/* Message and remedy together stay within a termination log of 4096 bytes. */
#define FAILURE_MESSAGE_MAX 1024
#define FAILURE_REMEDY_MAX 1024

struct failure {
    enum reason reason;
    const char *cause;      /* finer than the reason, for programs: "refused", "AccessDeniedException"; static
                               text, or NULL */
    bool permanent;         /* waiting cannot help: only a change by a person, or a new pod */
    int64_t retry_after_ms; /* what the server asked for, or 0 */
    char message[FAILURE_MESSAGE_MAX]; /* what was tried, with which value, and what came back; one line */
    char remedy[FAILURE_REMEDY_MAX];   /* what to do; one line */
};

/* Starts a failure: clears it, and returns a builder over its message. */
struct buf failure_begin(struct failure *f, enum reason reason);
/* A builder that goes on where the message ends. */
struct buf failure_more(struct failure *f);
/* What many remedies say, in one byte each, which failure_remedy() writes out: the texts of remedies are a
 * tenth of the programs. */
#define FAILURE_AGENT_LOG "\1" /* the agent's log, and how to see it */
#define FAILURE_CLOCK "\2"     /* compare the node's clock with the real time */
#define FAILURE_NOT_AGENT "\3" /* something other than the EKS Pod Identity Agent answers there */
#define FAILURE_SHOWN_BY "\4"  /* how to see a server's certificates */
#define FAILURE_MESH "\5"      /* a mesh's CNI plugin, behind the remedy for a refused connection */
#define FAILURE_LINKERD "\6"   /* the annotation that excludes a port from Linkerd, without the port */
#define FAILURE_ISTIO "\7"     /* the beginning of Istio's annotation */
#define FAILURE_WAIT "\10"     /* wait and try again; if it lasts, look at */
#define FAILURE_PROXYS "\11"   /* whose a certificate is where a proxy opens TLS */

/* Sets the remedy from a format, with the phrases above written out. */
void failure_remedy(struct failure *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
