/* One fetch of credentials from a source: token, request, answer, verdict. The sidecar lets its event loop
 * drive it, init waits for it. */
#ifndef POD_IDENTITY_FETCH_H
#define POD_IDENTITY_FETCH_H

#include "common/http.h"
#include "common/source.h"

/* An association can be some seconds old before EKS Auth knows it: a denial is believed, by those who do not
 * wait for ever, once it has been the answer for so long. */
#define FETCH_DENIED_FOR_MS 5000

struct fetch_outcome {
    enum reason reason;                    /* REASON_OK: credentials are valid */
    const struct credentials *credentials; /* copied by whoever keeps them; wiped after the callback */
    const struct failure *failure;
    bool answered; /* something came back from the server, whatever it was */
    int64_t elapsed_ms;
    int64_t date_s; /* the server's clock, 0 if unknown */
};
typedef void fetch_done(void *context, const struct fetch_outcome *outcome);

/* Zero it once. */
struct fetch {
    int64_t connect_timeout_ms; /* may be set before a start; 0: the source's own. All else is private. */
    struct source *source;
    struct http_transfer transfer;
    struct credentials credentials;
    struct failure failure;
    fetch_done *done;
    void *context;
};

/* Begins a fetch; `done` is called exactly once, perhaps before this returns (when the token cannot be read).
 * timeout_ms bounds the whole request, 0 for the source's own limit. One fetch at a time for each struct. */
void fetch_start(struct fetch *fetch, struct source *source, int64_t timeout_ms, fetch_done *done,
                 void *context);

/* Without an event loop: until `done` has been called. */
void fetch_wait(struct fetch *fetch);

/* Ends it without a call to `done`. Harmless if nothing is under way. */
void fetch_cancel(struct fetch *fetch);

#endif
