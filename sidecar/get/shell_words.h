/* One command line split into words as a POSIX shell does, as far as a credential_process needs it.
 *
 * Taken: blanks, '...', "...", backslash, and behind the last word 2>/dev/null or 2>&1, which some SDKs add.
 * Refused: everything else that a shell would act on (variables, substitutions, patterns, pipes, lists, other
 * redirections, comments, assignments, newlines). Nothing is ever expanded, and nothing is taken for text
 * that a shell would have taken for more: what is accepted here means the same to any shell. */
#ifndef POD_IDENTITY_SIDECAR_GET_SHELL_WORDS_H
#define POD_IDENTITY_SIDECAR_GET_SHELL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

#define SHELL_LINE_MAX 8192 /* bytes with the NUL: program and socket, each a path of full length */
#define SHELL_WORDS_MAX 16  /* the program and more options than it has */

enum shell_errors { SHELL_ERRORS_KEPT, SHELL_ERRORS_DROPPED, SHELL_ERRORS_TO_STDOUT };

struct shell_line {
    char text[SHELL_LINE_MAX];        /* the words, each with its NUL */
    char *words[SHELL_WORDS_MAX + 1]; /* into text; NULL behind the last */
    size_t count;                     /* at least 1 on success */
    enum shell_errors errors;         /* where the line sends standard error; the last one counts */
};

/* False if the line is none that can be run, with the reason in problem: it names the character and its
 * place, and nothing else of the line, which may hold what must not be shown. */
bool shell_words_split(const char *line, struct shell_line *out, struct buf *problem);

#endif
