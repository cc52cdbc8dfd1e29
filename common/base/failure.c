#include "common/base/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Metrics name all reasons, at each scrape: it lies with what serves (common/deps/static-pie.ld). */
__attribute__((section(".text.warm"))) const char *reason_name(enum reason reason) {
    switch (reason) {
    case REASON_OK:
        return "OK";
    case REASON_NOT_INJECTED:
        return "NOT_INJECTED";
    case REASON_INJECTION_INVALID:
        return "INJECTION_INVALID";
    case REASON_TOKEN_UNREADABLE:
        return "TOKEN_UNREADABLE";
    case REASON_TOKEN_INVALID:
        return "TOKEN_INVALID";
    case REASON_SETTING_INVALID:
        return "SETTING_INVALID";
    case REASON_AGENT_UNREACHABLE:
        return "AGENT_UNREACHABLE";
    case REASON_ACCESS_DENIED:
        return "ACCESS_DENIED";
    case REASON_THROTTLED:
        return "THROTTLED";
    case REASON_BAD_RESPONSE:
        return "BAD_RESPONSE";
    case REASON_AWS_UNREACHABLE:
        return "AWS_UNREACHABLE";
    case REASON_TLS_FAILED:
        return "TLS_FAILED";
    case REASON_UNEXPECTED_IDENTITY:
        return "UNEXPECTED_IDENTITY";
    case REASON_USAGE:
        return "USAGE";
    case REASON_INTERNAL:
        return "INTERNAL";
    }
    return "INTERNAL";
}

struct buf failure_begin(struct failure *f, enum reason reason) {
    memset(f, 0, sizeof *f);
    f->reason = reason;
    return buf_over(f->message, sizeof f->message);
}

struct buf failure_more(struct failure *f) {
    return (struct buf){.data = f->message, .len = strlen(f->message), .cap = sizeof f->message};
}

/* In the order of FAILURE_AGENT_LOG and what is behind it, each with its NUL. */
static const char phrases[] =
    "the agent's log (kubectl -n kube-system logs ds/eks-pod-identity-agent)\0"
    "compare the node's clock with the real time (chronyc tracking)\0"
    "something other than the EKS Pod Identity Agent answers there\0"
    "; openssl s_client -connect HOST:443 -servername HOST -showcerts </dev/null shows what is sent\0"
    ". Or, in a pod of a service mesh, its CNI plugin redirects this container to a proxy that does not run "
    "yet (then "
    "other servers, as the API server, refuse it too): run it as uid 1337 (Istio), or annotate the pod with "
    "\0"
    "config.linkerd.io/skip-outbound-ports: \0"
    "traffic.sidecar.istio.io/excludeOutbound\0"
    "wait and try again; if it lasts, look at \0"
    "; where a proxy opens TLS, that is the proxy's";

static void write_out(struct buf *out, const char *text) {
    for (; *text != '\0'; text++) {
        const char *phrase = phrases;
        if ((unsigned char)*text > (unsigned char)*FAILURE_PROXYS) {
            buf_char(out, *text);
            continue;
        }
        for (int i = 1; i < *text; i++)
            phrase += strlen(phrase) + 1;
        buf_str(out, phrase);
    }
}

void failure_remedy(struct failure *f, const char *format, ...) {
    char text[FAILURE_REMEDY_MAX];
    struct buf out = BUF(f->remedy);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    write_out(&out, text);
}
