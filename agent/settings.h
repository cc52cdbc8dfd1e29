/* What the agent was told to do: filled in by flags.c, read by everybody. */
#ifndef POD_IDENTITY_AGENT_SETTINGS_H
#define POD_IDENTITY_AGENT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/log.h"
#include "common/sandbox/sandbox.h"

#define FLAGS_HOSTS_MAX 8        /* that are listened on: two families, and what somebody adds */
#define FLAGS_ISSUERS_MAX 4      /* CLAIMS_ISSUERS_MAX */
#define FLAGS_ASSOCIATIONS_MAX 8 /* folders or ConfigMaps */
#define FLAGS_TEXT_MAX 8192      /* of what is cut out of longer values */

#define FLAGS_CACHE_SIZE_MAX 8192                  /* entries; STORE_ENTRIES_MAX */
#define FLAGS_CACHE_BYTES_MIN (1024 * 1024)        /* a token of 64 KiB and its answer, many times */
#define FLAGS_CACHE_BYTES_MAX (64LL * 1024 * 1024) /* STORE_BYTES_MAX */
#define FLAGS_CONCURRENCY_MAX 32                   /* EXCHANGE_SLOTS_MAX */
#define FLAGS_QPS_USUAL 3                          /* also what 0 and below mean */
#define FLAGS_QPS_MAX 1000

enum flags_command { COMMAND_SERVER, COMMAND_INITIALIZE, COMMAND_PROBE, COMMAND_VERSION };
enum flags_exchange { FLAGS_WEB_IDENTITY, FLAGS_ASSUME_ROLE };

/* A numeric address to listen on. */
struct flags_host {
    char text[48]; /* as it stands in a URL: IPv6 in brackets */
    bool ipv6;
    unsigned char address[16]; /* network order; IPv4 uses the first four */
};

/* All texts are borrowed from argv and the environment, or lie in `text`; NULL: not given. */
struct settings {
    enum flags_command command;

    /* The real agent's. */
    const char *cluster_name;                /* never NULL for COMMAND_SERVER */
    uint16_t port, probe_port, metrics_port; /* probe and metrics: 0 is off */
    struct flags_host hosts[FLAGS_HOSTS_MAX];
    size_t host_count;
    struct flags_host metrics_host;
    int64_t retention_ms; /* 0: nothing is cached */
    size_t cache_size;    /* 0: nothing is cached */
    unsigned service_qps;
    bool rotate_credentials;
    const char *endpoint; /* of EKS Auth; NULL: by region and environment */

    /* Ours. */
    const char *associations[FLAGS_ASSOCIATIONS_MAX]; /* absolute folders, or "configmap:NAMESPACE/NAME" */
    size_t association_count;                         /* 0: EKS Auth is asked */
    enum flags_exchange exchange;                     /* a ceiling */
    const char *issuers[FLAGS_ISSUERS_MAX];
    size_t issuer_count;
    const char *audience;   /* never NULL */
    const char *jwks;       /* an absolute path */
    const char *api_server; /* https://HOST[:PORT] */
    bool token_review;
    const char *region, *cluster_arn, *sts_endpoint, *ca_bundle;
    size_t max_concurrency;
    size_t cache_bytes;
    bool pass_expired;
    const char *remove_startup_taint; /* the taint's key */
    enum sandbox_mode sandbox;
    enum log_level log_level;
    enum log_format log_format;

    /* Private. */
    bool hosts_given, level_given, stray_told;
    size_t text_used;
    char text[FLAGS_TEXT_MAX];
};

#endif
