#include "agent/initialize.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "agent/netlink.h"
#include "common/base/log.h"

static const struct netlink_address ipv4 = {.bytes = {169, 254, 170, 23}};
static const struct netlink_address ipv6 = {.ipv6 = true, .bytes = {0xfd, 0, 0x0e, 0xc2, [15] = 0x23}};

static const char *text_of(const struct netlink_address *address) {
    return address->ipv6 ? "fd00:ec2::23" : "169.254.170.23";
}

static bool fail(struct buf *problem, const char *what, const char *value, int error) {
    buf_fmt(problem, "cannot %s %s: %s (errno %d)", what, value, strerror(error), error);
    if (error == EPERM)
        buf_str(problem, "; the init container needs the capability NET_ADMIN, and the node's network "
                         "(hostNetwork: true)");
    else if (error == EACCES) /* the answer for an IPv6 address where the link may have none */
        buf_str(problem, "; IPv6 is switched off on this node (net.ipv6.conf.all.disable_ipv6)");
    return false;
}

/* The link, made if it is not there. Another that makes it at the same time does no harm. */
static bool have_link(int fd, int *index, struct buf *problem) {
    bool up;
    int error = netlink_find_link(fd, INITIALIZE_LINK, index, &up);
    if (error == ENODEV) {
        error = netlink_make_dummy(fd, INITIALIZE_LINK);
        if (error == EOPNOTSUPP) {
            fail(problem, "make the link", INITIALIZE_LINK, error);
            buf_str(problem, "; this kernel has no links of the type dummy (module dummy)");
            return false;
        }
        if (error != 0 && error != EEXIST)
            return fail(problem, "make the link", INITIALIZE_LINK, error);
        LOG(LOG_INFO, "link made", LOG_TEXT("link", INITIALIZE_LINK));
        error = netlink_find_link(fd, INITIALIZE_LINK, index, &up);
    }
    if (error != 0)
        return fail(problem, "find the link", INITIALIZE_LINK, error);
    if (!up && (error = netlink_link_up(fd, *index)) != 0)
        return fail(problem, "set up the link", INITIALIZE_LINK, error);
    return true;
}

static bool have_address(int fd, int index, const struct netlink_address *address, struct buf *problem) {
    int error = netlink_add_address(fd, index, address), other;
    if (error != 0)
        return fail(problem, "add the address", text_of(address), error);
    error = netlink_other_route(fd, index, address, &other);
    if (error != 0)
        return fail(problem, "read the routes to", text_of(address), error);
    if (other != 0) {
        char name[IF_NAMESIZE] = "";
        buf_fmt(problem,
                "there is a route to %s over another link, %s: pods would not reach this agent. Remove it "
                "(ip route del "
                "%s dev %s), or the program that makes it",
                text_of(address), if_indextoname((unsigned)other, name) != NULL ? name : "unknown",
                text_of(address), name);
        return false;
    }
    error = netlink_add_route(fd, index, address);
    if (error != 0)
        return fail(problem, "add the route to", text_of(address), error);
    LOG(LOG_INFO, "address ready", LOG_TEXT("address", text_of(address)), LOG_TEXT("link", INITIALIZE_LINK));
    return true;
}

bool initialize(struct buf *problem) {
    char text[512];
    struct buf why = BUF(text);
    int fd = netlink_open(), index;
    if (fd < 0)
        return fail(problem, "open", "a routing socket", errno);
    bool ready = have_link(fd, &index, problem) && have_address(fd, index, &ipv4, problem);
    if (ready && !have_address(fd, index, &ipv6, &why))
        LOG(LOG_WARN, "pods cannot ask over IPv6", LOG_TEXT("address", text_of(&ipv6)),
            LOG_TEXT("error", why.data));
    close(fd);
    return ready;
}
