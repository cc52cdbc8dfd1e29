/* What both sides of packing share: packed.c, and the tool of the build that packs
 * (common/deps/tools/pack.c).
 *
 * A text is coded bit by bit, by how likely each bit is after what came before (arithmetic coding, with a
 * mixture of five contexts: the last one, two, three or four characters, and the word). English gets into
 * some 36 % of its size. Source: M. Mahoney, "Adaptive Weighing of Context Models for Lossless Data
 * Compression", of which this is a small form. Integers only: both sides must come to the same numbers. */
#ifndef POD_IDENTITY_BASE_PACKED_MODEL_H
#define POD_IDENTITY_BASE_PACKED_MODEL_H

#include <stdint.h>

#define PACKED_CONTEXTS 5
#define PACKED_SLOT_BITS 16 /* more would make our texts hardly smaller */
#define PACKED_SEEN_MAX 60
#define PACKED_ONE 4096 /* a probability of 1 */

struct packed_model {
    uint32_t slots[PACKED_CONTEXTS][1 << PACKED_SLOT_BITS]; /* see packed_learn; zero: nothing is known yet */
    int32_t weights[256][PACKED_CONTEXTS];                  /* by the bits of the character so far */
    int16_t logits[PACKED_ONE]; /* ln(p / (1 - p)), the inverse of packed_squash */
    uint32_t contexts[PACKED_CONTEXTS];
    uint32_t *at[PACKED_CONTEXTS]; /* the slots of the next bit, and what they say */
    int32_t says[PACKED_CONTEXTS];
    uint32_t bits, last,
        word;     /* the bits of this character behind a 1; the last characters; the word's hash */
    int32_t odds; /* that the next bit is 1 */
};

/* 4096 / (1 + e^-x), for x in 1/256, from a table with straight lines between. */
static inline int32_t packed_squash(int32_t x) {
    static const int16_t curve[] = {1,    2,    3,    6,    10,   16,   27,   45,   73,   120,  194,
                                    310,  488,  747,  1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785,
                                    3901, 3975, 4024, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094};
    x = (x < -2047 ? -2047 : x > 2047 ? 2047 : x) + 2048;
    int32_t between = x & 127, step = x >> 7;
    return (curve[step] * (128 - between) + curve[step + 1] * between + 64) >> 7;
}

static inline void packed_predict(struct packed_model *m) {
    int64_t sum = 0;
    for (int i = 0; i < PACKED_CONTEXTS; i++) {
        uint32_t hash = (m->contexts[i] + m->bits * 0x9E3779B1u) * 0x85EBCA6Bu;
        m->at[i] = &m->slots[i][hash >> (32 - PACKED_SLOT_BITS)];
        m->says[i] = m->logits[(*m->at[i] ^ 0x80000000u) >> 20];
        sum += (int64_t)m->says[i] * m->weights[m->bits][i];
    }
    int32_t p = packed_squash((int32_t)(sum / 65536));
    m->odds = p < 1 ? 1 : p;
}

/* Before the first bit, over a model that is zero. */
static inline void packed_begin(struct packed_model *m) {
    int32_t from = 0;
    for (int32_t x = -2047; x <= 2047; x++) {
        for (int32_t until = packed_squash(x); from <= until; from++)
            m->logits[from] = (int16_t)x;
    }
    for (; from < PACKED_ONE; from++)
        m->logits[from] = 2047;
    for (int i = 0; i < 256; i++) {
        for (int j = 0; j < PACKED_CONTEXTS; j++)
            m->weights[i][j] = 23600; /* of 65536: all five together somewhat more than 1 */
    }
    m->bits = 1;
    packed_predict(m);
}

static inline void packed_end_character(struct packed_model *m) {
    uint32_t c = m->bits & 255, letter = c | 32;
    m->bits = 1;
    m->last = m->last << 8 | c;
    m->word = letter >= 'a' && letter <= 'z' ? (m->word + letter) * 0x2F0B4C47u : 0;
    for (uint32_t i = 0; i < PACKED_CONTEXTS - 1; i++)
        m->contexts[i] = (m->last << (24 - 8 * i)) * 0x9E3779B1u + i;
    m->contexts[PACKED_CONTEXTS - 1] = m->word;
}

/* The next bit was that one. A slot has how likely a 1 is in its upper 22 bits, turned so that zero is one
 * half, and how often it was asked in the others: the more often, the less it moves. */
static inline void packed_learn(struct packed_model *m, uint32_t bit) {
    int32_t error = (bit != 0 ? PACKED_ONE : 0) - m->odds;
    for (int i = 0; i < PACKED_CONTEXTS; i++) {
        m->weights[m->bits][i] += (m->says[i] * error * 2 + 512) / 1024;
        uint32_t slot = *m->at[i] ^ 0x80000000u, seen = slot & 1023;
        int32_t p = (int32_t)(slot >> 10);
        p += ((bit != 0 ? (1 << 22) - 1 : 0) - p) * 2 / (int32_t)(2 * seen + 3);
        *m->at[i] = ((uint32_t)p << 10 | (seen < PACKED_SEEN_MAX ? seen + 1 : seen)) ^ 0x80000000u;
    }
    m->bits = m->bits << 1 | bit;
    if (m->bits > 255)
        packed_end_character(m);
    packed_predict(m);
}

#endif
