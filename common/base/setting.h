/* A value that somebody set in an environment, a file or an option: what is wrong with it whatever it is for.
 */
#ifndef POD_IDENTITY_BASE_SETTING_H
#define POD_IDENTITY_BASE_SETTING_H

#include "common/base/buf.h"

/* What no region, ARN, URL, switch or path has, in words that fit behind the value ("ends in a line break"),
 * in static storage: blanks and line breaks at its ends, quotes around it or typographic ones within, a
 * control character, or a reference that nobody expanded: ${NAME}, $(NAME), {{ name }}. NULL: nothing of
 * that. */
const char *setting_flaw(const char *value);

#define SETTING_SHOWN_MAX 200
/* The value in quotes, for a message: on one line, with the bytes that a reader would not see escaped ("\n"),
 * and without the user information of a URL. */
void setting_quote(struct buf *message, const char *value);

#endif
