/* What is being asked upstream, and who waits for it: one flight for each key, however many callers.
 *
 * The key is the pod where the token is trusted, and else the token with the address that sent it, so that
 * nobody joins or ends what is another's. At most --max-concurrency flights are under way; the others stand
 * in a queue, from which one of each client goes in turn, however many it has there. */
#ifndef POD_IDENTITY_AGENT_FLIGHTS_H
#define POD_IDENTITY_AGENT_FLIGHTS_H

#include "agent/client.h"
#include "agent/exchange.h"
#include "agent/store.h"
#include "common/serve/connections.h"

#define FLIGHTS_MAX 1088 /* as many as connections that wait, and renewals */

/* Tokens of EKS and of clusters have 1 to 2 KiB. What is much larger is taken, but memory for it is bounded
 * in all, and one is under way at a time: it has several copies then. Others do not wait for them. */
#define FLIGHTS_LARGE 8192              /* bytes of a token… */
#define FLIGHTS_LARGE_KEPT (256 * 1024) /* …and of all such that wait */
#define FLIGHTS_LARGE_UNDER_WAY 1

enum flight_state {
    FLIGHT_FREE,
    FLIGHT_JUDGING, /* its token cannot be judged yet: keys are being read */
    FLIGHT_QUEUED,
    FLIGHT_UNDER_WAY,
    FLIGHT_ENDING /* its answer is handed out */
};

struct flight {
    enum flight_state state;
    bool trusted; /* key is a pod's, and else a token's */
    bool renewal; /* nobody waited when it began */
    bool large;   /* its token */
    struct keyed_hash key;
    struct client_address client; /* who asked first */
    struct store_token token;     /* that is sent */

    /* Private. */
    struct store_text text; /* of the token, until it is under way; else that of the entry of that key */
    struct client *payer;   /* for the text; its turns are used up */
    uint64_t turn;          /* in the queue */
    struct exchange *slot;
    struct connection *first, *last; /* that wait */
    struct flight *next;             /* in the queue */
};

/* A flight has ended; error NULL: slot->credentials are good. Returns the answer to all that wait; it may be
 * that of an entry of flight->key. */
typedef const struct answer *flights_outcome(struct flight *flight, struct exchange *slot,
                                             const struct exchange_error *error);
/* Fills in what the exchange needs beside the token, and names the method. NULL: *answer is the answer now.
 */
typedef const struct exchange_method *flights_prepare(struct flight *flight, struct exchange *slot,
                                                      const struct answer **answer);

struct flights_owner {
    flights_prepare *prepare;
    flights_outcome *outcome;
    void (*freed)(void); /* a slot is free, and nobody is queued */
};
/* After loop_open(). slots: --max-concurrency. */
void flights_open(const struct flights_owner *owner, size_t slots);
void flights_close(void);

/* What a connection waits for. */
struct flights_wish {
    struct keyed_hash key;
    bool trusted;
    const struct client_address *address;
    struct client *client;
    struct store_token token;
    const char *text; /* of the token, copied; NULL: the entry of that key has it */
    size_t text_len;
    bool judging; /* begins in FLIGHT_JUDGING */
};
/* The connection waits from now on; pick() is to return NULL. Nothing begins before pick() has returned.
 * False: too many wait already, of this client or in all. */
bool flights_join(struct connection *connection, const struct flights_wish *wish);
/* See server.h. */
void flights_gone(struct connection *connection);

/* Whether a renewal can begin: a slot is free, nobody is queued, and renewals have not more than half of the
 * slots. */
bool flights_free_for_renewal(void);
/* Asks anew for that entry, with its last token. A flight of that pod which is there already does. */
void flights_renew(const struct store_entry *entry);

/* Calls judge() for each flight in FLIGHT_JUDGING: true, it is queued; else *answer ends it, or NULL: it goes
 * on. judge() may say flights_trust(). */
typedef bool flights_judge(struct flight *flight, const char *token, size_t len,
                           const struct answer **answer);
void flights_judge_all(flights_judge *judge);
/* A judged flight is a pod's from now on; another flight of that pod takes over those that wait, and this
 * one is to be queued all the same. */
void flights_trust(struct flight *flight, const struct keyed_hash *pod);

size_t flights_waiting(void); /* connections */
size_t flights_queued(void);
size_t flights_under_way(void);

#endif
