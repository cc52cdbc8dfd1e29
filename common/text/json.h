/* Reading JSON (the only file that knows cJSON).
 *
 * One document is open at a time. Everything that the parser allocates comes from one fixed arena, which
 * json_close() wipes: nothing of a document with secrets in it stays behind, and no input makes the process
 * grow. Not for use by several threads. */
#ifndef POD_IDENTITY_TEXT_JSON_H
#define POD_IDENTITY_TEXT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define JSON_INPUT_MAX                                                                                       \
    16384 /* above every answer and token claim that is legal here (10,000 bytes, see credentials.h) */
#define JSON_DEPTH_MAX 16 /* real documents stay under 5; each level costs the parser stack */
#define JSON_ARENA_SIZE                                                                                      \
    65536 /* nodes and copied strings of a document of JSON_INPUT_MAX that is not made to be costly */

struct json; /* a value within the open document; valid until json_close() */

/* Parses one document: RFC 8259, nothing behind it but blanks, valid UTF-8 not checked.
 * ERR_EMPTY (nothing but blanks), ERR_TOO_LONG (the input, or the arena), ERR_TOO_DEEP, ERR_SYNTAX. */
enum err json_open(const char *text, size_t len, const struct json **root);
/* After ERR_SYNTAX or ERR_TOO_DEEP: about where in the text it was noticed. */
size_t json_error_offset(void);
/* The line, from 1, of a value of the open document, which was parsed out of this text: of its name, if it
 * has one. */
unsigned json_line(const char *text, size_t len, const struct json *value);
/* Ends the open document and wipes the arena. Harmless when none is open. */
void json_close(void);

bool json_is_object(const struct json *value);
bool json_is_array(const struct json *value);
bool json_is_null(const struct json *value);
bool json_is_true(const struct json *value);
bool json_is_false(const struct json *value);

/* The member of that exact name, the first if it is repeated; NULL if there is none, or value is NULL or no
 * object. */
const struct json *json_get(const struct json *value, const char *name);
/* Element or member i, or NULL past the end. */
const struct json *json_item(const struct json *value, size_t i);

/* The name of a member that json_item() gave; NULL for an element of an array. */
const char *json_name(const struct json *member);

/* The text of a string, or NULL if value is NULL or no string. NULs inside are refused by json_open(). */
const char *json_text(const struct json *value);
/* The value of a number, false if it is none or not within plus or minus 2^53. A fraction is cut. */
bool json_number(const struct json *value, int64_t *out);
/* The same, and false for a number with a fraction. */
bool json_integer(const struct json *value, int64_t *out);

#endif
