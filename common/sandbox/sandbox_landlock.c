#include "common/sandbox/sandbox_landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's interface in full, by our own names: headers of the build may be older than the kernel that
 * runs. */
#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446
#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH 1
#define RULE_NET_PORT 2

#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_REG (1ULL << 8)
#define FS_ALL_ABI_1 ((1ULL << 13) - 1)
#define FS_REFER (1ULL << 13)     /* ABI 2 */
#define FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define NET_BIND_TCP (1ULL << 0)  /* both ABI 4 */
#define NET_CONNECT_TCP (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* both ABI 6 */
#define SCOPE_SIGNAL (1ULL << 1)

/* A kernel takes a longer structure than it knows if the rest is zero, which the masks see to. */
struct ruleset_attr {
    uint64_t fs, net, scoped;
};
struct path_beneath_attr {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));
struct net_port_attr {
    uint64_t allowed, port;
};

struct sandbox_masks sandbox_landlock_masks(int abi, const struct sandbox_rules *rules) {
    struct sandbox_masks m = {.files = FS_ALL_ABI_1};
    if (abi >= 2)
        m.files |= FS_REFER;
    if (abi >= 3)
        m.files |= FS_TRUNCATE;
    if (abi >= 4)
        m.ports = NET_BIND_TCP | (rules->port_count > 0 ? NET_CONNECT_TCP : 0);
    if (abi >= 5)
        m.files |= FS_IOCTL_DEV;
    if (abi >= 6)
        m.scopes = SCOPE_ABSTRACT_UNIX | (rules->may_signal ? 0 : SCOPE_SIGNAL);
    return m;
}

uint64_t sandbox_landlock_rights(enum sandbox_access access, uint64_t handled, bool directory) {
    uint64_t rights = FS_READ_FILE | FS_READ_DIR;
    if (access == SANDBOX_WRITE_BESIDE)
        rights |= FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG | FS_REMOVE_FILE;
    if (!directory)
        rights &= FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
    return rights & handled;
}

static bool fail(struct buf *problem, const char *what, const char *path) {
    int error = errno;
    buf_fmt(problem, "%s%s: %s (errno %d)", what, path, strerror(error), error);
    return false;
}

/* Something in the root directory would open the whole file system for reading: that file alone, then. What
 * is written there needs the directory. */
static void cut_name(char *path, enum sandbox_access access) {
    char *slash = strrchr(path, '/');
    if (slash != path)
        *slash = '\0';
    else if (access == SANDBOX_WRITE_BESIDE)
        path[1] = '\0';
}

static bool allow(int ruleset, const char *path, enum sandbox_access access, uint64_t handled,
                  struct buf *problem) {
    char place[PATH_MAX];
    struct buf p = BUF(place);
    struct stat st;
    buf_str(&p, path);
    errno = ENAMETOOLONG;
    if (p.overflow)
        return fail(problem, "cannot allow ", path);
    if (access != SANDBOX_READ)
        cut_name(place, access);
    int fd;
    while ((fd = open(place, O_PATH | O_CLOEXEC)) < 0 && access != SANDBOX_READ && errno == ENOENT &&
           strrchr(place, '/') != place)
        *strrchr(place, '/') = '\0';
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return true; /* nothing there to be allowed */
    if (fd < 0)
        return fail(problem, "cannot open ", place);
    bool ok = fstat(fd, &st) == 0;
    if (ok) {
        struct path_beneath_attr rule = {
            .allowed = sandbox_landlock_rights(access, handled, S_ISDIR(st.st_mode)), .parent_fd = fd};
        ok = syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) == 0;
    }
    if (!ok)
        (void)fail(problem, "cannot allow ", place);
    close(fd);
    return ok;
}

/* A token may be a link to somewhere else: both the link's directory and the file's are needed. */
static bool allow_path(int ruleset, const struct sandbox_path *p, uint64_t handled, struct buf *problem) {
    char target[PATH_MAX];
    if (!allow(ruleset, p->path, p->access, handled, problem))
        return false;
    return p->access == SANDBOX_WRITE_BESIDE || realpath(p->path, target) == NULL ||
           allow(ruleset, target, p->access, handled, problem);
}

static bool add_rules(int ruleset, const struct sandbox_rules *rules, const struct sandbox_masks *masks,
                      struct buf *problem) {
    for (size_t i = 0; i < rules->path_count; i++) {
        if (!allow_path(ruleset, &rules->paths[i], masks->files, problem))
            return false;
    }
    for (size_t i = 0; (masks->ports & NET_CONNECT_TCP) != 0 && i < rules->port_count; i++) {
        struct net_port_attr rule = {.allowed = NET_CONNECT_TCP, .port = rules->ports[i]};
        if (syscall(ADD_RULE, ruleset, RULE_NET_PORT, &rule, 0) != 0)
            return fail(problem, "cannot allow the ports of upstream", "");
    }
    return true;
}

int sandbox_landlock(const struct sandbox_rules *rules, struct buf *problem) {
    long abi = syscall(CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
    if (abi < 1) {
        (void)fail(
            problem,
            "this kernel (before 5.13, or without lsm=landlock) or the container's seccomp profile has no "
            "Landlock",
            "");
        return 0;
    }
    struct sandbox_masks masks = sandbox_landlock_masks((int)abi, rules);
    struct ruleset_attr attr = {.fs = masks.files, .net = masks.ports, .scoped = masks.scopes};
    int ruleset = (int)syscall(CREATE_RULESET, &attr, sizeof attr, 0);
    if (ruleset < 0) {
        (void)fail(problem, "cannot make a ruleset", "");
        return 0;
    }
    bool ok = add_rules(ruleset, rules, &masks, problem);
    if (ok && syscall(RESTRICT_SELF, ruleset, 0) != 0)
        ok = fail(problem, "cannot restrict itself", "");
    close(ruleset);
    return ok ? (int)abi : 0;
}
