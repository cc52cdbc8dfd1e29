/* Whether a profile of the shared config file brings credentials of its own.
 *
 * Format and names: AWS SDKs and Tools Reference Guide, "Shared config and credentials files"; the same names
 * in boto/botocore credentials.py and aws/aws-sdk-go-v2 config/shared_config.go. No I/O here. */
#ifndef POD_IDENTITY_INIT_SHARED_CONFIG_H
#define POD_IDENTITY_INIT_SHARED_CONFIG_H

#include <stddef.h>

#define SHARED_CONFIG_FILE_MAX 65536 /* a hand-kept file has a few kB */

/* The first setting in the sections of that profile ([profile NAME], for "default" also [default]) from which
 * SDKs take credentials: its name, in static storage; NULL if there is none. A role_arn beside
 * "credential_source = EcsContainer" is none: it builds on the container endpoint. Any bytes may come. */
const char *shared_config_find(const char *text, size_t len, const char *profile);

#endif
