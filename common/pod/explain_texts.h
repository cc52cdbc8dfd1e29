/* The texts of explain: a row EXPLANATION(reason, text) for each reason. The programs have them packed
 * (common/deps/tools/pack.c).
 *
 * Cause, ways to confirm it, and the fix, with an empty line between them; a line is a sentence, or a
 * command. images/TROUBLESHOOTING.md has the same texts: tests/integration/harness/explained.py writes them
 * there. */
#ifndef POD_IDENTITY_POD_EXPLAIN_TEXTS_H
#define POD_IDENTITY_POD_EXPLAIN_TEXTS_H

#include "common/pod/injection.h"

#define EXPLANATIONS                                                                                         \
    EXPLANATION(REASON_OK, "All checks passed, or only warned.\n\n"                                          \
                           "# the report, with its warnings\n"                                               \
                           "kubectl logs POD -c pod-identity-init\n\n"                                       \
                           "Nothing to do. With --strict, warnings fail.\n")                                 \
    EXPLANATION(                                                                                             \
        REASON_NOT_INJECTED,                                                                                 \
        "This container has neither the variables of EKS Pod Identity nor those of IRSA (or only those of "  \
        "IRSA, "                                                                                             \
        "and --source=pod-identity asks for the others).\n"                                                  \
        "EKS's webhook acts only when a pod is created, and nobody is told when it fails. SDKs then go on "  \
        "to "                                                                                                \
        "the node's role without a word.\n"                                                                  \
        "Either there was no association at that time (a new one takes some seconds to be seen), or the "    \
        "API "                                                                                               \
        "server could not reach the webhook, or the pod or this container is excluded, or another webhook "  \
        "added "                                                                                             \
        "this container later.\n\n"                                                                          \
        "# env of the container; label eks.amazonaws.com/pod-identity; annotation "                          \
        "eks.amazonaws.com/skip-containers\n"                                                                \
        "kubectl get pod POD -o yaml\n"                                                                      \
        "aws eks list-pod-identity-associations --cluster-name CLUSTER --namespace NAMESPACE "               \
        "--service-account "                                                                                 \
        "NAME\n\n"                                                                                           \
        "Create the association (on EKS), or its key in the ConfigMap of pod-identity-agent (on another "    \
        "cluster), wait some seconds, then delete the pod so that a new one is created. A restart of the "   \
        "container "                                                                                         \
        "does not help.\n"                                                                                   \
        "To do without the webhook: mount a projected serviceAccountToken (audience "                        \
        "pods.eks.amazonaws.com, "                                                                           \
        "path eks-pod-identity-token) at /var/run/secrets/pods.eks.amazonaws.com/serviceaccount, and set "   \
        "--self-injected=require.\n")                                                                        \
    EXPLANATION(REASON_INJECTION_INVALID,                                                                    \
                "The variables are there and cannot be used: one of the pair is missing (the "               \
                "webhook then adds neither), the value is not a URI, no SDK sends a token to "               \
                "that address, or the token's path is relative.\n"                                           \
                "With --strict: something that SDKs use before EKS Pod Identity is set.\n\n"                 \
                "# env and envFrom of this container\n"                                                      \
                "kubectl get pod POD -o yaml\n\n"                                                            \
                "Remove both variables from the pod spec, let the webhook inject them, and "                 \
                "create the pod again. The usual values are:\n"                                              \
                "AWS_CONTAINER_CREDENTIALS_FULL_URI: " INJECTION_STANDARD_URI " (IPv6: http://[" URI_EKS_V6  \
                "]/v1/credentials)\n"                                                                        \
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: " INJECTION_STANDARD_TOKEN_FILE "\n")               \
    EXPLANATION(REASON_TOKEN_UNREADABLE,                                                                     \
                "The token is missing, empty, too large or not a file, or this user may not read it.\n"      \
                "The kubelet makes it readable for all (0644) only in pods with neither fsGroup nor one "    \
                "runAsUser for "                                                                             \
                "all containers. Otherwise only that group (0640) or that user (0600) can read it. The "     \
                "message has all "                                                                           \
                "numbers, or the link that is broken.\n\n"                                                   \
                "# volume eks-pod-identity-token, its mount in this container, securityContext\n"            \
                "kubectl get pod POD -o yaml\n"                                                              \
                "# events of the volume\n"                                                                   \
                "kubectl describe pod POD\n\n"                                                               \
                "Permission: set securityContext.fsGroup in the pod (any group), or one runAsUser for all "  \
                "containers.\n"                                                                              \
                "Missing: remove volumes and mounts of that name from the pod spec.\n"                       \
                "Both need a new pod.\n")                                                                    \
    EXPLANATION(                                                                                             \
        REASON_TOKEN_INVALID,                                                                                \
        "AWS refused the token, or would refuse it.\n"                                                       \
        "It is not a JSON web token, or it is for another audience than pods.eks.amazonaws.com (IRSA: "      \
        "sts.amazonaws.com).\n"                                                                              \
        "It is expired (the kubelet does not renew it; with subPath it never does), or not yet valid (a "    \
        "clock "                                                                                             \
        "is wrong).\n"                                                                                       \
        "It is from another cluster.\n\n"                                                                    \
        "# audience of the projected volume, subPath of the mount\n"                                         \
        "kubectl get pod POD -o yaml\n"                                                                      \
        "# on the node: its clock, and the kubelet's errors about service account tokens\n"                  \
        "chronyc tracking\n"                                                                                 \
        "journalctl -u kubelet\n\n"                                                                          \
        "Correct the volume or the clock, then delete the pod so that the new one gets a new token.\n")      \
    EXPLANATION(REASON_SETTING_INVALID,                                                                      \
                "An environment variable that decides which AWS endpoint is asked, and how, cannot be "      \
                "used: a region (a "                                                                         \
                "zone is not a region), an endpoint, a switch, a proxy or a CA bundle. The message names "   \
                "the variable "                                                                              \
                "and its value. Nothing was sent.\n"                                                         \
                "Most often a template was not filled in (${NAME}, $(NAME)), or a line break or quotes "     \
                "came along.\n\n"                                                                            \
                "# env and envFrom of this container, and the ConfigMap or Secret that they name\n"          \
                "kubectl get pod POD -o yaml\n\n"                                                            \
                "Correct the value where it is set. Where EKS sets it, leave it out. A new value in a "      \
                "ConfigMap needs a "                                                                         \
                "new pod.\n")                                                                                \
    EXPLANATION(                                                                                             \
        REASON_AGENT_UNREACHABLE,                                                                            \
        "Nobody answered at the agent's address until the deadline.\n"                                       \
        "refused: nothing listens. The agent does not run on this node, or not yet. Fargate has none.\n"     \
        "timed out while connecting: packets are dropped, by a NetworkPolicy or the host's firewall.\n"      \
        "timed out while waiting: the agent hangs, most often because the node cannot reach EKS Auth.\n"     \
        "no route, or no address of that IP version: IPv6 was injected and the pod has none, or the CNI "    \
        "has a "                                                                                             \
        "fault.\n"                                                                                           \
        "prohibited: a local rule rejects it.\n\n"                                                           \
        "kubectl get pods -A -o wide -l 'app.kubernetes.io/name in (eks-pod-identity-agent, "                \
        "pod-identity-agent)'\n"                                                                             \
        "kubectl -n kube-system logs ds/eks-pod-identity-agent\n"                                            \
        "kubectl get networkpolicy -n NAMESPACE\n"                                                           \
        "# 404 means that the agent answers\n"                                                               \
        "kubectl debug POD -it --image=busybox --profile=restricted -- wget -SO- http://169.254.170.23/\n\n" \
        "Install the add-on eks-pod-identity-agent, and let it tolerate the node's taints.\n"                \
        "Allow egress to 169.254.170.23/32 and fd00:ec2::23/128, port 80. With Cilium an ipBlock cannot "    \
        "match "                                                                                             \
        "the node: use a CiliumNetworkPolicy with toEntities: [host].\n"                                     \
        "On nodes without IPv6, configure the add-on with "                                                  \
        "{\"agent\":{\"additionalArgs\":{\"-b\":\"169.254.170.23\"}}}.\n"                                    \
        "If the agent only starts late on new nodes: a longer --wait.\n")                                    \
    EXPLANATION(                                                                                             \
        REASON_ACCESS_DENIED,                                                                                \
        "AWS refused. The message has AWS's own code:\n"                                                     \
        "ResourceNotFoundException: no association for this namespace and service account in this "          \
        "cluster.\n"                                                                                         \
        "AccessDeniedException: the trust policy of the role, or the node's role.\n"                         \
        "PackedPolicyTooLarge: too many session tags.\n"                                                     \
        "AccessDenied (STS): the trust policy of the role of IRSA or of --assume-role, or a condition in "   \
        "it.\n\n"                                                                                            \
        "aws eks list-pod-identity-associations --cluster-name CLUSTER --namespace NAMESPACE "               \
        "--service-account "                                                                                 \
        "NAME\n"                                                                                             \
        "# ends in the id that the message shows\n"                                                          \
        "aws eks describe-cluster --name CLUSTER --query cluster.identity.oidc.issuer\n"                     \
        "aws iam get-role --role-name ROLE --query Role.AssumeRolePolicyDocument\n"                          \
        "# which role asks STS\n"                                                                            \
        "kubectl exec POD -c pod-identity-sidecar -- /pod-identity-sidecar whoami\n\n"                       \
        "No association: aws eks create-pod-identity-association --cluster-name CLUSTER --namespace "        \
        "NAMESPACE "                                                                                         \
        "--service-account NAME --role-arn ROLE. The pod need not be created again.\n"                       \
        "No EKS: where the message has [configmap:...] or [associations], add the key NAMESPACE.NAME to "    \
        "the "                                                                                               \
        "agent's "                                                                                           \
        "ConfigMap.\n"                                                                                       \
        "Trust policy: principal {\"Service\": \"pods.eks.amazonaws.com\"}, actions sts:AssumeRole and "     \
        "sts:TagSession.\n"                                                                                  \
        "Node's role: allow eks-auth:AssumeRoleForPodIdentity (it is in AmazonEKSWorkerNodePolicy).\n"       \
        "Too many tags: disableSessionTags in the association.\n"                                            \
        "STS: the target role trusts the pod's role with sts:AssumeRole and sts:TagSession. For IRSA it "    \
        "trusts "                                                                                            \
        "the cluster's OIDC provider with sts:AssumeRoleWithWebIdentity.\n")                                 \
    EXPLANATION(REASON_THROTTLED,                                                                            \
                "The agent, EKS Auth or STS answered 429 or 5xx until the deadline: too many pods "          \
                "start at once, AWS has a fault, or the node cannot reach EKS Auth.\n\n"                     \
                "# throttling, or timeouts to eks-auth.REGION.api.aws\n"                                     \
                "kubectl -n kube-system logs ds/eks-pod-identity-agent\n\n"                                  \
                "A longer --wait, and pods that start more slowly.\n"                                        \
                "In private subnets: the VPC endpoint com.amazonaws.REGION.eks-auth.\n")                     \
    EXPLANATION(                                                                                             \
        REASON_BAD_RESPONSE,                                                                                 \
        "Something answered without usable credentials: not valid HTTP, not JSON, keys are missing, cut "    \
        "short, "                                                                                            \
        "too "                                                                                               \
        "large, expired, or less time left than --min-ttl.\n"                                                \
        "Most often a proxy or a service mesh takes the agent's address, or a clock is wrong.\n\n"           \
        "# the agent answers 404\n"                                                                          \
        "kubectl debug POD -it --image=busybox --profile=restricted -- wget -SO- http://169.254.170.23/\n\n" \
        "Exclude 169.254.170.23/32 and fd00:ec2::23/128 from the mesh and from proxies (NO_PROXY).\n"        \
        "If it is the agent, update the add-on. If too little time is left, lower --min-ttl.\n")             \
    EXPLANATION(                                                                                             \
        REASON_AWS_UNREACHABLE,                                                                              \
        "STS, EKS Auth or the node's metadata service did not answer until the deadline.\n"                  \
        "the name is not resolved: this pod's DNS, or a region that does not exist.\n"                       \
        "timed out while connecting: a NetworkPolicy, a security group, a route, or a VPC without "          \
        "internet.\n"                                                                                        \
        "refused, prohibited, or no route: a NetworkPolicy or firewall that rejects, or a route.\n"          \
        "closed without an answer: the server, or a proxy or firewall on the way to it.\n"                   \
        "timed out in TLS, or waiting for a proxy's answer: TCP got through, and "                           \
        "nothing came back, from a firewall, a proxy, or a port that speaks something else.\n"               \
        "not let through by the proxy: it refuses CONNECT, asks for a password, or is not there.\n\n"        \
        "kubectl exec POD -- getent hosts sts.REGION.amazonaws.com\n"                                        \
        "kubectl get networkpolicy -n NAMESPACE\n"                                                           \
        "aws ec2 describe-vpc-endpoints --query 'VpcEndpoints[].ServiceName'\n\n"                            \
        "Allow egress to port 443, and to port 53 for names. Set or correct HTTPS_PROXY and NO_PROXY.\n"     \
        "Without internet: the VPC endpoint com.amazonaws.REGION.sts (for EKS Auth "                         \
        "com.amazonaws.REGION.eks-auth) with private DNS.\n"                                                 \
        "Metadata service: a hop limit of 2.\n")                                                             \
    EXPLANATION(                                                                                             \
        REASON_TLS_FAILED,                                                                                   \
        "STS, EKS Auth or a proxy answered, and its certificate or its TLS cannot be accepted.\n"            \
        "no trusted authority: a proxy opens TLS, or a private endpoint has a private authority.\n"          \
        "expired, or not yet valid: a clock is wrong, or the certificate was not renewed.\n"                 \
        "another host: DNS or AWS_ENDPOINT_URL leads to another server.\n"                                   \
        "no common version or cipher: the server does not speak TLS 1.2 with ECDHE and AES-GCM.\n\n"         \
        "openssl s_client -connect HOST:443 -servername HOST -tls1_2 -showcerts </dev/null\n"                \
        "# on the node: its clock\n"                                                                         \
        "chronyc tracking\n\n"                                                                               \
        "Private authority: put its certificate, together with those of AWS, into the file of --ca-bundle "  \
        "or "                                                                                                \
        "AWS_CA_BUNDLE.\n"                                                                                   \
        "Clock: set it. Server: let it send its whole chain, with a certificate that names the host.\n"      \
        "AWS's own endpoints need none of this: find out who answers in their place.\n")                     \
    EXPLANATION(                                                                                             \
        REASON_UNEXPECTED_IDENTITY,                                                                          \
        "The credentials work, but for another namespace, service account, account or role than "            \
        "the options ask for.\n\n"                                                                           \
        "# metadata.namespace, spec.serviceAccountName\n"                                                    \
        "kubectl get pod POD -o yaml\n"                                                                      \
        "aws eks list-pod-identity-associations --cluster-name CLUSTER --namespace NAMESPACE\n\n"            \
        "Correct the pod's service account (this needs a new pod), the role of the association, or the "     \
        "option.\n")                                                                                         \
    EXPLANATION(REASON_USAGE, "An option, a POD_IDENTITY_ variable or a command is not understood.\n\n"      \
                              "pod-identity-init --help\n"                                                   \
                              "pod-identity-sidecar --help\n\n"                                              \
                              "Correct args or env of the container. The message names the option.\n")       \
    EXPLANATION(                                                                                             \
        REASON_INTERNAL,                                                                                     \
        "The program met a fault that has nothing to do with AWS: no memory, or --install could not "        \
        "write.\n\n"                                                                                         \
        "# memory limit, volumes\n"                                                                          \
        "kubectl describe pod POD\n\n"                                                                       \
        "The message names the step and the error. --install needs a volume that this user may write to.\n")

#endif
