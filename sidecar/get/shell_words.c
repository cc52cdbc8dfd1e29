#include "sidecar/get/shell_words.h"

#include <string.h>

/* Where the reading stands: `at` in the line, `end` behind what was written of the words. */
struct splitter {
    const char *line, *at;
    struct shell_line *out;
    size_t end;
    struct buf *problem;
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *at) {
    return at + strspn(at, " \t");
}

static bool refuse(struct splitter *s, const char *what) {
    buf_fmt(s->problem, "character %zu: ", (size_t)(s->at - s->line) + 1);
    if (*s->at > ' ' && *s->at < 0x7f)
        buf_fmt(s->problem, "'%c': ", *s->at);
    buf_str(s->problem, what);
    return false;
}

/* Cannot run full: a word is never longer than what it was written as, and each is followed by a blank or
 * the line's end. */
static void put(struct splitter *s, char c) {
    s->out->text[s->end++] = c;
}

/* What a shell acts on inside of any quotes or none. */
static bool is_unsafe_in_double_quotes(char c) {
    return c == '$' || c == '`';
}

static bool take_single_quoted(struct splitter *s) {
    const char *close = strchr(s->at + 1, '\'');
    if (close == NULL)
        return refuse(s, "a quote that is not closed");
    while (++s->at < close)
        put(s, *s->at);
    s->at++;
    return true;
}

static bool take_double_quoted(struct splitter *s) {
    const char *open = s->at++;
    for (; *s->at != '"'; s->at++) {
        if (*s->at == '\0') {
            s->at = open;
            return refuse(s, "a quote that is not closed");
        }
        if (is_unsafe_in_double_quotes(*s->at))
            return refuse(s, "nothing is substituted here; quote it with '...'");
        /* Before any other character a backslash stands for itself. */
        if (*s->at == '\\' && s->at[1] != '\0' && strchr("\"\\$`", s->at[1]) != NULL)
            s->at++;
        put(s, *s->at);
    }
    s->at++;
    return true;
}

static bool take_escaped(struct splitter *s) {
    if (s->at[1] == '\0')
        return refuse(s, "nothing follows the backslash");
    put(s, s->at[1]);
    s->at += 2;
    return true;
}

static bool take_plain(struct splitter *s, bool begins_word) {
    if (strchr("|&;<>()$`*?[]{}!", *s->at) != NULL || (begins_word && (*s->at == '#' || *s->at == '~')))
        return refuse(s, "only words are taken here, no shell syntax; quote it, or do without");
    put(s, *s->at++);
    return true;
}

static bool take_word(struct splitter *s) {
    struct shell_line *out = s->out;
    if (out->count == SHELL_WORDS_MAX)
        return refuse(s, "too many words");
    out->words[out->count++] = out->text + s->end;
    bool ok = true;
    for (const char *begin = s->at; ok && *s->at != '\0' && !is_blank(*s->at);) {
        if (*s->at == '\'')
            ok = take_single_quoted(s);
        else if (*s->at == '"')
            ok = take_double_quoted(s);
        else if (*s->at == '\\')
            ok = take_escaped(s);
        else
            ok = take_plain(s, s->at == begin);
    }
    put(s, '\0');
    return ok;
}

/* "2>/dev/null", "2> /dev/null" or "2>&1", and then no more than another one. */
static bool take_redirection(struct splitter *s) {
    static const struct {
        const char *target;
        enum shell_errors errors;
    } known[] = {{"/dev/null", SHELL_ERRORS_DROPPED}, {"&1", SHELL_ERRORS_TO_STDOUT}};
    const char *target = skip_blanks(s->at + 2);
    /* Blanks between > and & are for word targets only: "2> &1" is a syntax error in shells. */
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t len = strlen(known[i].target);
        if (strncmp(target, known[i].target, len) != 0 || (target[len] != '\0' && !is_blank(target[len])) ||
            (*target == '&' && target != s->at + 2))
            continue;
        s->out->errors = known[i].errors;
        s->at = skip_blanks(target + len);
        return *s->at == '\0' || strncmp(s->at, "2>", 2) == 0 ||
               refuse(s, "no word may follow a redirection here");
    }
    s->at++;
    return refuse(s, "the only redirections taken here are 2>/dev/null and 2>&1, behind the last word");
}

/* NAME=VALUE in front of a command sets a variable for it. */
static bool is_assignment(const char *word) {
    static const char names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    size_t len = strspn(word, names);
    return len > 0 && (word[len] == '=' || strncmp(word + len, "+=", 2) == 0) &&
           (word[0] < '0' || word[0] > '9');
}

static bool check_line(struct splitter *s) {
    for (; *s->at != '\0'; s->at++) {
        if (s->at - s->line >= SHELL_LINE_MAX - 1)
            return refuse(s, "the line is too long");
        if (((unsigned char)*s->at < ' ' && *s->at != '\t') || *s->at == 0x7f)
            return refuse(s, "a control character: one line with one command is taken here");
    }
    s->at = s->line;
    return true;
}

bool shell_words_split(const char *line, struct shell_line *out, struct buf *problem) {
    struct splitter s = {.line = line, .at = line, .out = out, .problem = problem};
    out->count = 0;
    out->errors = SHELL_ERRORS_KEPT;
    out->words[0] = NULL;
    if (!check_line(&s))
        return false;
    for (s.at = skip_blanks(s.at); *s.at != '\0'; s.at = skip_blanks(s.at)) {
        if (strncmp(s.at, "2>", 2) == 0 ? !take_redirection(&s) : !take_word(&s))
            return false;
    }
    out->words[out->count] = NULL;
    if (out->count == 0) {
        buf_str(problem, "there is no command in the line");
        return false;
    }
    if (is_assignment(out->words[0])) {
        buf_str(problem, "no variable can be set here; set it in the container's environment");
        return false;
    }
    return true;
}
