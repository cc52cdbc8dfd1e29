/* What the EKS Pod Identity webhook gives a pod of an associated service account: variables, token, label.
 * The rules are those of its version 0.6. No I/O. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_IDENTITY_H
#define POD_IDENTITY_AGENT_WEBHOOK_IDENTITY_H

#include <stdint.h>

#include "agent/webhook/names.h"
#include "agent/webhook/notes.h"
#include "agent/webhook/patch.h"
#include "agent/webhook/pod.h"
#include "agent/webhook/variables.h"

#define IDENTITY_VOLUME "eks-pod-identity-token"
#define IDENTITY_FOLDER "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
#define IDENTITY_EXPIRATION_S 86400      /* of a token; if it is exactly this… */
#define IDENTITY_EXPIRATION_FROM_S 79200 /* …one from here to there is drawn */
#define IDENTITY_EXPIRATION_MIN_S 600    /* Kubernetes' own */

struct identity {
    const char *audience, *uri;
    const char *region; /* "": no variables of it */
    int64_t expiration_s;
};

struct identity_plan {
    const struct identity *settings;
    int64_t expiration_s;
    struct names skipped;
};

/* Whether the pod asks to be left alone: by the label that the EKS webhook knows. */
bool identity_declined(const struct pod *pod);

/* skip-containers, as the pod's annotation has it: for both injections. Then what is odd in it is told, if
 * the pod gets any. */
enum err identity_skipped(const struct pod *pod, struct names *out);
void identity_tell_skipped(const struct pod *pod, const struct names *names, enum err e, struct notes *notes);

/* skipped is set. random: any number, another each time. */
void identity_plan(const struct identity *settings, const struct pod *pod, uint64_t random,
                   struct identity_plan *plan, struct notes *notes);

/* Of one container; v says what it has, with what was added before. */
void identity_env(const struct identity_plan *plan, const struct container *c, const struct variables *v,
                  struct additions *env);
void identity_mounts(const struct identity_plan *plan, const struct container *c, const struct variables *v,
                     struct additions *mounts);
/* Volume and label. */
void identity_volume(const struct identity_plan *plan, const struct pod *pod, struct additions *volumes);
void identity_label(const struct pod *pod, struct patch *patch); /* the pod has metadata by then */

#endif
