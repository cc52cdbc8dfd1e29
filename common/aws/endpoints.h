/* Which host a region's service is at, and which region its requests are signed for.
 *
 * Source: boto/botocore data/partitions.json, data/sts and data/eks-auth endpoint-rule-set-1.json; AWS SDKs
 * and Tools Reference Guide, "Service-specific endpoints", "FIPS", "Dual-stack", "AWS STS regional
 * endpoints". No I/O here. */
#ifndef POD_IDENTITY_AWS_ENDPOINTS_H
#define POD_IDENTITY_AWS_ENDPOINTS_H

#include "common/base/failure.h"
#include "common/pod/injection.h"
#include "common/text/uri.h"

#define ENDPOINT_REGION_MAX 64 /* a DNS label and its NUL */

enum endpoint_service { ENDPOINT_STS, ENDPOINT_EKS_AUTH };

struct endpoint {
    struct uri uri;                   /* its path is that of a configured URL, or "" */
    char region[ENDPOINT_REGION_MAX]; /* to sign for */
    const char
        *origin; /* what decided on the host: "AWS_REGION", "--region", "AWS_ENDPOINT_URL_STS"; static */
    const char
        *accused; /* of the settings, the unusual one that led there, with its value; static, or NULL */
};

/* region: as asked for by option, or NULL or "": AWS_REGION, AWS_DEFAULT_REGION. Honours
 * AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL_EKS_AUTH, AWS_ENDPOINT_URL, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS,
 * AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT and AWS_STS_REGIONAL_ENDPOINTS. REASON_SETTING_INVALID,
 * which is permanent: no region, one that is no DNS label, a URL that is not https (or http to loopback), a
 * switch that is neither true nor false. */
enum reason endpoint_find(enum endpoint_service service, const char *region, injection_getenv *lookup,
                          struct endpoint *out, struct failure *failure);

/* Of that only the region, and what decided on it: for what is no service of the above. */
enum reason endpoint_find_region(const char *region, injection_getenv *lookup, struct endpoint *out,
                                 struct failure *failure);

/* False, with the reason in words that fit behind the value ("is a zone, not a region"), for what is no
 * region. */
bool endpoint_region_check(const char *region, struct buf *problem);

/* Whether the host is one of AWS's own, by the domains of its partitions. */
bool endpoint_is_aws(const struct endpoint *endpoint);

/* "aws", "aws-cn", …: of the partitions' patterns, and "aws" for what fits none. Static storage. */
const char *endpoint_partition(const char *region);

#endif
