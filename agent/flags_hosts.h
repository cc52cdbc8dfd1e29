/* Addresses to listen on. */
#ifndef POD_IDENTITY_AGENT_FLAGS_HOSTS_H
#define POD_IDENTITY_AGENT_FLAGS_HOSTS_H

#include "agent/settings.h"
#include "common/base/options.h"

#define FLAGS_HOST_V4 "169.254.170.23"
#define FLAGS_HOST_V6 "[fd00:ec2::23]"

/* The place: all of the settings, which get one or several with commas between; one struct flags_host. */
option_take flags_take_hosts, flags_take_metrics_host;

/* One more address to listen on; false with the problem. */
bool flags_add_host(struct settings *settings, const char *value, size_t len, struct buf *problem);
bool flags_same_host(const struct flags_host *a, const struct flags_host *b);

#endif
