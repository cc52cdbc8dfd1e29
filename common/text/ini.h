/* The shared files of AWS, ~/.aws/config and ~/.aws/credentials: reading them line by line, and putting
 * credentials into one profile while every other byte stays.
 *
 * Read as botocore does, with Python's configparser: a header may be indented; a line that is indented
 * further than the setting above it belongs to that setting; '=' or ':' stands between key and value; only
 * whole lines are comments; a line ends with LF, CRLF or CR. What the other SDKs take beyond that is told
 * where it counts. Source: CPython Lib/configparser.py (RawConfigParser._read). */
#ifndef POD_IDENTITY_TEXT_INI_H
#define POD_IDENTITY_TEXT_INI_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define INI_FILE_MAX 262144 /* a hand-kept file has a few kB */
#define INI_PROFILE_MAX 129

/* 1 to 128 characters that need no quoting in a section header: letters, digits, and any of "-_.@+=,:/". */
bool ini_profile_valid(const char *profile);

struct ini_word {
    const char *at;
    size_t len;
};

/* Whether the word is that text; the second, whatever the case. */
bool ini_is(struct ini_word word, const char *text);
bool ini_is_key(struct ini_word word, const char *text);
/* Without the blanks at both ends. */
struct ini_word ini_trimmed(const char *at, const char *end);

enum ini_kind {
    INI_REMARK,       /* a comment, or an empty line */
    INI_SECTION,      /* name: between the brackets */
    INI_SETTING,      /* name and value */
    INI_CONTINUATION, /* value: of the setting above */
    INI_WRONG         /* none of them: no '=' or ':', or no key */
};

struct ini_line {
    enum ini_kind kind;
    struct ini_word whole; /* with the end of the line, if there is one, and a byte order mark */
    size_t indent;         /* what the line begins with, in bytes */
    struct ini_word name, value;
};

/* Set at and end, zero the rest. */
struct ini_reader {
    const char *at, *end;
    size_t indent;   /* of the last header or setting */
    bool in_setting; /* what is indented further belongs to it */
    bool begun;
};

/* The next line; false at the end. Any bytes may come. */
bool ini_next(struct ini_reader *reader, struct ini_line *out);

/* Appends to out the text `in` with the keys of `body` (lines, each with its newline) in the section
 * [profile], which is made at the end if there is none. All else stays as it is, other settings and comments
 * of that section too; only what holds credentials beside those keys goes (aws_security_token,
 * aws_account_id). The lines of body are indented like what follows them, so that they do not swallow it. Out
 * of further sections of that name the same keys are taken, and the header if nothing else is in it.
 * ERR_CONTROL if `in` holds a NUL (it is no text file), ERR_TOO_LONG if out is full. */
enum err ini_replace_profile(const char *in, size_t len, const char *profile, const char *body,
                             struct buf *out);

#endif
