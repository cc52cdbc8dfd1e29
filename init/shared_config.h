/* Whether a profile of the shared files, ~/.aws/config and ~/.aws/credentials, brings credentials of its own.
 *
 * Source: boto/botocore configloader.py and credentials.py (which takes any key from either file),
 * aws/aws-sdk-go-v2 config/shared_config.go and internal/ini, awslabs/aws-c-sdkutils aws_profile.c; AWS SDKs
 * and Tools Reference Guide, "Shared config and credentials files". No I/O here. */
#ifndef POD_IDENTITY_INIT_SHARED_CONFIG_H
#define POD_IDENTITY_INIT_SHARED_CONFIG_H

#include <stddef.h>

#define SHARED_CONFIG_FILE_MAX 65536    /* a hand-kept file has a few kB */
#define SHARED_CONFIG_SETTINGS_MAX 4096 /* headers and settings of a file that can be told apart */

enum shared_which { SHARED_CONFIG, SHARED_CREDENTIALS, SHARED_FILES };

/* Both, as a source_profile may be in either. Any bytes may come. */
struct shared_files {
    struct shared_text {
        const char *at;
        size_t len;
    } file[SHARED_FILES];
};

/* The setting of that file, in the sections of that profile, from which SDKs take credentials: its name, in
 * static storage; NULL if there is none. A role_arn whose chain of source_profile ends in "credential_source
 * = EcsContainer" is none: it builds on the container endpoint. */
const char *shared_config_find(const struct shared_files *files, enum shared_which which,
                               const char *profile);

/* What botocore cannot parse in that file, and so fails; static text, with the line, from 1, in *line. NULL:
 * it can. */
const char *shared_config_fault(const struct shared_text *text, unsigned *line);

#endif
