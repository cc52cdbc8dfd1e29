/* Whether a pod gets init and sidecar, and what its own containers get then. No I/O. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_TOOLKIT_H
#define POD_IDENTITY_AGENT_WEBHOOK_TOOLKIT_H

#include <stdint.h>

#include "agent/webhook/names.h"
#include "agent/webhook/notes.h"
#include "agent/webhook/patch.h"
#include "agent/webhook/pod.h"
#include "agent/webhook/template.h"
#include "agent/webhook/toolkit_wishes.h"
#include "agent/webhook/variables.h"

#define TOOLKIT_WHY_MAX 640

enum toolkit_verdict {
    TOOLKIT_NOT_ASKED,
    TOOLKIT_THERE, /* by us, by the policies, or by hand: nothing is to do */
    TOOLKIT_INJECT,
    TOOLKIT_CANNOT
};

struct toolkit_plan {
    const struct template *template;
    const struct names *skipped; /* they get nothing, unless the pod lists those that do */
    struct toolkit_wishes wishes;
    bool labelled; /* the pod itself asks */
};

/* always: pods that do not decline are asked for. why: of TOOLKIT_CANNOT, what was found, where, and what to
 * do. plan keeps template and skipped. */
enum toolkit_verdict toolkit_plan(const struct template *template, const struct pod *pod, bool always,
                                  const struct names *skipped, struct toolkit_plan *plan, struct notes *notes,
                                  struct buf *why);

/* Of one container of the pod; v is brought up to date with what is added. */
void toolkit_env(const struct toolkit_plan *plan, const struct container *c, struct variables *v,
                 struct additions *env);
/* v: as it was before. */
void toolkit_mounts(const struct toolkit_plan *plan, const struct container *c, const struct variables *v,
                    struct additions *mounts);

/* The members of a container of the template but for env and volumeMounts, without braces. */
void toolkit_members(const struct toolkit_plan *plan, const struct template_container *c, struct buf *out);
void toolkit_volumes(const struct toolkit_plan *plan, struct additions *volumes);
/* The pod has metadata by then. */
void toolkit_default_container(const struct toolkit_plan *plan, const struct pod *pod, struct patch *patch);
void toolkit_fs_group(const struct toolkit_plan *plan, const struct pod *pod, struct patch *patch);

#endif
