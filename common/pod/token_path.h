/* Why a mounted token cannot be opened, in words: the links of a projected volume are followed one by one,
 * and the permission that is missing is named with its numbers.
 *
 * A projected volume is "token -> ..data/token", "..data -> ..2026_11_23_12_00_00.1/", and that folder with
 * the file (Kubernetes pkg/volume/util/atomic_writer.go). */
#ifndef POD_IDENTITY_POD_TOKEN_PATH_H
#define POD_IDENTITY_POD_TOKEN_PATH_H

#include "common/base/failure.h"

#define TOKEN_PATH_SHOWN 300 /* of a path, in a message: the longest that occurs has about 120 */

/* Appends a path, or what fits of it: foreign text, up to 4095 bytes, that must stay one line. */
void token_path_put(struct buf *message, const char *path);

/* After open() of the path has failed with `error`: REASON_TOKEN_UNREADABLE with message and remedy. */
enum reason token_path_explain(const char *path, int error, struct failure *failure);

#endif
