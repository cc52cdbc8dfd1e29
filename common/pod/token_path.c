#include "common/pod/token_path.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/scratch.h"

#define GROUPS_SHOWN 16 /* a pod has one or two */
#define GROUPS_MAX 256
#define LINKS_MAX 16       /* a projected volume has two; more is a loop */
#define DATA_LINK "..data" /* of a projected volume */

void token_path_put(struct buf *m, const char *path) {
    buf_printable(m, path, strlen(path), TOKEN_PATH_SHOWN);
}

/* ---- how far the path goes ---- */

/* Where following it ended. */
struct walk {
    char path[PATH_MAX];   /* what the last link made of it */
    char link[PATH_MAX];   /* the last link that was followed; "" if none */
    char target[PATH_MAX]; /* of that link, as it stands there */
    size_t target_end;     /* of path: so much of it is that target */
    size_t end;            /* the first `end` bytes of path are what cannot be got at */
    int error;             /* why; 0 if all of it is there */
};

/* path = the link's own folder, its target, and what came behind the link. */
static bool splice(struct walk *w, size_t link_end) {
    char storage[PATH_MAX];
    struct buf next = BUF(storage);
    size_t folder = link_end;
    while (folder > 0 && w->path[folder - 1] != '/')
        folder--;
    if (w->target[0] != '/')
        buf_put(&next, w->path, folder);
    buf_str(&next, w->target);
    w->target_end = next.len;
    buf_str(&next, w->path + link_end);
    if (next.overflow)
        return false;
    memcpy(w->link, w->path, link_end);
    w->link[link_end] = '\0';
    memcpy(w->path, next.data, next.len + 1);
    return true;
}

/* One component: true if the walk goes on behind it, or anew. */
static bool visit(struct walk *w, size_t end, bool *again) {
    struct stat st;
    char kept = w->path[end];
    *again = false;
    w->path[end] = '\0';
    w->error = lstat(w->path, &st) == 0 ? 0 : errno;
    ssize_t len =
        w->error == 0 && S_ISLNK(st.st_mode) ? readlink(w->path, w->target, sizeof w->target - 1) : 0;
    w->path[end] = kept;
    w->end = end;
    if (w->error != 0)
        return false;
    if (len <= 0)
        return true;
    w->target[len] = '\0';
    *again = splice(w, end);
    w->error = *again ? 0 : ENAMETOOLONG;
    return false;
}

static void follow(const char *path, struct walk *w) {
    size_t len = strnlen(path, PATH_MAX);
    w->link[0] = '\0';
    w->error = len < PATH_MAX ? 0 : ENAMETOOLONG;
    if (w->error != 0)
        return;
    memcpy(w->path, path, len + 1);
    bool again = true;
    for (int links = 0; again && links <= LINKS_MAX; links++) {
        size_t end = 0;
        do {
            end += strspn(w->path + end, "/");
            end += strcspn(w->path + end, "/");
        } while (visit(w, end, &again) && w->path[end] != '\0');
    }
    if (again)
        w->error = ELOOP;
}

static const char *last_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* ---- something is missing ---- */

#define RECREATE_HINT                                                                                        \
    "see the pod's events (kubectl describe pod), then delete the pod so that it is created anew"

static void put_missing(struct buf *m, const struct walk *w) {
    char missing[PATH_MAX];
    memcpy(missing, w->path, w->end);
    missing[w->end] = '\0';
    token_path_put(m, missing);
}

/* Whether what is missing is the link's own business: a link of the image that leads to a folder, as /var/run
 * mostly is, has nothing to do with what that folder lacks; the kubelet's ..data has. */
static bool is_link_broken(const struct walk *w) {
    return w->link[0] != '\0' && (w->end <= w->target_end || strcmp(last_name(w->link), DATA_LINK) == 0);
}

static void broken_link(const struct walk *w, struct buf *m, struct failure *f) {
    buf_str(m, "; the symbolic link ");
    token_path_put(m, w->link);
    buf_str(m, " points to ");
    token_path_put(m, w->target);
    buf_str(m, ", and ");
    put_missing(m, w);
    buf_str(m, " does not exist: ");
    const char *link = last_name(w->link);
    if (strcmp(link, DATA_LINK) == 0 && w->path[w->end] != '\0') {
        buf_str(m, "the version that the kubelet published is gone");
        failure_remedy(f, "something removed the folder of the projected volume: " RECREATE_HINT);
    } else if (strcmp(link, DATA_LINK) == 0) {
        buf_str(m, "the volume holds no file of that name");
        failure_remedy(
            f, "compare the path of the serviceAccountToken source of that volume (kubectl get pod -o "
               "yaml) with this file's name, then recreate the pod");
    } else {
        buf_str(m, "the kubelet has published nothing into the projected volume");
        failure_remedy(f, "the kubelet could not get a token, or the volume is half mounted: " RECREATE_HINT);
    }
}

