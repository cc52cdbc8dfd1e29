/* NO_PROXY: an address that is added to any list is covered then, and covering stays when the list grows. */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

#include "common/http/no_proxy.h"

static void one(const char *list, const char *address, const char *host) {
    static struct uri uri;
    static char longer[65536 + 64];
    HOLDS(uri_parse(address, &uri) == ERR_OK);
    bool covered = no_proxy_covers(list, &uri);
    snprintf(longer, sizeof longer, "%s,example.com", list);
    HOLDS(no_proxy_covers(longer, &uri) || !covered);
    snprintf(longer, sizeof longer, "%s,%s", list, host);
    HOLDS(no_proxy_covers(longer, &uri));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *list = as_text(data, size);
    one(list, "http://169.254.170.23/v1/credentials", "169.254.170.23");
    one(list, "http://[fd00:ec2::23]/v1/credentials", "[fd00:ec2::23]:80");
    return 0;
}
