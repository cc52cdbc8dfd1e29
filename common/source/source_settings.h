/* Settings that a source depends on, judged before anything is sent: each REASON_OK, or
 * REASON_SETTING_INVALID, which is permanent. */
#ifndef POD_IDENTITY_SOURCE_SOURCE_SETTINGS_H
#define POD_IDENTITY_SOURCE_SOURCE_SETTINGS_H

#include "common/source/source_options.h"
#include "common/text/uri.h"

/* The proxy for requests to that URI. */
enum reason source_settings_proxy(injection_getenv *lookup, const struct uri *uri, struct failure *failure);

/* The path of the authorities, for requests over TLS. */
enum reason source_settings_ca_path(const struct source_options *options, injection_getenv *lookup,
                                    struct failure *failure);

/* The roles to assume: their option could not know whose STS is asked. */
enum reason source_settings_roles(const struct source_options *options, injection_getenv *lookup,
                                  struct failure *failure);

#endif
