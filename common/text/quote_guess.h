/* What of a text looks like a secret, for quote.c. */
#ifndef POD_IDENTITY_TEXT_QUOTE_GUESS_H
#define POD_IDENTITY_TEXT_QUOTE_GUESS_H

#include "common/text/quote_decode.h"

enum { QUOTE_SHOWN, QUOTE_SHORTENED, QUOTE_HIDDEN };

/* Of each character of the text as it came. */
struct quote_marks {
    uint8_t kinds[QUOTE_LOOKED_AT];
};

/* Marks what the characters first to end - 1 of a reading come from; what is hidden stays so. */
void quote_mark(struct quote_marks *marks, const struct quote_stream *s, size_t first, size_t end, int kind);

/* Marks JSON web tokens, what is as random as a key, long hex, access key ids, and user information and query
 * of a URL. nested: how many encodings were taken off. */
void quote_guess(struct quote_marks *marks, const struct quote_stream *s, unsigned nested);

/* Extends what is hidden to the whole of each word that it is in. */
void quote_widen(struct quote_marks *marks, const char *text, size_t len);

/* Of the characters that words, names and keys are made of. */
bool quote_is_wordy(char c);

#endif
