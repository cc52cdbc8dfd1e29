#include "init/explain.h"

#include <string.h>
#include <strings.h>

#include "common/pod/injection.h"

/* Cause, ways to confirm, and what mends it, with an empty line between them. One string, since in a static
 * PIE each pointer costs a relocation of 24 bytes. */
static const struct explanation {
    enum reason reason;
    const char *text;
} explanations[] = {
    {REASON_OK, "All checks passed, or only warned.\n\n"
                "kubectl logs POD -c CONTAINER\n    the report, with its warnings\n\n"
                "Nothing. With --strict, warnings fail.\n"},
    {REASON_NOT_INJECTED,
     "Neither the variables of EKS Pod Identity nor those of IRSA are in this container's environment (or "
     "only\n"
     "IRSA's, and --source=pod-identity asks for the other). EKS's\n"
     "webhook acts only when a pod is created, and if it fails nobody is told. There was no association then "
     "(a new one\n"
     "takes seconds to be seen), or the webhook could not be reached, or pod or container are excluded, or "
     "another webhook\n"
     "added the container later. SDKs then silently go on to the node's role.\n\n"
     "kubectl get pod POD -o yaml\n    env; label eks.amazonaws.com/pod-identity; annotation "
     "eks.amazonaws.com/skip-containers\n"
     "aws eks list-pod-identity-associations --cluster-name CLUSTER --namespace NAMESPACE --service-account "
     "NAME\n\n"
     "Restarting the container does not help. Make the association, wait some seconds, kubectl delete pod "
     "POD.\n"
     "Without the webhook: mount a projected serviceAccountToken (audience pods.eks.amazonaws.com, path\n"
     "eks-pod-identity-token) at /var/run/secrets/pods.eks.amazonaws.com/serviceaccount; "
     "--self-injected=require.\n"},
    {REASON_INJECTION_INVALID, "Variables are there, and cannot be used: one of the pair without the other "
                               "(the webhook adds neither then), no URI, an\n"
                               "address to which no SDK sends a token, a relative path. With --strict: what "
                               "SDKs take before EKS Pod Identity.\n\n"
                               "kubectl get pod POD -o yaml\n    env and envFrom of this container\n\n"
                               "Remove both variables from the pod spec, let the webhook inject them, "
                               "recreate the pod. The usual values:\n"
                               "AWS_CONTAINER_CREDENTIALS_FULL_URI=" INJECTION_STANDARD_URI
                               " (IPv6: http://[" URI_EKS_V6 "]/v1/credentials)\n"
                               "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=" INJECTION_STANDARD_TOKEN_FILE "\n"},
    {REASON_TOKEN_UNREADABLE,
     "The token is missing, empty, too large or no file, or this user may not read it. The kubelet makes it "
     "readable for all\n"
     "(0644) only in pods with neither fsGroup nor one runAsUser for all containers; else it is that group's "
     "(0640) or\n"
     "that user's (0600). The message has all numbers, or the link that is broken.\n\n"
     "kubectl get pod POD -o yaml\n    volume eks-pod-identity-token, its mount in this container, "
     "securityContext\n"
     "kubectl describe pod POD\n    events of the volume\n\n"
     "Permission: securityContext.fsGroup in the pod (any group), or one runAsUser for all containers. "
     "Missing: take away\n"
     "volumes and mounts of that name which the pod spec has itself. Both need a new pod.\n"},
    {REASON_TOKEN_INVALID,
     "AWS would refuse the token, or has: no JSON web token, another audience than pods.eks.amazonaws.com "
     "(IRSA:\n"
     "sts.amazonaws.com), expired (the\n"
     "kubelet's renewal is stuck; with subPath there is none), not yet valid (a clock), of another "
     "cluster.\n\n"
     "kubectl get pod POD -o yaml\n    audience of the projected volume, subPath of the mount\n"
     "chronyc tracking\n    on the node: its clock\n"
     "journalctl -u kubelet\n    on the node: errors about serviceaccount tokens\n\n"
     "Correct volume or clock; then delete the pod, so that it gets a fresh token.\n"},
    {REASON_SETTING_INVALID,
     "A variable of the environment that decides whom AWS is asked for, and how, cannot be used: a region "
     "(a zone is none),\n"
     "an endpoint, a switch, a proxy, a CA bundle. The message names variable and value. Mostly a template "
     "was not filled in\n"
     "(${NAME}, $(NAME)), a line break or quotes came along, or two programs disagree on the values. Nothing "
     "was sent.\n\n"
     "kubectl get pod POD -o yaml\n    env and envFrom of this container; the ConfigMap or Secret that they "
     "name\n\n"
     "Correct the value where it is set; where EKS sets it, leave it out. A ConfigMap's new value needs a "
     "new "
     "pod.\n"},
    {REASON_AGENT_UNREACHABLE,
     "Nobody answered at the agent's address until the deadline.\n"
     "refused: nothing listens; the agent is not running on this node, or not yet; Fargate has none\n"
     "timed out while connecting: packets are dropped, by a NetworkPolicy or host firewall\n"
     "timed out while waiting: the agent hangs, mostly because the node does not reach EKS Auth\n"
     "no route, no address of that IP version: IPv6 injected where the pod has none, or a fault of the CNI\n"
     "prohibited: a local rule rejects it\n\n"
     "kubectl -n kube-system get pods -o wide -l app.kubernetes.io/name=eks-pod-identity-agent\n"
     "kubectl -n kube-system logs ds/eks-pod-identity-agent\n"
     "kubectl get networkpolicy -n NAMESPACE\n"
     "kubectl debug POD -it --image=busybox -- wget -SO- http://169.254.170.23/\n    404 means alive\n\n"
     "Install the add-on eks-pod-identity-agent, and let it tolerate the node's taints. Allow egress to "
     "169.254.170.23/32\n"
     "and fd00:ec2::23/128, port 80; with Cilium, where an ipBlock cannot match the node, by a\n"
     "CiliumNetworkPolicy with toEntities: [host]. On nodes without IPv6, configure the add-on with\n"
     "{\"agent\":{\"additionalArgs\":{\"-b\":\"169.254.170.23\"}}}. If it only starts late on fresh nodes: a "
     "longer --wait.\n"},
    {REASON_ACCESS_DENIED,
     "AWS said no. ResourceNotFoundException: no association for this namespace and service account in this "
     "cluster.\n"
     "AccessDeniedException: the role's trust policy, or the node's role. PackedPolicyTooLarge: too many "
     "session tags.\n"
     "AccessDenied (STS): the trust policy of the role of IRSA or of --assume-role, or a condition in it.\n\n"
     "aws eks list-pod-identity-associations --cluster-name CLUSTER --namespace NAMESPACE --service-account "
     "NAME\n"
     "aws eks describe-cluster --name CLUSTER --query cluster.identity.oidc.issuer\n    ends in the id that "
     "the message shows\n"
     "aws iam get-role --role-name ROLE --query Role.AssumeRolePolicyDocument\n\n"
     "Association: aws eks create-pod-identity-association --cluster-name CLUSTER --namespace NAMESPACE "
     "--service-account\n"
     "NAME --role-arn ROLE; the pod need not be recreated. Trust policy: principal {\"Service\":\n"
     "\"pods.eks.amazonaws.com\"}, actions sts:AssumeRole and sts:TagSession. Node's role:\n"
     "eks-auth:AssumeRoleForPodIdentity (AmazonEKSWorkerNodePolicy). Tags: disableSessionTags in the "
     "association.\n"
     "STS: the target role trusts the pod's role with sts:AssumeRole and sts:TagSession; for IRSA, the "
     "cluster's OIDC\n"
     "provider with sts:AssumeRoleWithWebIdentity. pod-identity-sidecar whoami tells who asks.\n"},
    {REASON_THROTTLED, "The agent or EKS Auth answered 429 or 5xx until the deadline: too many pods start at "
                       "once, EKS Auth has a fault, or the\n"
                       "node cannot reach it.\n\n"
                       "kubectl -n kube-system logs ds/eks-pod-identity-agent\n    throttling, or timeouts "
                       "to eks-auth.REGION.api.aws\n\n"
                       "A longer --wait, and pods that start more slowly. In private subnets: the VPC "
                       "endpoint com.amazonaws.REGION.eks-auth.\n"},
    {REASON_BAD_RESPONSE, "Something answered, and not with usable credentials: no HTTP, no JSON, keys "
                          "missing, cut short, too large, expired, or\n"
                          "less time left than --min-ttl. Mostly a proxy or service mesh takes the agent's "
                          "address, or a clock is wrong.\n\n"
                          "kubectl debug POD -it --image=busybox -- wget -SO- http://169.254.170.23/\n    "
                          "the agent answers 404\n\n"
                          "Exclude 169.254.170.23/32 and fd00:ec2::23/128 from the mesh and from proxies "
                          "(NO_PROXY). If it is the agent, update\n"
                          "the add-on; if little time is left, lower --min-ttl.\n"},
    {REASON_AWS_UNREACHABLE,
     "STS, EKS Auth or the node's metadata service did not answer until the deadline.\n"
     "could not resolve the host name: this pod's DNS, or a region that does not exist\n"
     "refused, no route, timed out while connecting: a NetworkPolicy, security group or route, or a VPC "
     "without internet\n"
     "not let through by the proxy: it refuses CONNECT, asks for a password, or is not there\n\n"
     "kubectl exec POD -- getent hosts sts.REGION.amazonaws.com\n"
     "kubectl get networkpolicy -n NAMESPACE\n"
     "aws ec2 describe-vpc-endpoints --query VpcEndpoints[].ServiceName\n\n"
     "Allow egress to port 443, and to port 53 for names; set or correct HTTPS_PROXY and NO_PROXY; without "
     "internet make\n"
     "the VPC endpoint com.amazonaws.REGION.sts (EKS Auth: com.amazonaws.REGION.eks-auth) with private DNS. "
     "Metadata\n"
     "service: a hop limit of 2.\n"},
    {REASON_TLS_FAILED,
     "The server of STS or EKS Auth, or a proxy, answered, and its certificate or its TLS cannot be "
     "accepted.\n"
     "no trusted authority: a proxy opens TLS, or a private endpoint has a private authority\n"
     "expired, not yet valid: a clock that is wrong, or a certificate that was not renewed\n"
     "another host: DNS or AWS_ENDPOINT_URL leads to another server\n"
     "no common version or cipher: the server speaks no TLS 1.2 with ECDHE and AES-GCM\n\n"
     "openssl s_client -connect HOST:443 -servername HOST -tls1_2 -showcerts </dev/null\n"
     "chronyc tracking\n    on the node: its clock\n\n"
     "Give the authority's certificate, with those of AWS, in --ca-bundle or AWS_CA_BUNDLE; set the clock; "
     "let the server\n"
     "send its chain, with a certificate that names the host. AWS's own endpoints need none of this: there, "
     "find out\n"
     "who answers in their stead.\n"},
    {REASON_UNEXPECTED_IDENTITY,
     "It works, for somebody else than an --expect option says: namespace, service account, account or "
     "role.\n\n"
     "kubectl get pod POD -o yaml\n    metadata.namespace, spec.serviceAccountName\n"
     "aws eks list-pod-identity-associations --cluster-name CLUSTER --namespace NAMESPACE\n\n"
     "Correct the pod's service account (needs a new pod), the association's role, or the option.\n"},
    {REASON_USAGE, "An option, a POD_IDENTITY_ variable or a command cannot be understood.\n\n"
                   "pod-identity-init --help\n\n"
                   "Correct the container's args or env; the message names the option.\n"},
    {REASON_INTERNAL,
     "A fault that has nothing to do with AWS: no memory, or --install could not write.\n\n"
     "kubectl describe pod POD\n    memory limit, volumes\n\n"
     "The message names step and error. --install needs a volume that this user may write to.\n"},
};

