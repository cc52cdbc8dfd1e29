/* What each flag takes: judges a value, and puts it into its place. Reasons fit behind "--name=value: ". */
#ifndef POD_IDENTITY_AGENT_FLAGS_TAKE_H
#define POD_IDENTITY_AGENT_FLAGS_TAKE_H

#include "common/base/options.h"

/* Into one member. */
option_take flags_take_text, flags_take_cluster, flags_take_path, flags_take_region, flags_take_url,
    flags_take_api_server, flags_take_cluster_arn, flags_take_taint, flags_take_port, flags_take_port_or_off,
    flags_take_retention, flags_take_cache_size, flags_take_qps, flags_take_concurrency,
    flags_take_cache_bytes, flags_take_bool, flags_take_expired, flags_take_exchange;
/* Into several: the place is the whole of the settings. */
option_take flags_take_issuer, flags_take_associations, flags_take_verbosity, flags_take_log_level;

#endif
