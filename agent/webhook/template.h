/* What the toolkit's injection adds to a pod: a JSON file, read strictly. No I/O. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_TEMPLATE_H
#define POD_IDENTITY_AGENT_WEBHOOK_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/json_scan.h"
#include "common/base/buf.h"

#define TEMPLATE_MAX 32768    /* bytes; ours has 3,000 */
#define TEMPLATE_LIST_MAX 16  /* volumes, variables or mounts; ours has three at most */
#define TEMPLATE_NAME_MAX 64  /* of containers and volumes: DNS labels have 63 */
#define TEMPLATE_TEXT_MAX 256 /* of a variable's name, or a mount's path */
#define TEMPLATE_PROBLEM_MAX 512

struct template_item {
    struct json_span whole;
    char text[TEMPLATE_TEXT_MAX]; /* a volume's name, a variable's name, a mount's path */
};

struct template_container {
    struct json_span whole; /* len is 0: there is none */
    char name[TEMPLATE_NAME_MAX];
};

struct template {
    char text[TEMPLATE_MAX]; /* all spans lie in it: it is not copied */
    size_t len;
    bool native; /* the sidecar is an init container that goes on (Kubernetes 1.29 or later) */
    struct json_span fs_group;
    struct template_container init, sidecar;
    struct template_item volumes[TEMPLATE_LIST_MAX], env[TEMPLATE_LIST_MAX], mounts[TEMPLATE_LIST_MAX];
    size_t volume_count, env_count, mount_count;
};

/* Reads out->text, of out->len bytes. False, with problem: "line 7: app.volumeMounts[0].name is …". */
bool template_read(struct template *out, struct buf *problem);

#endif
