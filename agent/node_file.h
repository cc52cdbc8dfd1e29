/* One profile of the shared credentials file, read anew only when the file is another than the last time. */
#ifndef POD_IDENTITY_AGENT_NODE_FILE_H
#define POD_IDENTITY_AGENT_NODE_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "common/base/failure.h"
#include "common/pod/credentials.h"
#include "common/pod/injection.h"
#include "common/text/ini.h"

#define NODE_FILE_MAX 65536 /* bytes of the file: a node's has one profile, of 2 kB */
#define NODE_FILE_PATH_MAX 4096

/* Zero it; large, so static. */
struct node_file {
    char path[NODE_FILE_PATH_MAX];
    char profile[INI_PROFILE_MAX];
    struct stat seen; /* of the file whose content was taken */
    bool taken;
};

/* Where it is: AWS_SHARED_CREDENTIALS_FILE, else .aws/credentials in HOME. False if none can be named. */
bool node_file_find(struct node_file *file, injection_getenv *lookup);

/* Reads the profile if the file has changed since it was last taken. *changed: *out was filled in (it never
 * ends). On a failure *out is as it was: REASON_SETTING_INVALID, with owner and mode where those are why. */
enum reason node_file_read(struct node_file *file, struct credentials *out, bool *changed,
                           struct failure *failure);

#endif
