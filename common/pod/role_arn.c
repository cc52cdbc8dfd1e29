#include "common/pod/role_arn.h"

#include <string.h>

#include "common/base/setting.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define NAME_MAX_LEN 64

enum { PARTITION = 1, SERVICE, REGION, ACCOUNT, RESOURCE, PARTS };

struct part {
    const char *at;
    size_t len;
};

static bool is(struct part p, const char *text) {
    return p.len == strlen(text) && memcmp(p.at, text, p.len) == 0;
}

static bool begins(struct part p, const char *text) {
    return strncmp(p.at, text, strlen(text)) == 0;
}

/* Cuts at the first five colons. */
static int split(const char *arn, struct part out[PARTS]) {
    for (int i = 0; i < PARTS; i++)
        out[i] = (struct part){"", 0};
    for (int i = 0; i < PARTS; i++) {
        size_t len = i == RESOURCE ? strlen(arn) : strcspn(arn, ":");
        out[i] = (struct part){arn, len};
        if (arn[len] == '\0')
            return i + 1;
        arn += len + 1;
    }
    return PARTS;
}

static bool refuse(struct buf *problem, const char *why) {
    buf_str(problem, why);
    return false;
}

static bool no_role(struct buf *problem, const char *why) {
    buf_fmt(problem, "is not the ARN of a role%s, such as arn:aws:iam::111122223333:role/NAME", why);
    return false;
}

static bool check_resource(struct part r, struct buf *problem) {
    static const char allowed[] = LETTERS DIGITS "_+=,.@-";
    const char *name = strrchr(r.at, '/');
    if (begins(r, "assumed-role/"))
        return refuse(problem, "is the ARN of a session: that of its role is wanted");
    if (!begins(r, "role/"))
        return no_role(problem, "");
    if (name[1] == '\0')
        return no_role(problem, ": it has no name behind its last slash");
    if (strlen(name + 1) > NAME_MAX_LEN)
        return refuse(problem, "names a role of more than 64 characters");
    if (strspn(name + 1, allowed) != strlen(name + 1))
        return no_role(problem, ": a name has letters, digits and any of _+=,.@-");
    for (const char *p = r.at; *p != '\0'; p++) {
        if (*p <= ' ' || *p >= 0x7F)
            return no_role(problem, ": it holds a blank, or what is no ASCII");
    }
    return true;
}

static bool check_aws(const struct part part[PARTS], struct buf *problem) {
    const struct part account = part[ACCOUNT];
    if (is(part[SERVICE], "sts"))
        return check_resource(part[RESOURCE], problem) && no_role(problem, ": its service is iam");
    if (!is(part[SERVICE], "iam") || part[REGION].len > 0)
        return no_role(problem, ": behind the partition comes iam and two colons");
    if (account.len != 12 && account.len > 0 && strspn(account.at, DIGITS) == account.len) {
        buf_fmt(problem, "names an account of %zu digits, not 12", account.len);
        return false;
    }
    if (strspn(account.at, DIGITS) != account.len || account.len == 0)
        return no_role(problem, ": its account has 12 digits");
    return check_resource(part[RESOURCE], problem);
}

bool role_arn_check(const char *arn, enum role_arn_maker maker, struct buf *problem) {
    struct part part[PARTS];
    const char *flaw = setting_flaw(arn);
    if (strnlen(arn, ROLE_ARN_MAX + 1) > ROLE_ARN_MAX)
        return refuse(problem, "is longer than 2048 characters");
    if (flaw != NULL)
        return refuse(problem, flaw);
    int count = split(arn, part);
    if (!is(part[0], "arn"))
        return no_role(problem, "");
    bool aws = is(part[PARTITION], "aws") || begins(part[PARTITION], "aws-");
    if (!aws && maker == ROLE_ARN_ANY)
        return part[PARTITION].len > 0 || refuse(problem, "is not an ARN: it has no partition");
    if (!aws)
        return refuse(problem, "is not an ARN of AWS: those of another maker's STS need its address in "
                               "AWS_ENDPOINT_URL_STS");
    if (count < PARTS)
        return no_role(problem, ": a part is missing");
    return check_aws(part, problem);
}
