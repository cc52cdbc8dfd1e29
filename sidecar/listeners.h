/* The sidecar's listeners: what they are called in the log and in metrics. */
#ifndef POD_IDENTITY_SIDECAR_LISTENERS_H
#define POD_IDENTITY_SIDECAR_LISTENERS_H

enum listener {
    LISTENER_SOCKET,  /* the Unix socket: every path; the file system says who may connect */
    LISTENER_HTTP,    /* loopback: /v1/credentials only, with Host check and bearer */
    LISTENER_IMDS,    /* loopback: IMDSv2, with Host check and session tokens */
    LISTENER_METRICS, /* any address: /metrics, /healthz and /readyz, nothing secret, no check */
    LISTENERS
};

/* "socket", "http", "imds", "metrics" */
const char *listener_name(enum listener listener);

#endif
