/* What a pod wishes of the toolkit otherwise than the template has it: annotations pod-identity-toolkit/…. No
 * I/O. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_TOOLKIT_WISHES_H
#define POD_IDENTITY_AGENT_WEBHOOK_TOOLKIT_WISHES_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/webhook/names.h"
#include "agent/webhook/pod.h"
#include "agent/webhook/template.h"

#define TOOLKIT_PREFIX "pod-identity-toolkit/"
#define TOOLKIT_WAIT_MAX 32
#define TOOLKIT_PROFILE_MAX 128 /* as the sidecar's configuration has it */

struct toolkit_wishes {
    bool listed; /* `containers` are those that get the endpoint */
    struct names containers;
    uint16_t port;                                                 /* 0: the template's */
    char wait[TOOLKIT_WAIT_MAX], profile[TOOLKIT_PROFILE_MAX + 1]; /* "": the template's */
};

/* False, with why: one cannot be. */
bool toolkit_wishes_read(const struct template *template, const struct pod *pod, struct toolkit_wishes *out,
                         struct buf *why);

/* Where the port stands in a string in JSON that begins so: `"--http=127.0.0.1:9911"`,
 * `"http://127.0.0.1:9911/…"`. */
bool toolkit_port_at(struct json_span string, const char *begin, size_t *from, size_t *to);

#endif
