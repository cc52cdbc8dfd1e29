/* The parts of a pod that matter here, where they lie. No I/O, no storage of its own. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_POD_H
#define POD_IDENTITY_AGENT_WEBHOOK_POD_H

#include <stdbool.h>

#include "agent/json_scan.h"
#include "common/base/buf.h"

#define POD_NAMESPACE_MAX 64 /* a DNS label has 63 */
#define POD_NAME_MAX 254     /* a DNS subdomain has 253 */

#define POD_CONTAINERS_MAX 1000 /* of a list; more are not looked at */

enum pod_list { POD_INIT_CONTAINERS, POD_CONTAINERS, POD_LISTS };
extern const char *const pod_list_names[POD_LISTS]; /* in the order in which they start */

struct pod {
    struct json_span metadata, labels, annotations, spec, volumes, security, fs_group;
    struct json_span lists[POD_LISTS];
    char namespace[POD_NAMESPACE_MAX];  /* "" if the pod says none */
    char service_account[POD_NAME_MAX]; /* "default" if it says none */
    char name[POD_NAME_MAX];            /* or generateName; for the log, "" if neither is there */
    bool host_network, windows, mirror;
    bool too_many; /* containers: more than POD_CONTAINERS_MAX */
    bool ends;     /* a pod of a Job, or one that is not restarted always */
};

/* False, with problem in words that stand alone ("spec.containers[0].env is not an array"): it is no pod.
 * text has been checked (json_check.h). */
bool pod_read(struct json_span object, struct pod *out, struct buf *problem);

struct container {
    struct json_span whole, name, env, mounts;
};
/* The next container of a list; *position is 0 at first. */
bool pod_next(struct json_span list, size_t *position, struct container *out);
/* As one that is given by itself. NULL, or the member that is of another kind. */
const char *container_read(struct json_span whole, struct container *out);

/* Whether an element of the list has that text as its member `member`. */
bool list_has(struct json_span list, const char *member, const char *text);

/* The names of all containers, for messages: "a, b". */
void pod_names(const struct pod *pod, struct buf *out);

#endif
