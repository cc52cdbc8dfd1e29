/* The agent's own credentials, with which it signs: from the environment, a web identity, the shared
 * credentials file or the node's metadata service, in this order, never from AWS_CONTAINER_…; and the region.
 *
 * One set for the process, which the event loop keeps fresh: what is still valid is kept whatever fails. */
#ifndef POD_IDENTITY_AGENT_NODE_H
#define POD_IDENTITY_AGENT_NODE_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/settings.h"
#include "common/base/failure.h"
#include "common/pod/credentials.h"
#include "common/pod/injection.h"

/* Something may have changed for those who wait: credentials are there, or an attempt has failed. */
typedef void node_changed(void);

/* Decides where from, and begins the first fetch. After loop_open() and upstream_open(), and before the
 * sandbox: node_file_folder() and node_file_owner() say what that has to allow. settings and lookup are
 * borrowed. A failure is permanent: half a pair of variables, an endpoint that is none. */
enum reason node_open(const struct settings *settings, injection_getenv *lookup, node_changed *changed,
                      struct failure *failure);
void node_close(void);

/* The credentials to sign with, valid now, with the region known; borrowed until the next call or event.
 * NULL: there are none. Then *why says what the last attempt met, or is NULL while the first one is under
 * way: ask again when `changed` was called. */
const struct credentials *node_credentials(const struct failure **why);

/* Of --region, AWS_REGION, AWS_DEFAULT_REGION, or the metadata service; "" as long as it is not known. */
const char *node_region(void);

/* AWS has refused the credentials themselves (not what they may do): they are fetched anew, not more often
 * than the back-off has it, and used all the same until then. Whether there are others already: a file that
 * was read while it was being written is whole by now. */
bool node_refused(void);

/* The wall clock was set, or the machine slept. */
void node_clock_jumped(void);

/* "environment", "web-identity", "shared-file", "imds". */
const char *node_kind(void);
/* When they end, wall time; 0: there are none; CLOCK_NEVER. For metrics. */
int64_t node_expires_ms(void);

/* Of the shared credentials file: the folder that must stay readable, and whose file it is (or, if there is
 * none yet, whose folder); NULL and false if that is not where they come from. Who reads it must be its owner
 * where its mode lets nobody else. */
const char *node_file_folder(void);
bool node_file_owner(uid_t *uid, gid_t *gid);
/* Other files that are read again later: the web identity's token. NULL: none. */
const char *node_token_file(void);

#endif
