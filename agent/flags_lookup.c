#include "agent/flags_lookup.h"

#include <stdlib.h>
#include <string.h>

static const struct settings *looked_up;

void flags_lookup_open(const struct settings *settings) {
    looked_up = settings;
}

const char *flags_lookup(const char *name) {
    static const char container[] = "AWS_CONTAINER_";
    const struct settings *s = looked_up;
    if (strncmp(name, container, sizeof container - 1) == 0)
        return NULL;
    if (s != NULL && s->endpoint != NULL && strcmp(name, "AWS_ENDPOINT_URL_EKS_AUTH") == 0)
        return s->endpoint;
    if (s != NULL && s->sts_endpoint != NULL && strcmp(name, "AWS_ENDPOINT_URL_STS") == 0)
        return s->sts_endpoint;
    if (s != NULL && s->region != NULL && strcmp(name, "AWS_REGION") == 0)
        return s->region;
    return getenv(name);
}
