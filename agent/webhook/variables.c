#include "agent/webhook/variables.h"

#include "agent/webhook/members.h"

/* Where the node's agent answers, as the EKS webhook may say it. */
static const char *const eks_uris[] = {"http://169.254.170.23/v1/credentials",
                                       "http://[fd00:ec2::23]/v1/credentials"};

void variables_note(struct json_span name, struct variables *out) {
    if (!span_begins(name, "AWS_"))
        return;
    out->endpoint |= span_begins(name, "AWS_CONTAINER_");
    out->pair |= span_is(name, VARIABLE_URI) || span_is(name, VARIABLE_TOKEN_FILE);
    out->region |= span_is(name, "AWS_REGION") || span_is(name, "AWS_DEFAULT_REGION");
    out->regional_sts |= span_is(name, "AWS_STS_REGIONAL_ENDPOINTS");
}

void variables_of(struct json_span env, struct variables *out) {
    struct json_span ignored, element;
    size_t of_container = 0, uris = 0, token_files = 0;
    for (size_t position = 0; json_span_next(env, &position, &ignored, &element);) {
        struct member m[] = {{.name = "name", .kind = SPAN_NULL}, {.name = "value", .kind = SPAN_NULL}};
        (void)members_pick(element, m, 2);
        variables_note(m[0].value, out);
        of_container += span_begins(m[0].value, "AWS_CONTAINER_");
        uris += span_is(m[0].value, VARIABLE_URI) &&
                (span_is(m[1].value, eks_uris[0]) || span_is(m[1].value, eks_uris[1]));
        token_files +=
            span_is(m[0].value, VARIABLE_TOKEN_FILE) && span_is(m[1].value, VARIABLE_EKS_TOKEN_FILE);
    }
    out->of_eks = of_container == 2 && uris == 1 && token_files == 1;
    out->endpoint = out->endpoint && !out->of_eks;
}