static void nothing_there(const struct walk *w, struct buf *m, struct failure *f) {
    if (w->path[w->end] == '\0') {
        buf_str(m, "; its folder is there, and holds no file of that name");
        failure_remedy(
            f, "compare the file's name with the path of the serviceAccountToken source of that volume "
               "(kubectl get pod -o yaml), then recreate the pod");
        return;
    }
    buf_str(m, "; the folder ");
    put_missing(m, w);
    buf_str(m, " does not exist: the token's volume is not mounted in this container");
    failure_remedy(
        f,
        "restarting cannot help: the pod needs a projected serviceAccountToken volume, and this container a "
        "mount of it there (kubectl get pod -o yaml); the webhook adds both when a pod is created, unless "
        "a volume or mount of that name is there already, so recreate the pod");
}

/* ---- permission ---- */

static void put_process(struct buf *m) {
    gid_t groups[GROUPS_MAX];
    int count = getgroups(GROUPS_MAX, groups);
    buf_fmt(m, "this process has uid %u, gid %u, groups", (unsigned)geteuid(), (unsigned)getegid());
    for (int i = 0; i < count && i < GROUPS_SHOWN; i++)
        buf_fmt(m, "%s%u", i == 0 ? " " : ",", (unsigned)groups[i]);
    if (count == 0)
        buf_str(m, " none");
    else if (count < 0 || count > GROUPS_SHOWN)
        buf_str(m, " and more");
}

static bool in_group(gid_t wanted) {
    gid_t groups[GROUPS_MAX];
    int count = getgroups(GROUPS_MAX, groups);
    if (getegid() == wanted)
        return true;
    for (int i = 0; i < count; i++) {
        if (groups[i] == wanted)
            return true;
    }
    return false;
}

/* Which of the three sets of bits the kernel looks at for this process. */
static void put_verdict(struct buf *m, const struct stat *st, const char *wanted) {
    unsigned mode = st->st_mode & 07777;
    const char *role = st->st_uid == geteuid() ? "owner" : in_group(st->st_gid) ? "group" : "others";
    buf_fmt(m, " belongs to uid %u, gid %u, mode %04o: this process counts as %s, which may not %s it",
            (unsigned)st->st_uid, (unsigned)st->st_gid, mode, role, wanted);
}

static void forbidden(const char *path, struct walk *w, struct buf *m, struct failure *f) {
    struct stat st;
    gid_t group = getegid();
    buf_str(m, "; ");
    put_process(m);
    if (w->error == EACCES) { /* the folder above it cannot be searched */
        size_t end = w->end;
        while (end > 1 && w->path[end - 1] != '/')
            end--;
        w->path[end > 1 ? end - 1 : end] = '\0';
        buf_str(m, "; the folder ");
        token_path_put(m, w->path);
        if (stat(w->path, &st) == 0)
            put_verdict(m, &st, "search");
        failure_remedy(f,
                       "mount the token's volume itself in this container, below folders that its user may "
                       "search (mode 0755); securityContext.fsGroup changes the volume only");
        return;
    }
    buf_str(m, "; the file");
    if (stat(path, &st) != 0)
        return;
    put_verdict(m, &st, "read");
    if ((st.st_mode & S_IRGRP) != 0 && st.st_gid != 0 && !in_group(st.st_gid))
        group = st.st_gid;
    failure_remedy(
        f,
        "set securityContext.fsGroup: %u in the pod spec, so that the kubelet gives the token to that group "
        "(mode 0640) and this process the group, or run all containers of the pod as the same user (the "
        "token then belongs to it); both need a new pod",
        (unsigned)group);
}

enum reason token_path_explain(const char *path, int error, struct failure *f) {
    SCRATCH static struct walk w;
    struct buf m = failure_begin(f, REASON_TOKEN_UNREADABLE);
    buf_str(&m, "cannot open token file ");
    token_path_put(&m, path);
    buf_fmt(&m, ": %s (errno %d)", strerror(error), error);
    failure_remedy(
        f, "check that the pod has a projected serviceAccountToken volume and that this container mounts "
           "it at that path (kubectl get pod -o yaml); a mutated pod has both, so recreate the pod");
    follow(path, &w);
    if (error == EACCES || error == EPERM) {
        f->cause = "permission";
        forbidden(path, &w, &m, f);
    } else if (error == ENOENT && w.error == ENOENT && is_link_broken(&w)) {
        f->cause = "broken-link";
        broken_link(&w, &m, f);
    } else if (error == ENOENT && w.error == ENOENT) {
        f->cause = "missing";
        nothing_there(&w, &m, f);
    } else if (error == ELOOP) {
        buf_str(&m, "; symbolic links on the way lead back to themselves");
    }
    return f->reason;
}
