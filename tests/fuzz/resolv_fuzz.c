/* resolv.conf and hosts: any file gives a configuration within its limits. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/http/resolv_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int fd = -1;
    static char path[32], domain[DNS_NAME_MAX];
    struct resolv_conf conf;
    struct dns_addresses found = {.count = 0};
    if (fd < 0)
        fd = memfd_create("resolv", 0);
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    resolv_conf_read(path, &conf);
    HOLDS(conf.count <= RESOLV_SERVERS_MAX && conf.ndots <= 15);
    HOLDS(conf.timeout_s >= 1 && conf.timeout_s <= 30 && conf.attempts >= 1 && conf.attempts <= 5);
    for (size_t n = 0; n < 4 && resolv_conf_search(path, n, domain); n++)
        HOLDS(strlen(domain) < sizeof domain && strpbrk(domain, " \t\r\n") == NULL);
    HOLDS(resolv_hosts(path, "localhost", &found) == (found.count > 0) && found.count <= DNS_ADDRESSES_MAX);
    return 0;
}
