#include "agent/netlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX 256  /* the largest request here has 80 bytes */
#define ANSWER_MAX 32768 /* the kernel fills a dump's buffer up to 32 KiB */

struct request {
    struct nlmsghdr head;
    unsigned char rest[REQUEST_MAX - sizeof(struct nlmsghdr)];
};

/* The part of the answer that is wanted, called for each message of that type. */
typedef void on_message(void *context, const struct nlmsghdr *message);

int netlink_open(void) {
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

/* ---- requests ---- */

static void begin(struct request *r, uint16_t type, uint16_t flags, const void *body, size_t len) {
    memset(r, 0, sizeof *r);
    r->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
    r->head.nlmsg_type = type;
    r->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    memcpy(NLMSG_DATA(&r->head), body, len);
}

/* Appends an attribute, and returns it, so that others can be put into it. */
static struct rtattr *put(struct request *r, unsigned short type, const void *value, size_t len) {
    size_t at = NLMSG_ALIGN(r->head.nlmsg_len);
    struct rtattr *attribute = (struct rtattr *)((unsigned char *)r + at);
    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH(len);
    if (len > 0)
        memcpy(RTA_DATA(attribute), value, len);
    r->head.nlmsg_len = (uint32_t)(at + RTA_SPACE(len));
    return attribute;
}

/* The attribute holds all that was put since. */
static void close_nest(const struct request *r, struct rtattr *nest) {
    nest->rta_len =
        (unsigned short)((const unsigned char *)r + r->head.nlmsg_len - (const unsigned char *)nest);
}

/* ---- answers ---- */

/* What one datagram says: -1, and more is to come, or the result. */
static int take(const unsigned char *bytes, size_t len, uint16_t type, on_message *each, void *context) {
    const struct nlmsghdr *m = (const struct nlmsghdr *)bytes;
    for (; NLMSG_OK(m, len); m = NLMSG_NEXT(m, len)) {
        if (m->nlmsg_type == NLMSG_DONE)
            return 0;
        if (m->nlmsg_type == NLMSG_ERROR)
            return -((const struct nlmsgerr *)NLMSG_DATA(m))->error;
        if (m->nlmsg_type == type && each != NULL)
            each(context, m);
    }
    return -1;
}

/* Sends, and reads until the acknowledgement (or the end of the dump) has come. */
static int talk(int fd, struct request *r, uint16_t type, on_message *each, void *context) {
    static _Alignas(struct nlmsghdr) unsigned char
        answer[ANSWER_MAX]; /* one for the process: it has one routing socket */
    if (send(fd, r, r->head.nlmsg_len, 0) != (ssize_t)r->head.nlmsg_len)
        return errno;
    for (;;) {
        ssize_t n = recv(fd, answer, sizeof answer, MSG_TRUNC);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if ((size_t)n > sizeof answer)
            return EMSGSIZE;
        int result = take(answer, (size_t)n, type, each, context);
        if (result >= 0)
            return result;
    }
}

static const struct rtattr *find(const struct rtattr *list, size_t len, unsigned short type) {
    for (; RTA_OK(list, len); list = RTA_NEXT(list, len)) {
        if (list->rta_type == type)
            return list;
    }
    return NULL;
}

/* ---- links ---- */

static void on_link(void *context, const struct nlmsghdr *message) {
    *(struct ifinfomsg *)context = *(const struct ifinfomsg *)NLMSG_DATA(message);
}

int netlink_find_link(int fd, const char *name, int *index, bool *up) {
    struct request r;
    struct ifinfomsg found = {0};
    begin(&r, RTM_GETLINK, NLM_F_ACK, &(struct ifinfomsg){.ifi_family = AF_UNSPEC}, sizeof(struct ifinfomsg));
    put(&r, IFLA_IFNAME, name, strlen(name) + 1);
    int result = talk(fd, &r, RTM_NEWLINK, on_link, &found);
    *index = found.ifi_index;
    *up = (found.ifi_flags & IFF_UP) != 0;
    return result;
}

int netlink_make_dummy(int fd, const char *name) {
    static const char kind[] = "dummy";
    struct request r;
    begin(&r, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
          &(struct ifinfomsg){.ifi_family = AF_UNSPEC}, sizeof(struct ifinfomsg));
    put(&r, IFLA_IFNAME, name, strlen(name) + 1);
    struct rtattr *info = put(&r, IFLA_LINKINFO, NULL, 0);
    put(&r, IFLA_INFO_KIND, kind, sizeof kind - 1);
    close_nest(&r, info);
    return talk(fd, &r, 0, NULL, NULL);
}

int netlink_link_up(int fd, int index) {
    struct request r;
    const struct ifinfomsg link = {
        .ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    begin(&r, RTM_NEWLINK, NLM_F_ACK, &link, sizeof link);
    return talk(fd, &r, 0, NULL, NULL);
}

/* ---- addresses and routes ---- */

static unsigned char family(const struct netlink_address *a) {
    return a->ipv6 ? AF_INET6 : AF_INET;
}

static size_t size(const struct netlink_address *a) {
    return a->ipv6 ? 16 : 4;
}

static unsigned char whole(const struct netlink_address *a) {
    return (unsigned char)(size(a) * 8);
}

int netlink_add_address(int fd, int index, const struct netlink_address *address) {
    struct request r;
    const struct ifaddrmsg message = {.ifa_family = family(address),
                                      .ifa_prefixlen = whole(address),
                                      /* no other host has it: nothing to wait for before it can be bound */
                                      .ifa_flags = address->ipv6 ? IFA_F_NODAD : 0,
                                      .ifa_scope = RT_SCOPE_UNIVERSE,
                                      .ifa_index = (uint32_t)index};
    begin(&r, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &message, sizeof message);
    put(&r, IFA_LOCAL, address->bytes, size(address));
    put(&r, IFA_ADDRESS, address->bytes, size(address));
    int result = talk(fd, &r, 0, NULL, NULL);
    return result == EEXIST ? 0 : result;
}

int netlink_add_route(int fd, int index, const struct netlink_address *to) {
    struct request r;
    const struct rtmsg message = {.rtm_family = family(to),
                                  .rtm_dst_len = whole(to),
                                  .rtm_table = RT_TABLE_MAIN,
                                  .rtm_protocol = RTPROT_BOOT,
                                  .rtm_scope = to->ipv6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                                  .rtm_type = RTN_UNICAST};
    begin(&r, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &message, sizeof message);
    put(&r, RTA_DST, to->bytes, size(to));
    put(&r, RTA_OIF, &(uint32_t){(uint32_t)index}, sizeof(uint32_t));
    return talk(fd, &r, 0, NULL, NULL);
}

struct search {
    const struct netlink_address *to;
    int index, other;
};

static void on_route(void *context, const struct nlmsghdr *message) {
    struct search *s = context;
    const struct rtmsg *route = NLMSG_DATA(message);
    const struct rtattr *list = RTM_RTA(route);
    size_t len = RTM_PAYLOAD(message);
    const struct rtattr *to = find(list, len, RTA_DST), *over = find(list, len, RTA_OIF);
    if (route->rtm_table != RT_TABLE_MAIN || route->rtm_family != family(s->to) ||
        route->rtm_dst_len != whole(s->to) || to == NULL || over == NULL || RTA_PAYLOAD(to) != size(s->to) ||
        memcmp(RTA_DATA(to), s->to->bytes, size(s->to)) != 0)
        return;
    uint32_t index;
    memcpy(&index, RTA_DATA(over), sizeof index);
    if ((int)index != s->index)
        s->other = (int)index;
}

int netlink_other_route(int fd, int index, const struct netlink_address *to, int *other) {
    struct request r;
    struct search search = {.to = to, .index = index};
    begin(&r, RTM_GETROUTE, NLM_F_DUMP, &(struct rtmsg){.rtm_family = family(to)}, sizeof(struct rtmsg));
    int result = talk(fd, &r, RTM_NEWROUTE, on_route, &search);
    *other = search.other;
    return result;
}
