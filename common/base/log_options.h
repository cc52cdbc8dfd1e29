/* What --log-level and --log-format take: enum log_level and enum log_format. */
#ifndef POD_IDENTITY_BASE_LOG_OPTIONS_H
#define POD_IDENTITY_BASE_LOG_OPTIONS_H

#include "common/base/log.h"
#include "common/base/options.h"

option_take log_take_level, log_take_format;

#endif
