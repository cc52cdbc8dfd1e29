/* --remove-startup-taint: takes a taint away from this node when the agent is ready, so that pods come to a
 * fresh node only then. The node is read, and each taint of that key is removed by a JSON patch that tests
 * what it removes: what somebody else changes meanwhile stays. Done once; what fails is tried again. */
#ifndef POD_IDENTITY_AGENT_STARTUP_TAINT_H
#define POD_IDENTITY_AGENT_STARTUP_TAINT_H

#include "agent/settings.h"
#include "common/base/failure.h"
#include "common/pod/injection.h"

/* After loop_open() and upstream_open(), before the sandbox, which has to let API_SERVER_FOLDER be read.
 * NODE_NAME says which node. settings are borrowed. REASON_SETTING_INVALID: no name, or no API server. */
enum reason startup_taint_open(const struct settings *settings, injection_getenv *lookup,
                               struct failure *failure);

#endif
