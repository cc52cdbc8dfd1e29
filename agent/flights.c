#include "agent/flights.h"

#include <string.h>

#include "agent/replies.h"
#include "common/base/far.h"
#include "common/base/wipe.h"
#include "common/serve/loop.h"
#include "common/serve/server.h"

FAR static struct flight flights[FLIGHTS_MAX];
static size_t high, waiting, queued, under_way, renewals, slot_count;
static size_t large_kept, large_under_way;
static struct flight *queue_head, **queue_tail = &queue_head;
static uint64_t turn; /* of the last that began */
static const struct flights_owner *owner;
static struct loop_timer kick = {.deadline_ms = CLOCK_NEVER};

/* ---- the table ---- */

/* The address first: whoever comes behind a crowd of others pays little for it. */
static bool is(const struct flight *f, const struct keyed_hash *key, bool trusted,
               const struct client_address *client) {
    return f->state != FLIGHT_FREE && f->state != FLIGHT_ENDING && f->trusted == trusted &&
           (trusted || memcmp(&f->client, client, sizeof *client) == 0) && keyed_hash_equal(&f->key, key);
}

static struct flight *find(const struct keyed_hash *key, bool trusted, const struct client_address *client) {
    for (size_t i = 0; i < high; i++) {
        if (is(&flights[i], key, trusted, client))
            return &flights[i];
    }
    return NULL;
}

static struct flight *take(void) {
    for (size_t i = 0; i < FLIGHTS_MAX; i++) {
        if (flights[i].state == FLIGHT_FREE) {
            if (i >= high)
                high = i + 1;
            return &flights[i];
        }
    }
    return NULL;
}

static void give_back_text(struct flight *f) {
    if (f->text.first == 0)
        return;
    f->payer->kept -= f->text.len;
    large_kept -= f->large ? f->text.len : 0;
    store_give_back(&f->text);
}

static void enqueue(struct flight *f) {
    f->state = FLIGHT_QUEUED;
    f->turn = f->payer->next_turn > turn ? f->payer->next_turn : turn;
    f->payer->next_turn = f->turn + 1;
    f->next = NULL;
    *queue_tail = f;
    queue_tail = &f->next;
    queued++;
    kick.deadline_ms = loop_now().mono_ms;
}

static void unqueue(const struct flight *f) {
    struct flight **link = &queue_head;
    while (*link != f)
        link = &(*link)->next;
    *link = f->next;
    if (queue_tail == &f->next)
        queue_tail = link;
    queued--;
}

static void leave_state(struct flight *f, enum flight_state state) {
    if (f->state == FLIGHT_QUEUED)
        unqueue(f);
    if (f->state == FLIGHT_UNDER_WAY) {
        under_way--;
        renewals -= f->renewal;
        large_under_way -= f->large;
    }
    f->state = state;
}

static void free_flight(struct flight *f) {
    leave_state(f, FLIGHT_FREE);
    give_back_text(f);
    *f = (struct flight){.state = FLIGHT_FREE};
    while (high > 0 && flights[high - 1].state == FLIGHT_FREE)
        high--;
}

/* ---- those who wait ---- */

static void link_waiter(struct flight *f, struct connection *c) {
    c->waiting.on = f;
    c->waiting.before = f->last;
    c->waiting.after = NULL;
    *(f->last != NULL ? &f->last->waiting.after : &f->first) = c;
    f->last = c;
}

static void unlink_waiter(struct flight *f, struct connection *c) {
    *(c->waiting.before != NULL ? &c->waiting.before->waiting.after : &f->first) = c->waiting.after;
    *(c->waiting.after != NULL ? &c->waiting.after->waiting.before : &f->last) = c->waiting.before;
    c->waiting.by->waiting--;
    waiting--;
    c->waiting.on = NULL;
    c->waiting.by = NULL;
    c->waiting.before = c->waiting.after = NULL;
}

static bool is_large(const struct flights_wish *w) {
    return w->text != NULL && w->text_len > FLIGHTS_LARGE;
}

static bool may_wait(const struct flights_wish *w, const struct flight *f) {
    size_t kept = w->client->kept + w->text_len;
    if (w->client->crowd.waiting >= CLIENT_WAITING_MAX)
        return false;
    if (f != NULL || w->text == NULL)
        return true;
    if (is_large(w))
        return kept <= STORE_TOKEN_MAX && large_kept + w->text_len <= FLIGHTS_LARGE_KEPT;
    return kept <= CLIENT_KEPT_MAX;
}

bool flights_join(struct connection *c, const struct flights_wish *w) {
    struct flight *f = find(&w->key, w->trusted, w->address);
    struct store_text text = {0};
    if (!may_wait(w, f))
        return false;
    if (f == NULL) {
        f = take();
        if (f == NULL || (w->text != NULL && !store_keep(&text, w->text, w->text_len)))
            return false;
        *f = (struct flight){.trusted = w->trusted,
                             .key = w->key,
                             .client = *w->address,
                             .token = w->token,
                             .text = text,
                             .large = is_large(w),
                             .payer = w->client};
        w->client->kept += text.len;
        large_kept += f->large ? text.len : 0;
        if (w->judging)
            f->state = FLIGHT_JUDGING;
        else
            enqueue(f);
    }
    link_waiter(f, c);
    c->waiting.by = &w->client->crowd;
    c->waiting.by->waiting++;
    waiting++;
    return true;
}