#define COUNT (sizeof explanations / sizeof explanations[0])

static bool is_named(const struct explanation *e, const char *text) {
    char number[12];
    struct buf b = BUF(number);
    buf_fmt(&b, "%d", (int)e->reason);
    return strcasecmp(text, reason_name(e->reason)) == 0 || strcmp(text, number) == 0;
}

static void put_parts(struct buf *out, const char *text) {
    static const char titles[][8] = {"Cause", "Confirm", "Mend"};
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        buf_fmt(out, "\n%s\n", titles[i]);
        while (*text != '\0' && *text != '\n') {
            size_t len = strcspn(text, "\n") + 1;
            buf_str(out, "  ");
            buf_put(out, text, len);
            text += len;
        }
        text += *text == '\n' ? 1 : 0;
    }
}

bool explain(const char *reason, struct buf *out, struct buf *problem) {
    for (const struct explanation *e = explanations; e < explanations + COUNT; e++) {
        if (!is_named(e, reason))
            continue;
        buf_fmt(out, "%s (exit code %d)\n", reason_name(e->reason), (int)e->reason);
        put_parts(out, e->text);
        return true;
    }
    buf_str(problem, "explain ");
    buf_printable(problem, reason, strnlen(reason, 65), 64);
    buf_str(problem, *reason == '\0' ? "needs a reason:" : ": no such reason; there are");
    for (size_t i = 0; i < COUNT; i++)
        buf_fmt(problem, "%s %s", i > 0 ? "," : "", reason_name(explanations[i].reason));
    return false;
}
