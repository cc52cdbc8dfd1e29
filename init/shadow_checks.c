#include "init/shadow_checks.h"

#include <string.h>
#include <strings.h>

#include "common/base/setting.h"
#include "common/http/no_proxy.h"

#define REMOVE_REMEDY "remove %s from the env of the containers that shall use EKS Pod Identity"

static struct buf warn(struct failure *finding) {
    return failure_begin(finding, REASON_INJECTION_INVALID);
}

enum check_status check_shadow_static_keys(struct run *run, struct failure *finding) {
    bool id = check_is_set(run, "AWS_ACCESS_KEY_ID"), secret = check_is_set(run, "AWS_SECRET_ACCESS_KEY");
    if (!id && !secret)
        return check_passed(finding, "no static keys in the environment");
    struct buf m = warn(finding);
    if (id && secret)
        buf_str(&m, "both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set: all AWS SDKs take those keys "
                    "before EKS Pod "
                    "Identity");
    else
        buf_fmt(&m, "%s is set without its other half: botocore fails on that, other AWS SDKs pass it by",
                id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY");
    failure_remedy(finding, REMOVE_REMEDY, id && secret ? "both" : "it");
    return CHECK_WARN;
}

enum check_status check_shadow_profile(struct run *run, struct failure *finding) {
    static const char *const names[] = {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!check_is_set(run, names[i]))
            continue;
        struct buf m = warn(finding);
        buf_fmt(&m, "%s=", names[i]);
        check_quote(&m, run->lookup(names[i]));
        buf_str(&m, " is set: AWS SDKs take the credentials of that profile before EKS Pod Identity, and "
                    "botocore fails if "
                    "there is no such profile");
        failure_remedy(finding, REMOVE_REMEDY, names[i]);
        return CHECK_WARN;
    }
    return check_passed(finding, "no profile is chosen");
}

enum check_status check_shadow_web_identity(struct run *run, struct failure *finding) {
    bool role = check_is_set(run, INJECTION_ROLE_ARN), token = check_is_set(run, INJECTION_WEB_TOKEN_FILE);
    if (!token)
        return check_passed(finding, "no web identity (IRSA) beside it");
    if (run->source.kind == SOURCE_WEB_IDENTITY)
        return check_passed(finding, "web identity (IRSA) is what is used");
    struct buf m = warn(finding);
    if (!role) {
        buf_str(&m, INJECTION_WEB_TOKEN_FILE " is set without " INJECTION_ROLE_ARN
                                             ": botocore fails on that, other AWS SDKs pass it by");
        failure_remedy(finding, REMOVE_REMEDY, "it");
        return CHECK_WARN;
    }
    buf_str(&m, "both " INJECTION_ROLE_ARN "=");
    check_quote(&m, run->lookup(INJECTION_ROLE_ARN));
    buf_str(&m, " and " INJECTION_WEB_TOKEN_FILE
                " are set: botocore (Python, AWS CLI), Go v2, JavaScript v3 and minio-go take "
                "that role (IRSA, web identity) before EKS Pod Identity");
    failure_remedy(
        finding,
        "remove the annotation eks.amazonaws.com/role-arn from the service account and both variables from "
        "the pod spec, if EKS Pod Identity is meant, then recreate the pod");
    return CHECK_WARN;
}

