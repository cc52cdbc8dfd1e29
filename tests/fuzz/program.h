/* For fuzz targets that drive a server: the input is a program, whose bytes say what happens next. Made-up
 * time, and what a client has received. */
#ifndef POD_IDENTITY_TESTS_FUZZ_PROGRAM_H
#define POD_IDENTITY_TESTS_FUZZ_PROGRAM_H

#include <errno.h>

#include "tests/fuzz/fuzz.h"
#include "tests/loopback.h"
#include "tests/rounds.h"

struct program {
    const uint8_t *bytes;
    size_t left;
};

static inline uint8_t next(struct program *p) {
    if (p->left == 0)
        return 0;
    p->left--;
    return *p->bytes++;
}

/* Bytes of the program itself: how many, says its next one. */
static inline const void *next_piece(struct program *p, size_t *len) {
    *len = next(p);
    *len = *len < p->left ? *len : p->left;
    const uint8_t *piece = p->bytes;
    p->bytes += *len;
    p->left -= *len;
    return piece;
}

/* ---- time ---- */

static struct moment now = {.mono_ms = 1000000, .wall_ms = 1795000000000};

static inline struct moment made_up(void) {
    return now;
}

static inline void pass(int64_t ms) {
    now.mono_ms += ms;
    now.wall_ms += ms;
    rounds(1);
}

/* ---- a client's end ---- */

#define RECEIVED_MAX (1 << 18)

struct received {
    int fd; /* -1: none */
    bool ended;
    size_t len;
    char bytes[RECEIVED_MAX];
};

static inline void receive(struct received *r, size_t max) {
    while (r->fd >= 0 && !r->ended && max > 0 && r->len + 4096 < sizeof r->bytes) {
        ssize_t n = recv(r->fd, r->bytes + r->len, max < 4096 ? max : 4096, MSG_DONTWAIT);
        r->ended = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
        if (n <= 0)
            break;
        r->len += (size_t)n;
        max -= (size_t)n;
    }
}

static inline void forget(struct received *r) {
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    r->len = 0;
    r->ended = false;
}

struct received_body {
    const char *bytes;
    size_t have, len; /* have: how much of it has come */
};

/* The body of the answer that begins at *at, and where the next one begins; false: there is none. What is
 * received is whole answers one after another, of which only the last may be cut, and nothing comes after one
 * that says "Connection: close". */
static inline bool next_answer(const struct received *r, size_t *at, struct received_body *body) {
    const char *head = r->bytes + *at, *end = memmem(head, r->len - *at, "\r\n\r\n", 4);
    if (end == NULL) {
        HOLDS(r->len - *at < 600);
        return false;
    }
    size_t head_len = (size_t)(end + 4 - head), have = r->len - *at - head_len;
    HOLDS(head_len > 12 && memcmp(head, "HTTP/1.1 ", 9) == 0);
    const char *length = memmem(head, head_len, "\r\nContent-Length: ", 18);
    HOLDS(length != NULL);
    size_t len = strtoul(length + 18, NULL, 10);
    *body = (struct received_body){end + 4, have < len ? have : len, len};
    *at += head_len + body->have;
    HOLDS(have <= len || memmem(head, head_len, "Connection: close", 17) == NULL);
    return true;
}

#endif
