/* What the webhook was told to do: filled in by command_line.c, read by everybody. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_SETTINGS_H
#define POD_IDENTITY_AGENT_WEBHOOK_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/association.h"
#include "common/base/log.h"
#include "common/base/options.h"
#include "common/sandbox/sandbox.h"

#define WEBHOOK_AUDIENCE_MAX 256
#define WEBHOOK_REGION_MAX 64
#define WEBHOOK_URI_MAX 1024

enum webhook_command { WEBHOOK_SERVE, WEBHOOK_CHECK, WEBHOOK_REVIEW, WEBHOOK_VERSION };

struct webhook_address {
    char text[64]; /* "": off */
    bool ipv6;
    unsigned char address[16];
    uint16_t port;
};

struct webhook_settings {
    enum webhook_command command;
    struct webhook_address https, metrics;
    option_path certificate, key, client_ca; /* client_ca is "" if it is off */
    option_path template;                    /* "": no toolkit */
    option_path associations[ASSOCIATIONS_SOURCES_MAX];
    size_t association_count; /* 0: no identity */
    char audience[WEBHOOK_AUDIENCE_MAX], uri[WEBHOOK_URI_MAX], region[WEBHOOK_REGION_MAX];
    int64_t token_expiration_s;
    bool refuse_problem, refuse_large, namespace_wide;
    int64_t linger_ms;
    enum sandbox_mode sandbox;
    enum log_level log_level;
    enum log_format log_format;
};

#endif
