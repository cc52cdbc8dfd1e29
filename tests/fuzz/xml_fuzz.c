/* XML from outside: what is accepted is whole, and what is taken from it is clean text. */
#include "tests/fuzz/fuzz.h"

#include "common/text/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const paths[] = {"ErrorResponse/Error/Code", "ErrorResponse/Error/Message", "a", "a/b",
                                        "AssumeRoleResponse/AssumeRoleResult/Credentials/SessionToken"};
    const char *text = (const char *)data;
    char out[256];
    size_t len = size;
    if (xml_check(text, size, XML_NAMESPACE_STS) != ERR_OK)
        return 0;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (xml_text(text, size, paths[i], out, sizeof out) != ERR_OK) {
            HOLDS(out[0] == '\0');
            continue;
        }
        HOLDS(out[0] != '\0' && strlen(out) <= size && strlen(out) < sizeof out);
        for (const char *at = out; *at != '\0'; at++)
            HOLDS((unsigned char)*at >= ' ' && *at != 0x7F);
    }
    while (len > 0 && memchr(" \t\r\n", text[len - 1], 4) != NULL)
        len--;
    HOLDS(len > 0 && text[len - 1] == '>');
    if (len > 3 && memcmp(text + len - 3, "-->", 3) != 0) /* not a comment: the root's own end */
        HOLDS(xml_check(text, len - 1, XML_NAMESPACE_STS) != ERR_OK);
    return 0;
}
