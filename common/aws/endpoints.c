#include "common/aws/endpoints.h"

#include <string.h>
#include <strings.h>

#include "common/base/setting.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define REGION_REMEDY                                                                                        \
    "set AWS_REGION (or --region) to the region's name, as in eu-central-1; EKS sets it in pods that it "    \
    "injects"

/* A region is "PREFIX-WORD-NUMBER". Arrays: a pointer would cost a relocation. The first is for what fits
 * none. */
static const struct partition {
    char name[12], prefixes[40], dns[20], dual_stack[32];
} partitions[] = {
    {"aws", " us eu ap sa ca me af il mx ", "amazonaws.com", "api.aws"},
    {"aws-cn", " cn ", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
    {"aws-eusc", " eusc-de ", "amazonaws.eu", "api.amazonwebservices.eu"},
    {"aws-iso", " us-iso ", "c2s.ic.gov", "api.aws.ic.gov"},
    {"aws-iso-b", " us-isob ", "sc2s.sgov.gov", "api.aws.scloud"},
    {"aws-iso-e", " eu-isoe ", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
    {"aws-iso-f", " us-isof ", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
    {"aws-us-gov", " us-gov ", "amazonaws.com", "api.aws"},
};

/* Those that AWS_STS_REGIONAL_ENDPOINTS=legacy sends to the global endpoint. */
static const char legacy[] =
    " ap-northeast-1 ap-south-1 ap-southeast-1 ap-southeast-2 aws-global ca-central-1 "
    "eu-central-1 eu-north-1 eu-west-1 eu-west-2 eu-west-3 sa-east-1 us-east-1 us-east-2 "
    "us-west-1 us-west-2 ";

/* Whether " WORD " stands in a list of words. */
static bool listed(const char *list, const char *word, size_t len) {
    for (const char *at = list; (at = strchr(at, ' ')) != NULL && at[1] != '\0'; at++) {
        if (strncmp(at + 1, word, len) == 0 && at[1 + len] == ' ')
            return len > 0;
    }
    return false;
}

/* The length of a region's PREFIX, 0 if it has another form. */
static size_t prefix_len(const char *region) {
    const char *number = strrchr(region, '-'), *word = number;
    if (number == NULL || number[1] == '\0' || strspn(number + 1, DIGITS) != strlen(number + 1))
        return 0;
    while (word > region && word[-1] != '-')
        word--;
    return word > region + 1 && word < number ? (size_t)(word - region - 1) : 0;
}

static const struct partition *partition_of(const char *region) {
    size_t len = prefix_len(region);
    for (size_t i = 0; i < sizeof partitions / sizeof partitions[0]; i++) {
        if (listed(partitions[i].prefixes, region, len))
            return &partitions[i];
    }
    return &partitions[0];
}

const char *endpoint_partition(const char *region) {
    return partition_of(region)->name;
}

static bool ends_with(const char *host, const char *domain) {
    size_t host_len = strlen(host), len = strlen(domain);
    return host_len > len && strcmp(host + host_len - len, domain) == 0 && host[host_len - len - 1] == '.';
}

bool endpoint_is_aws(const struct endpoint *e) {
    for (size_t i = 0; i < sizeof partitions / sizeof partitions[0]; i++) {
        if (ends_with(e->uri.host, partitions[i].dns) || ends_with(e->uri.host, partitions[i].dual_stack))
            return true;
    }
    return false;
}

/* ---- settings ---- */

static bool set(const char *value) {
    return value != NULL && *value != '\0';
}

static enum reason refuse(const char *name, const char *value, const char *cause, const char *why,
                          const char *remedy, struct failure *f) {
    struct buf m = failure_begin(f, REASON_SETTING_INVALID);
    f->permanent = true;
    f->cause = cause;
    const char *flaw = setting_flaw(value);
    buf_fmt(&m, "%s=", name);
    if (strstr(value, "://") != NULL)
        uri_show(value, &m); /* it may hold a password */
    else
        setting_quote(&m, value);
    buf_fmt(&m, " %s", flaw != NULL ? flaw : why);
    failure_remedy(f, "%s", remedy);
    return f->reason;
}

static enum reason read_switch(injection_getenv *lookup, const char *name, bool *out, struct failure *f) {
    const char *value = lookup(name);
    *out = set(value) && strcasecmp(value, "true") == 0;
    if (!set(value) || *out || strcasecmp(value, "false") == 0)
        return REASON_OK;
    return refuse(name, value, "endpoint-setting", "is neither true nor false",
                  "set it to true or false, or unset it", f);
}

/* "eu-west-1a", "us-west-2-lax-1a": a digit, and one letter at the end. */
static bool is_zone(const char *value, size_t len) {
    return len > 2 && strchr(DIGITS, value[len - 2]) != NULL && strchr(LETTERS, value[len - 1]) != NULL &&
           strchr(value, '-') != NULL;
}

bool endpoint_region_check(const char *value, struct buf *problem) {
    static const char first[] = LETTERS DIGITS, all[] = LETTERS DIGITS "-";
    size_t len = strnlen(value, ENDPOINT_REGION_MAX);
    const char *flaw = setting_flaw(value);
    if (flaw != NULL)
        buf_str(problem, flaw);
    else if (len == 0 || len >= ENDPOINT_REGION_MAX || strspn(value, all) != len ||
             strspn(value, first) == 0 || value[len - 1] == '-')
        buf_str(problem, "is not a region name: lower-case letters, digits and -");
    else if (is_zone(value, len))
        buf_str(problem, "is a zone, not a region: that has no letter at its end");
    return problem->len == 0;
}

enum reason endpoint_find_region(const char *asked, injection_getenv *lookup, struct endpoint *out,
                                 struct failure *f) {
    char why[160];
    struct buf problem = BUF(why);
    const char *value = asked;
    out->origin = "--region";
    if (!set(value))
        value = lookup(out->origin = "AWS_REGION");
    if (!set(value))
        value = lookup(out->origin = "AWS_DEFAULT_REGION");
    if (!set(value)) {
        (void)failure_begin(f, REASON_SETTING_INVALID);
        struct buf m = failure_more(f);
        f->permanent = true;
        f->cause = "region";
        buf_str(&m,
                "neither AWS_REGION nor AWS_DEFAULT_REGION is set, and the endpoints of AWS are regional");
        failure_remedy(f, "%s", REGION_REMEDY);
        return f->reason;
    }
    if (!endpoint_region_check(value, &problem))
        return refuse(out->origin, value, "region", why, REGION_REMEDY, f);
    memcpy(out->region, value, strlen(value) + 1);
    return REASON_OK;
}

static enum reason take_url(const char *name, const char *url, struct endpoint *out, struct failure *f) {
    static const char remedy[] = "let it be https://HOST, or http:// to a loopback address, or unset it";
    out->origin = out->accused = name;
    if (uri_parse(url, &out->uri) != ERR_OK || strchr(out->uri.path, '?') != NULL)
        return refuse(name, url, "endpoint-url", "is not an http:// or https:// URL", remedy, f);
    bool loopback = out->uri.kind == URI_HOST_LOOPBACK || out->uri.kind == URI_HOST_LOCALHOST;
    if (!out->uri.https && !loopback)
        return refuse(name, url, "endpoint-url",
                      "is not https: the request carries tokens, and the answer credentials", remedy, f);
    return REASON_OK;
}

/* ---- hosts ---- */

struct wanted {
    enum endpoint_service service;
    bool fips, dual_stack;
};

static void put_host(const struct wanted *w, const char *region, struct buf *host) {
    const struct partition *p = partition_of(region);
    bool eks = w->service == ENDPOINT_EKS_AUTH;
    bool gov = strcmp(p->name, "aws-us-gov") == 0; /* its plain names are the FIPS ones */
    bool dual_stack = eks || w->dual_stack;
    bool marked = w->fips && (eks || dual_stack || !gov);
    buf_fmt(host, "https://%s%s.%s.%s", eks ? "eks-auth" : "sts", marked ? "-fips" : "", region,
            dual_stack ? p->dual_stack : p->dns);
}

static enum reason build(const struct wanted *w, injection_getenv *lookup, struct endpoint *out,
                         struct failure *f) {
    static const char name[] = "AWS_STS_REGIONAL_ENDPOINTS";
    char text[URI_TEXT_MAX];
    struct buf url = BUF(text);
    const char *mode = lookup(name);
    bool sts = w->service == ENDPOINT_STS, old = sts && set(mode) && strcasecmp(mode, "legacy") == 0;
    if (sts && set(mode) && !old && strcasecmp(mode, "regional") != 0)
        return refuse(name, mode, "endpoint-setting", "is neither regional nor legacy",
                      "set it to regional, or unset it", f);
    bool global =
        !w->fips && !w->dual_stack &&
        (strcmp(out->region, "aws-global") == 0 || (old && listed(legacy, out->region, strlen(out->region))));
    if (sts && global) {
        static const char region[] = "us-east-1";
        buf_str(&url, "https://sts.amazonaws.com");
        out->accused = old ? "AWS_STS_REGIONAL_ENDPOINTS=legacy" : out->origin;
        memcpy(out->region, region, sizeof region);
    } else {
        put_host(w, out->region, &url);
        out->accused = w->fips                ? "AWS_USE_FIPS_ENDPOINT=true"
                       : w->dual_stack && sts ? "AWS_USE_DUALSTACK_ENDPOINT=true"
                                              : NULL;
    }
    (void)uri_parse(text, &out->uri); /* of labels only: it cannot fail */
    return REASON_OK;
}

enum reason endpoint_find(enum endpoint_service service, const char *region, injection_getenv *lookup,
                          struct endpoint *out, struct failure *failure) {
    static const char general[] = "AWS_ENDPOINT_URL";
    const char *name = service == ENDPOINT_STS ? "AWS_ENDPOINT_URL_STS" : "AWS_ENDPOINT_URL_EKS_AUTH";
    struct wanted w = {.service = service};
    bool ignore = false;
    enum reason reason = endpoint_find_region(region, lookup, out, failure);
    if (reason == REASON_OK)
        reason = read_switch(lookup, "AWS_USE_FIPS_ENDPOINT", &w.fips, failure);
    if (reason == REASON_OK)
        reason = read_switch(lookup, "AWS_USE_DUALSTACK_ENDPOINT", &w.dual_stack, failure);
    if (reason == REASON_OK)
        reason = read_switch(lookup, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", &ignore, failure);
    if (reason != REASON_OK)
        return reason;
    if (!ignore && set(lookup(name)))
        return take_url(name, lookup(name), out, failure);
    if (!ignore && set(lookup(general)))
        return take_url(general, lookup(general), out, failure);
    return build(&w, lookup, out, failure);
}
