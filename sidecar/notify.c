#include "sidecar/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PID_TEXT_MAX 32     /* a pid has at most 7 digits; blanks and a newline around it */
#define STATUS_TEXT_MAX 512 /* of /proc/PID/status: State and Uid are within its first 200 bytes */

static struct log_repeat not_there;

/* The kernel's own numbers: headers of the build may be older than the kernel that runs. */
#define PIDFD_SEND_SIGNAL 424
#define PIDFD_OPEN 434

static bool read_start(int fd, char *out, size_t cap, size_t *len) {
    ssize_t n = read(fd, out, cap - 1);
    out[n > 0 ? n : 0] = '\0';
    *len = n > 0 ? (size_t)n : 0;
    return n >= 0;
}

/* Whoever may write to the file, or put another in its place, chooses who gets the signal. */
static const char *unfit_file(int fd) {
    struct stat st;
    if (fd < 0)
        return errno == ELOOP ? "it is a symbolic link, which is not followed" : strerror(errno);
    if (fstat(fd, &st) != 0)
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return "it is no file";
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return "the file belongs to another user";
    return (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 ? "others may write to the file (chmod go-w)" : NULL;
}

/* 0 if the text is no pid. 1 is not taken: in a pod that shares its processes it is the pause container. */
static pid_t parse_pid(const char *text) {
    enum { PID_MAX = 4194304 }; /* of the kernel on 64-bit machines */
    pid_t pid = 0;
    text += strspn(text, " \t\r\n");
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 7 || text[digits + strspn(text + digits, " \t\r\n")] != '\0')
        return 0;
    for (size_t i = 0; i < digits; i++)
        pid = pid * 10 + (text[i] - '0');
    return pid > 1 && pid <= PID_MAX ? pid : 0;
}

/* What follows a key at the beginning of a line, up to the end of the text. */
static const char *line_of(const char *status, const char *key) {
    const char *at = strstr(status, key);
    return at != NULL ? at + strlen(key) : "";
}

/* Why the process must not get the signal, in words; NULL if it may. What /proc says is about the process
 * that the descriptor means, or that one has ended, and gets no signal either. */
static const char *unfit(pid_t pid) {
    char path[32], status[STATUS_TEXT_MAX], own[16];
    struct buf p = BUF(path), uid = BUF(own);
    size_t len;
    if (pid == getpid())
        return "that is the sidecar itself";
    buf_fmt(&p, "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool known = fd >= 0 && read_start(fd, status, sizeof status, &len);
    if (fd >= 0)
        close(fd);
    if (!known)
        return "its /proc entry cannot be read";
    const char *state = line_of(status, "\nState:\t"), *real = line_of(status, "\nUid:\t");
    if (*state == 'Z' || *state == 'X')
        return "that process has ended";
    buf_fmt(&uid, "%u\t", (unsigned)geteuid());
    if (strncmp(real, own, uid.len) != 0)
        return "that process belongs to another user, and is left alone";
    return NULL;
}

static const char *send_signal(pid_t pid, int signal) {
    int fd = (int)syscall(PIDFD_OPEN, pid, 0);
    if (fd < 0 && errno == ESRCH)
        return "there is no process with that pid here (do the containers share their processes? "
               "shareProcessNamespace: true)";
    if (fd < 0)
        return errno == ENOSYS ? "this kernel, or the container's seccomp profile, has no pidfd_open"
                               : strerror(errno);
    const char *why = unfit(pid);
    if (why == NULL && syscall(PIDFD_SEND_SIGNAL, fd, signal, NULL, 0) != 0)
        why = strerror(errno);
    close(fd);
    return why;
}

void notify_refreshed(const struct config *config) {
    char text[PID_TEXT_MAX];
    size_t len = 0;
    pid_t pid = 0;
    if (config->notify_pid_file[0] == '\0')
        return;
    int fd = open(config->notify_pid_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    const char *why = unfit_file(fd);
    if (why == NULL && !read_start(fd, text, sizeof text, &len))
        why = strerror(errno);
    if (fd >= 0)
        close(fd);
    if (why == NULL && (len == PID_TEXT_MAX - 1 || strlen(text) != len || (pid = parse_pid(text)) == 0))
        why = "the file holds no process id above 1";
    if (why == NULL)
        why = send_signal(pid, config->notify_signal);
    if (why != NULL) {
        char detail[CONFIG_PATH_MAX / 4];
        struct buf d = BUF(detail);
        buf_fmt(&d, "%.512s: ", config->notify_pid_file);
        if (pid > 0)
            buf_fmt(&d, "pid %d: ", (int)pid);
        buf_str(&d, why);
        log_failing(&not_there, LOG_WARN, "cannot notify", why, detail);
        return;
    }
    log_mended(&not_there, "notifying again");
    LOG(LOG_DEBUG, "notified", LOG_NUMBER("pid", pid), LOG_NUMBER("signal", config->notify_signal));
}