void flights_gone(struct connection *c) {
    struct flight *f = c->waiting.on;
    if (f == NULL)
        return;
    unlink_waiter(f, c);
    if (f->first == NULL && (f->state == FLIGHT_JUDGING || f->state == FLIGHT_QUEUED))
        free_flight(f);
}

/* The answer may go while it is handed out: what is asked behind it can make an entry give way. */
static void answer_all(struct flight *f, const struct answer *a) {
    struct keyed_hash key = f->key;
    struct store_entry *e = store_find(&key);
    bool of_entry = e != NULL && a == &e->answer;
    for (struct connection *c; (c = f->first) != NULL;) {
        unlink_waiter(f, c);
        if (of_entry && (store_find(&key) != e))
            a = replies_fixed(REPLIES_LATE);
        server_answer(c, a);
    }
}

/* ---- under way ---- */

/* One of each client in turn; of the same turn, who came first. NULL: none may begin now. */
static struct flight *next_in_turn(void) {
    struct flight *best = NULL;
    for (struct flight *f = queue_head; f != NULL; f = f->next) {
        if (f->large && large_under_way >= FLIGHTS_LARGE_UNDER_WAY)
            continue;
        if (best == NULL || f->turn < best->turn)
            best = f;
    }
    return best;
}

/* False if the entry that had the text is gone. */
static bool fill_token(const struct flight *f, struct token *out) {
    const struct store_entry *e = f->text.first == 0 ? store_find(&f->key) : NULL;
    const struct store_text *text = e != NULL ? &e->token : &f->text;
    if (text->first == 0)
        return false;
    store_copy(text, out->text);
    out->len = text->len;
    return true;
}

static void end(struct flight *f, const struct answer *a) {
    leave_state(f, FLIGHT_ENDING);
    answer_all(f, a);
    free_flight(f);
}

static void start(struct flight *f, struct exchange *slot) {
    const struct answer *a = replies_fixed(REPLIES_LATE);
    const struct exchange_method *method = NULL;
    leave_state(f, FLIGHT_UNDER_WAY);
    f->slot = slot;
    under_way++;
    renewals += f->renewal;
    large_under_way += f->large;
    slot->context = f;
    if (fill_token(f, &slot->token)) {
        give_back_text(f);
        method = owner->prepare(f, slot, &a);
    }
    if (method == NULL) {
        exchange_cancel(slot);
        end(f, a);
        return;
    }
    exchange_start(slot, method);
}

static void start_queued(void) {
    for (struct flight *f; (f = next_in_turn()) != NULL;) {
        struct exchange *slot = exchange_take();
        if (slot == NULL)
            return;
        turn = f->turn;
        start(f, slot);
    }
}

static void on_done(struct exchange *slot, const struct exchange_error *error) {
    struct flight *f = slot->context;
    f->slot = NULL;
    end(f, owner->outcome(f, slot, error));
    kick.deadline_ms = loop_now().mono_ms; /* the slot is free when this has returned */
}

static void on_kick(struct loop_timer *t) {
    t->deadline_ms = CLOCK_NEVER;
    start_queued();
    if (next_in_turn() == NULL)
        owner->freed();
}

/* ---- renewals ---- */

bool flights_free_for_renewal(void) {
    return next_in_turn() == NULL && under_way < slot_count && renewals < (slot_count + 1) / 2;
}

void flights_renew(const struct store_entry *e) {
    struct flight *f = find(&e->key, true, NULL);
    if (f != NULL)
        return;
    f = take();
    struct exchange *slot = f != NULL ? exchange_take() : NULL;
    if (slot == NULL) /* flights_free_for_renewal() was not asked */
        return;
    *f = (struct flight){
        .state = FLIGHT_JUDGING, .trusted = true, .renewal = true, .key = e->key, .token = e->tokens[0]};
    start(f, slot);
}

/* ---- judging ---- */

void flights_judge_all(flights_judge *judge) {
    FAR static struct token token;
    for (size_t i = 0; i < high; i++) {
        struct flight *f = &flights[i];
        const struct answer *a = NULL;
        if (f->state != FLIGHT_JUDGING)
            continue;
        store_copy(&f->text, token.text);
        token.len = f->text.len;
        bool go_on = judge(f, token.text, token.len, &a);
        if (f->first == NULL)
            free_flight(f);
        else if (go_on)
            enqueue(f);
        else if (a != NULL)
            end(f, a);
        token_wipe(&token);
    }
}

void flights_trust(struct flight *f, const struct keyed_hash *pod) {
    struct flight *other = find(pod, true, NULL);
    f->trusted = true;
    f->key = *pod;
    for (struct connection *c; other != NULL && (c = f->first) != NULL;) {
        f->first = c->waiting.after;
        *(f->first != NULL ? &f->first->waiting.before : &f->last) = NULL;
        link_waiter(other, c);
    }
}

/* ---- all ---- */

void flights_open(const struct flights_owner *given, size_t slots) {
    owner = given;
    slot_count = slots;
    exchange_open(slots, on_done);
    kick.expired = on_kick;
    loop_add_timer(&kick);
}

void flights_close(void) {
    exchange_close();
}

size_t flights_waiting(void) {
    return waiting;
}

size_t flights_queued(void) {
    return queued;
}

size_t flights_under_way(void) {
    return under_way;
}
