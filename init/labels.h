/* The pod's labels, from the file that a downward API volume makes of metadata.labels: one line a label,
 * key="value", the value escaped as Go does it (%q).
 *
 * Source: Kubernetes pkg/fieldpath/fieldpath.go (FormatMap). No I/O here. */
#ifndef POD_IDENTITY_INIT_LABELS_H
#define POD_IDENTITY_INIT_LABELS_H

#include <stddef.h>

#include "common/base/err.h"

#define LABELS_FILE_MAX 65536 /* a pod has a dozen labels of at most 382 bytes */
#define LABELS_KEY_MAX 317    /* a DNS name of 253, a slash, a name of 63 */
#define LABELS_VALUE_MAX 64   /* a label's value and its NUL */

/* Looks for one key. The whole text is checked, whether the key is found or not; on ERR_SYNTAX, ERR_CONTROL
 * or ERR_TOO_LONG *line is the line that is wrong, from 1. ERR_MISSING: well-formed, and the key is not
 * there. */
enum err labels_find(const char *text, size_t len, const char *key, char out[LABELS_VALUE_MAX], size_t *line);

#endif
