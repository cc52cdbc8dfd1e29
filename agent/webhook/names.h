/* Names of containers, as an annotation lists them. No I/O. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_NAMES_H
#define POD_IDENTITY_AGENT_WEBHOOK_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/json_scan.h"
#include "common/base/err.h"

#define NAMES_MAX 4096      /* bytes of an annotation that lists them: 60 of the longest names */
#define NAMES_COUNT_MAX 256 /* each container is looked for among them */

struct names {
    size_t len;
    char text[NAMES_MAX]; /* each with its NUL */
};

/* As the EKS webhook reads its annotation: the first record of a CSV file, blanks count. ERR_EMPTY,
 * ERR_SYNTAX (quotes in a wrong place), ERR_TOO_LONG (either limit), ERR_TYPE (no string); there are no names
 * then. */
enum err names_read_csv(struct json_span string, struct names *out);
/* With commas between; blanks around them do not count. ERR_EMPTY: one of them is empty. */
enum err names_read(struct json_span string, struct names *out);

bool names_has(const struct names *names, struct json_span name);
/* The next one; *position is 0 at first. NULL at the end. */
const char *names_next(const struct names *names, size_t *position);

#endif