enum check_status check_shadow_relative_uri(struct run *run, struct failure *finding) {
    if (!check_is_set(run, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
        return check_passed(finding, "no AWS_CONTAINER_CREDENTIALS_RELATIVE_URI beside it");
    struct buf m = warn(finding);
    buf_str(&m, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set: all AWS SDKs take it before " INJECTION_URI
                ", and ask the endpoint of ECS, 169.254.170.2, which EKS does not have");
    failure_remedy(finding, REMOVE_REMEDY, "it");
    return CHECK_WARN;
}

/* No SDK that asks a proxy here reads ALL_PROXY. */
static const char *proxy_variable(const struct run *run, bool https) {
    static const char *const names[2][2] = {{"HTTP_PROXY", "http_proxy"}, {"HTTPS_PROXY", "https_proxy"}};
    for (int i = 0; i < 2; i++) {
        if (check_is_set(run, names[https ? 1 : 0][i]))
            return names[https ? 1 : 0][i];
    }
    return NULL;
}

enum check_status check_shadow_proxy(struct run *run, struct failure *finding) {
    const struct uri *uri = source_upstream(&run->source);
    const char *name = proxy_variable(run, uri->https);
    if (name == NULL)
        return check_passed(finding, "no proxy is set that an AWS SDK would ask for credentials");
    if (run->source.kind != SOURCE_POD_IDENTITY)
        return check_passed(finding, "%s is set, and is used for %s unless NO_PROXY says otherwise", name,
                            uri->host);
    /* Go leaves out loopback by itself. */
    if (!uri_is_local(uri) || uri->kind == URI_HOST_LOOPBACK || uri->kind == URI_HOST_LOCALHOST)
        return check_passed(finding, "%s is set, and does not concern this address", name);
    bool kotlin = !no_proxy_of_kotlin(run->lookup, uri);
    if (no_proxy_of_go(run->lookup, uri))
        return check_passed(finding, "%s is set, and NO_PROXY leaves out %s%s", name, uri->host,
                            kotlin ? "; not for the AWS SDK for Kotlin, which knows no networks there" : "");
    struct buf m = warn(finding);
    buf_fmt(&m,
            "%s is set, and NO_PROXY does not cover %s as Go reads it: the AWS SDKs for Go (v1, v2)%s and "
            "minio-go "
            "send the request, with its token, to the proxy; botocore, Java, JavaScript, C++, .NET, PHP and "
            "Ruby do "
            "not, nor does this program",
            name, uri->host, kotlin ? ", Kotlin" : "");
    failure_remedy(
        finding,
        "add %s to both NO_PROXY and no_proxy in the env of all containers that have a proxy, without "
        "brackets, and with commas between the entries",
        uri->host);
    return CHECK_WARN;
}

enum check_status check_shadow_metadata(struct run *run, struct failure *finding) {
    const char *value = run->lookup("AWS_EC2_METADATA_DISABLED");
    if (value != NULL && strcasecmp(value, "true") == 0)
        return check_passed(finding,
                            "SDKs do not ask the node's metadata service (AWS_EC2_METADATA_DISABLED)");
    struct buf m = warn(finding);
    buf_str(&m, "AWS_EC2_METADATA_DISABLED is not \"true\": where EKS Pod Identity fails, AWS SDKs go on to "
                "the node's "
                "metadata service, and act as the node's role without a word");
    failure_remedy(
        finding,
        "set AWS_EC2_METADATA_DISABLED=true in the env of all containers of this pod, so that a failure "
        "shows, or limit the hops to the metadata service to 1 on the nodes");
    return CHECK_WARN;
}

enum check_status check_shadow_region(struct run *run, struct failure *finding) {
    static const char *const names[] = {"AWS_DEFAULT_REGION", "AWS_REGION"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!check_is_set(run, names[i]))
            continue;
        const char *value = run->lookup(names[i]);
        char why[160];
        struct buf problem = BUF(why);
        bool good = endpoint_region_check(value, &problem);
        struct buf m = failure_begin(finding, good ? REASON_OK : REASON_SETTING_INVALID);
        buf_fmt(&m, "%s=", names[i]);
        setting_quote(&m, value);
        if (good)
            continue;
        buf_fmt(&m, " %s", why);
        failure_remedy(
            finding, "set it to the name of a region, as in eu-central-1, or leave it out where EKS sets it");
        return CHECK_WARN;
    }
    if (check_is_set(run, names[0]) || check_is_set(run, names[1]))
        return CHECK_PASS;
    struct buf m = warn(finding);
    buf_str(&m, "neither AWS_REGION nor AWS_DEFAULT_REGION is set: AWS SDKs have credentials, and no region "
                "to use them in, "
                "unless the application says it");
    failure_remedy(
        finding, "set both AWS_REGION and AWS_DEFAULT_REGION (botocore) in the env of this pod's containers");
    return CHECK_WARN;
}

enum check_status check_shadow_token_value(struct run *run, struct failure *finding) {
    if (!check_is_set(run, INJECTION_TOKEN_VALUE))
        return check_passed(finding, "no fixed token beside the file");
    struct buf m = warn(finding);
    buf_str(&m, INJECTION_TOKEN_VALUE
            " is set beside " INJECTION_TOKEN_FILE
            ": Java v2, Envoy and others send that value and never read the file, whose token "
            "the kubelet renews; once the value has expired, they are refused");
    failure_remedy(finding, REMOVE_REMEDY, INJECTION_TOKEN_VALUE);
    return CHECK_WARN;
}

struct unknown {
    struct buf *message;
    unsigned count;
};

static void add_unknown(void *context, const char *variable, const char *meant) {
    struct unknown *u = context;
    buf_fmt(u->message, "%s%s", u->count++ > 0 ? ", " : "", variable);
    if (meant[0] != '\0')
        buf_fmt(u->message, " (did you mean %s?)", meant);
}

enum check_status check_settings_variables(struct run *run, struct failure *finding) {
    (void)run;
    struct buf m = failure_begin(finding, REASON_SETTING_INVALID);
    struct unknown unknown = {&m, 0};
    options_unknown(&config_options, add_unknown, &unknown);
    if (unknown.count == 0)
        return check_passed(finding, "every POD_IDENTITY_ variable is an option");
    buf_str(&m, unknown.count == 1 ? ": no option has that name, and the variable is not used"
                                   : ": no options have these names, and the variables are not used");
    failure_remedy(finding, "correct or remove what is mistyped (--help lists the options: --some-name is "
                            "POD_IDENTITY_SOME_NAME)");
    return CHECK_WARN;
}
