#include "tests/unit/agent/sts_answers.h"

#include <stdio.h>

const char *sts_granted(const char *action, const char *key, const char *until) {
    static char text[2048];
    snprintf(text, sizeof text,
             "<%sResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><%sResult><Credentials>"
             "<AccessKeyId>%s</AccessKeyId><SecretAccessKey>s3cret</SecretAccessKey><SessionToken>tok</"
             "SessionToken>"
             "<Expiration>%s</Expiration></Credentials><AssumedRoleUser><Arn>"
             "arn:aws:sts::111122223333:assumed-role/cart/x</Arn></AssumedRoleUser></%sResult></%sResponse>",
             action, action, key, until, action, action);
    return text;
}

const char *sts_denied(const char *code, const char *message) {
    static char text[2048];
    snprintf(text, sizeof text,
             "<ErrorResponse "
             "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>%s"
             "</Code><Message>%s</Message></Error><RequestId>id</RequestId></ErrorResponse>",
             code, message);
    return text;
}
