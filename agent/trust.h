/* Where associations say what a pod gets: whether a token is believed, which role it leads to, and what a pod
 * is told otherwise. Brings together keys.h, associations.h and exchange_sts.h. */
#ifndef POD_IDENTITY_AGENT_TRUST_H
#define POD_IDENTITY_AGENT_TRUST_H

#include "agent/associations.h"
#include "agent/exchange.h"
#include "agent/keys.h"
#include "agent/settings.h"

/* After loop_open() and upstream_open(), before the sandbox. Begins to read associations and keys. settings
 * and lookup are borrowed. changed: associations or keys are others, or were read in vain. */
enum reason trust_open(const struct settings *settings, injection_getenv *lookup, void (*changed)(void),
                       struct failure *failure);

/* Whether there are keys, and all associations have been read once. */
bool trust_ready(void);
/* Appends a line for each of the two that is missing: "not ready: …". */
void trust_explain(struct buf *out);

/* What the sandbox has to let be read: a file that is replaced beside itself, or NULL; and whether
 * API_SERVER_FOLDER, too. */
const char *trust_file(void);
bool trust_needs_server(void);

enum trust { TRUST_YES, TRUST_NO, TRUST_WAITS /* keys are being read: ask again after `changed` */ };

struct trusted {
    struct token_judgement
        token; /* token.claims: of TRUST_YES, and of a TRUST_NO for want of an association */
    struct association association; /* of TRUST_YES; its text is valid until `changed` */
    struct exchange_error error;    /* of TRUST_NO */
};
enum trust trust_judge(const char *token, size_t len, struct moment now, struct trusted *out);

#endif
