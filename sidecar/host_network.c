#include "sidecar/host_network.h"

#include "common/base/far.h"
#include "common/base/io.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINKS_FILE "/proc/self/net/dev"
#define LINKS_MAX 65536 /* a node has some hundred links, each a line of some 130 bytes */

/* A datagram socket that is connected sends nothing, and what it would send to an address of this network's
 * own comes from that address. A bind would succeed everywhere with net.ipv4.ip_nonlocal_bind. */
static bool is_own(int family, const void *address, socklen_t len) {
    struct sockaddr_storage from;
    socklen_t from_len = sizeof from;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool known = connect(fd, address, len) == 0 && getsockname(fd, (struct sockaddr *)&from, &from_len) == 0;
    close(fd);
    if (known && family == AF_INET)
        return memcmp(&((struct sockaddr_in *)&from)->sin_addr,
                      &((const struct sockaddr_in *)address)->sin_addr, sizeof(struct in_addr)) == 0;
    return known && memcmp(&((struct sockaddr_in6 *)&from)->sin6_addr,
                           &((const struct sockaddr_in6 *)address)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

static bool has_agents_address(struct buf *why) {
    static const struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_port = 0x5000, .sin_addr = {.s_addr = 0x17AAFEA9}}; /* 169.254.170.23 */
    static const struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = 0x5000, .sin6_addr = {{{0xfd, 0, 0x0e, 0xc2, [15] = 0x23}}}};
    bool own = is_own(AF_INET, &v4, sizeof v4);
    if (own)
        buf_str(why, "the agent's address 169.254.170.23 is its own");
    else if ((own = is_own(AF_INET6, &v6, sizeof v6)))
        buf_str(why, "the agent's address fd00:ec2::23 is its own");
    return own;
}

/* Of the CNI plugins of nodes, the agent and kube-proxy; not docker0 and veth, which a pod can have that runs
 * containers of its own. */
static bool of_a_node(const char *name, size_t len) {
    static const char starts[][12] = {"cni0",        "cali",      "azv",       "lxc",
                                      "cilium_",     "flannel",   "kube-ipvs", "nodelocaldn",
                                      "pod-id-link", "antrea-gw", "ovn-k8s",   "kube-bridge"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        size_t start = strnlen(starts[i], sizeof *starts);
        if (len >= start && memcmp(name, starts[i], start) == 0)
            return true;
    }
    /* eni0123456789a of Amazon's, one for each pod; not eni1 of somebody's */
    return len == 14 && memcmp(name, "eni", 3) == 0 && strspn(name + 3, "0123456789abcdef") >= 11;
}

static bool has_links_of_a_node(struct buf *why) {
    FAR static char text[LINKS_MAX];
    int fd = open(LINKS_FILE, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    if (fd >= 0) {
        (void)io_read_all(fd, text, sizeof text - 1, &len);
        close(fd);
    }
    text[len] = '\0';
    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') != NULL ? strchr(at, '\n') + 1 : "") {
        at += strspn(at, " ");
        size_t name = strcspn(at, ":\n|"); /* the first two lines are headings, with bars */
        if (at[name] == ':' && of_a_node(at, name)) {
            buf_str(why, "it has the link ");
            buf_printable(why, at, name, name);
            return true;
        }
    }
    return false;
}

bool host_network_seen(struct buf *why) {
    return has_agents_address(why) || has_links_of_a_node(why);
}
