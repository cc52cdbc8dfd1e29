/* What --sandbox takes: enum sandbox_mode. */
#ifndef POD_IDENTITY_SANDBOX_SANDBOX_OPTION_H
#define POD_IDENTITY_SANDBOX_SANDBOX_OPTION_H

#include "common/base/options.h"
#include "common/sandbox/sandbox.h"

option_take sandbox_take_mode;

#endif
