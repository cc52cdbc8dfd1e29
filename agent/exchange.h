/* One fetch of a pod's credentials: what is asked of whom, what came of it, and in which words a pod is told.
 *
 * A slot holds all that a fetch needs while it is under way; entries of the store hold nothing of it. The
 * event loop drives it. Who is asked is a method of its own: EKS Auth (exchange_eks_auth), or STS for an
 * association (exchange_sts, in exchange_sts.h). */
#ifndef POD_IDENTITY_AGENT_EXCHANGE_H
#define POD_IDENTITY_AGENT_EXCHANGE_H

#include "common/aws/aws_call.h"
#include "common/base/clock.h"
#include "common/base/failure.h"
#include "common/http/http.h"
#include "common/pod/credentials.h"
#include "common/pod/jwt.h"
#include "common/pod/token_file.h"

#define EXCHANGE_SLOTS_MAX 32 /* that --max-concurrency can ask for */
#define EXCHANGE_TEXT_MAX 1280
#define EXCHANGE_CODE_MAX 64
#define EXCHANGE_BUDGET_MS 18000 /* of a fetch with all its attempts: callers wait 20 s */
#define EXCHANGE_ATTEMPTS 3
#define EXCHANGE_ATTEMPT_MIN_MS                                                                              \
    1000 /* an attempt with less time left is not begun, or gets that all the same */

struct association; /* agent/associations.h */

/* Whom a failure is about. */
enum exchange_blame {
    EXCHANGE_WAY,  /* nobody answered, or nobody who knows: try again; what is valid is kept */
    EXCHANGE_NODE, /* the node's credentials, the cluster's name: what is valid is kept */
    EXCHANGE_POD /* this pod gets nothing: no association, a role that does not trust it, a token that is not
                    taken. Ends the pod's entry */
};

/* The answer to the pod, in the real agent's words. */
struct exchange_error {
    enum exchange_blame blame;
    int status;                   /* 400 and above */
    int64_t retry_after_ms;       /* what upstream asked for, or 0 */
    bool passing;                 /* another attempt at once may help: no answer, 429, 5xx */
    char code[EXCHANGE_CODE_MAX]; /* "ResourceNotFoundException"; "" if there was no answer that could be read
                                   */
    char text[EXCHANGE_TEXT_MAX]; /* "[REQUEST-ID]: (CODE): MESSAGE, fault: client", without the newline */
};

enum exchange_step {
    EXCHANGE_SEND,  /* send *out, and bring the answer to the method's answer() */
    EXCHANGE_WAIT,  /* something is not there yet (credentials of the node): begin() again after
                       exchange_poke() */
    EXCHANGE_DONE,  /* slot->credentials and slot->ends_wall_ms are set */
    EXCHANGE_FAILED /* slot->error is set, and slot->failure for the log */
};

struct exchange;

/* A method is free of I/O. Both functions fill in slot->error and slot->failure if they fail; out is good
 * until the request was started, and may be made of exchange_call, which is wiped then. begin() is called
 * anew for each attempt, within one slot->started_ms. */
struct exchange_method {
    enum exchange_step (*begin)(struct exchange *slot, struct moment now, struct http_request *out);
    enum exchange_step (*answer)(struct exchange *slot, const struct http_response *response,
                                 struct moment now, struct http_request *out);
    void (*wipe)(struct exchange *slot); /* whatever it keeps of that slot's number; NULL: nothing */
};

/* Called once for each exchange_start(), not after exchange_cancel(). error NULL: slot->credentials are good.
 * All of the slot is wiped behind it. */
typedef void exchange_done(struct exchange *slot, const struct exchange_error *error);

struct exchange {
    size_t number; /* of the slot, below EXCHANGE_SLOTS_MAX: a method may keep an array of what it needs
                      itself */
    bool busy;
    void *context; /* of the caller */
    /* What is asked with. The caller fills in token and claims; association is valid in the first begin()
     * only. */
    struct token token;
    struct jwt_claims claims;
    const struct association *association;
    /* What came of it. */
    struct credentials credentials;
    int64_t ends_wall_ms; /* by this machine's clock; never later than credentials.expires_ms */
    struct exchange_error error;
    struct failure failure;
    /* The driver's own. */
    const struct exchange_method *method;
    exchange_done *done;
    bool waiting, first; /* first: no attempt was made before (association is valid) */
    unsigned attempts;
    unsigned sent; /* requests of this attempt */
    unsigned told; /* which request of its attempt error is the answer to; 0: of none */
    int64_t started_ms, again_ms;
    int64_t own_ms;                /* the last request's limit, before the budget cut it */
    struct http_transfer transfer; /* last: what is not used of it takes no memory */
};

/* The method that asks STS for slot->association, which is valid in the first begin() only (slot->first): it
 * copies what it needs. Claims are verified then. Defined in exchange_sts.c, with settings of its own. */
extern const struct exchange_method exchange_sts;

/* One for all slots: what a request is made of until it is started. */
extern struct aws_call exchange_call;

/* count: at most EXCHANGE_SLOTS_MAX. After loop_open(). */
void exchange_open(size_t count, exchange_done *done);
/* A slot that is free, or NULL. The caller fills in token, claims, association and context, and
 * starts it. */
struct exchange *exchange_take(void);
size_t exchange_count(void); /* slots that are taken */
/* done may be called before this returns. */
void exchange_start(struct exchange *slot, const struct exchange_method *method);
/* Ends it without a call to done. */
void exchange_cancel(struct exchange *slot);
void exchange_close(void);
/* What EXCHANGE_WAIT waits for has come, or failed. */
void exchange_poke(void);

/* Sets slot->error: "[ID]: (CODE): MESSAGE, fault: FAULT" (fault: "client", "server", "unknown"). */
void exchange_fail(struct exchange *slot, enum exchange_blame blame, int status, const char *request_id,
                   const char *code, const char *message, const char *fault);
/* What stands in the brackets of those errors that have no id of a request: where the associations are, so
 * that who reads one knows that this is not EKS. Borrowed; at most EXCHANGE_SOURCE_MAX characters, no blank
 * and no bracket: see common/pod/agent_error.h. */
#define EXCHANGE_SOURCE_MAX 120
void exchange_source(const char *name);
/* The same without a slot. */
void exchange_error_say(struct exchange_error *error, enum exchange_blame blame, int status,
                        const char *request_id, const char *code, const char *message, const char *fault);
/* For an exchange that did not take place: these words, which may be none, and slot->failure's message, with
 * status 500. */
#define EXCHANGE_WORDS_MAX 160
void exchange_fail_silent(struct exchange *slot, enum exchange_blame blame, bool passing, const char *words);

#endif
