/* The authorities that https trusts: which file, and whether it can be used. */
#ifndef POD_IDENTITY_SOURCE_AUTHORITIES_H
#define POD_IDENTITY_SOURCE_AUTHORITIES_H

#include "common/http/ca_bundle.h"
#include "common/source/source.h"

/* Whether a server of the source is asked over https. */
bool authorities_needed(const struct source *source);

/* Hands the file (--ca-bundle, AWS_CA_BUNDLE, SSL_CERT_FILE, or Debian's place) to the HTTP client, and reads
 * it. If nothing in it can be used: REASON_SETTING_INVALID, permanent, where somebody named the file; else
 * REASON_TLS_FAILED. */
enum reason authorities_read(const struct source_options *options, injection_getenv *lookup,
                             struct ca_counts *counts, struct failure *failure);

#endif
