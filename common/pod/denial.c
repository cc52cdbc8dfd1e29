#include "common/pod/denial.h"

#include <string.h>

/* What is looked for, and the remedy behind it, each with a NUL: fixed sizes would cost a kilobyte more,
 * pointers relocations. What comes first is the more special text. */
static const char kinds[] = "VPC endpoint policy\0"
                            "the policy of the VPC endpoint that the request goes through denies it, not the "
                            "role's trust policy: let it "
                            "allow that action for that role (aws ec2 describe-vpc-endpoints)\0"
                            "service control policy\0"
                            "a service control policy (SCP) of the organization denies it, and no policy of "
                            "the account can allow it: ask "
                            "the organization's owner to let it allow that action for that role and region\0"
                            "resource control policy\0"
                            "a resource control policy (RCP) of the role's organization denies it, and no "
                            "policy of the account can allow "
                            "it: ask the organization's owner to let it allow that action for that caller\0"
                            "permissions boundary\0"
                            "the permissions boundary of the role that asks does not allow it, and no other "
                            "policy can: extend it (aws iam "
                            "get-role --role-name ROLE)\0"
                            "session policy\0"
                            "the session policy of the session that asks does not allow it: extend it (the "
                            "policy of the association, or "
                            "--session-policy-file)\0"
                            "deny in a resource-based policy\0"
                            "a Deny in the role's trust policy wins over every Allow: change that statement "
                            "or its condition (aws iam "
                            "get-role --role-name ROLE)\0"
                            "deny in an identity-based policy\0"
                            "a Deny in a policy of the role that asks wins over every Allow: change that "
                            "statement or its condition (aws "
                            "iam list-attached-role-policies --role-name ROLE)\0"
                            "with an explicit deny\0"
                            "a Deny wins over every Allow: look for it in the role's policies and trust "
                            "policy, in the policy of the VPC "
                            "endpoint, and in those of the organization\0";

const char *denial_remedy(const char *text, size_t len) {
    for (const char *kind = kinds; *kind != '\0';) {
        const char *remedy = kind + strlen(kind) + 1;
        if (memmem(text, len, kind, strlen(kind)) != NULL)
            return remedy;
        kind = remedy + strlen(remedy) + 1;
    }
    return NULL;
}
