/* The shared credentials file: replacing one profile and keeping every other byte.
 *
 * Format: AWS SDKs and Tools Reference Guide, "Shared config and credentials files"; "[name]" in the
 * credentials file. */
#ifndef POD_IDENTITY_INI_H
#define POD_IDENTITY_INI_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define INI_FILE_MAX 262144 /* a hand-kept file has a few kB */
#define INI_PROFILE_MAX 129

/* 1 to 128 characters that need no quoting in a section header: letters, digits, and any of "-_.@+=,:/". */
bool ini_profile_valid(const char *profile);

/* Appends to out the text `in` with the section [profile] replaced by `body` (lines, each with its newline),
 * in its old place, or at the end if there was none. Further sections of that name are dropped, since the
 * first of them would win in some readers and the last in others. Comments and blank lines ahead of the next
 * section stay with it. ERR_CONTROL if `in` holds a NUL (it is no text file), ERR_TOO_LONG if out is full. */
enum err ini_replace_profile(const char *in, size_t len, const char *profile, const char *body,
                             struct buf *out);

#endif
