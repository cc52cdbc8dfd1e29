/* One fetch of credentials from a source: token, requests, answers, verdict. The sidecar lets its event loop
 * drive it, init waits for it. */
#ifndef POD_IDENTITY_SOURCE_FETCH_H
#define POD_IDENTITY_SOURCE_FETCH_H

#include "common/http/http.h"
#include "common/source/source.h"

/* An association can be some seconds old before EKS Auth knows it: a denial is believed, by those who do not
 * wait for ever, once it has been the answer for so long. */
#define FETCH_DENIED_FOR_MS 5000

#define FETCH_REQUEST_MIN_MS 1000 /* a request near the end of a bounded fetch gets so long all the same */

struct fetch_outcome {
    enum reason reason;                    /* REASON_OK: credentials are valid */
    const struct credentials *credentials; /* copied by whoever keeps them; wiped after the callback */
    int64_t ends_wall_ms;                  /* when those end, by this machine's clock: see source.h */
    const struct failure *failure;
    bool answered;      /* the last request: something came back from the server, whatever it was */
    int64_t elapsed_ms; /* of all requests together */
    int64_t date_s;     /* the last server's clock, 0 if unknown */
    /* For verdict.h. */
    unsigned reached;    /* how far it came: the hop, and how far with that */
    int64_t silent_ms;   /* how long the last request took if its time was over before an answer; else 0 */
    int64_t patience_ms; /* the source's own limit for that, whatever bounded it this time */
};
typedef void fetch_done(void *context, const struct fetch_outcome *outcome);

/* Zero it once. */
struct fetch {
    /* These two may be set before a start; all else is private. */
    int64_t connect_timeout_ms; /* to servers on this node; 0: the source's own */
    bool keep_result;           /* leave the credentials in the source for more than the callback */
    struct source *source;
    int64_t timeout_ms, started_ms;
    int64_t own_connect_ms, own_total_ms; /* of the last request, before they were bounded */
    struct failure failure;
    fetch_done *done;
    void *context;
    struct http_transfer transfer; /* last: what is not used of it takes no memory */
};

/* Begins a fetch; `done` is called exactly once, perhaps before this returns (when the token cannot be read).
 * timeout_ms bounds the whole fetch, 0 for the requests' own limits. One fetch at a time for each struct. */
void fetch_start(struct fetch *fetch, struct source *source, int64_t timeout_ms, fetch_done *done,
                 void *context);

/* Without an event loop: until `done` has been called. */
void fetch_wait(struct fetch *fetch);

/* Ends it without a call to `done`. Harmless if nothing is under way. */
void fetch_cancel(struct fetch *fetch);

#endif
