#include "sidecar/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PID_TEXT_MAX 32     /* a pid has at most 7 digits; blanks and a newline around it */
#define STATUS_TEXT_MAX 512 /* of /proc/PID/status: State and Uid are within its first 200 bytes */

static struct log_repeat not_there;

/* Reads the beginning of a file. -1 with errno. */
static ssize_t read_start(const char *path, char *out, size_t cap) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, out, cap - 1);
    int error = errno;
    close(fd);
    errno = error;
    if (n >= 0)
        out[n] = '\0';
    return n;
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

/* Why the process must not get the signal, in words; NULL if it may. */
static const char *unfit(pid_t pid) {
    char path[32], status[STATUS_TEXT_MAX], own[16];
    struct buf p = BUF(path), uid = BUF(own);
    buf_fmt(&p, "/proc/%d/status", (int)pid);
    if (read_start(path, status, sizeof status) < 0)
        return errno == ENOENT
                   ? "there is no process with that pid here (do the containers share their processes? "
                     "shareProcessNamespace: true)"
                   : "its /proc entry cannot be read";
    const char *state = line_of(status, "\nState:\t"), *real = line_of(status, "\nUid:\t");
    if (*state == 'Z' || *state == 'X')
        return "that process has ended";
    buf_fmt(&uid, "%u\t", (unsigned)geteuid());
    if (strncmp(real, own, uid.len) != 0)
        return "that process belongs to another user, and is left alone";
    return NULL;
}

void notify_refreshed(const struct config *config) {
    char text[PID_TEXT_MAX];
    const char *why = NULL;
    pid_t pid = 0;
    if (config->notify_pid_file[0] == '\0')
        return;
    ssize_t len = read_start(config->notify_pid_file, text, sizeof text);
    if (len < 0)
        why = strerror(errno);
    else if (len == PID_TEXT_MAX - 1 || strlen(text) != (size_t)len || (pid = parse_pid(text)) == 0)
        why = "the file holds no process id above 1";
    else
        why = unfit(pid);
    if (why == NULL && kill(pid, config->notify_signal) != 0)
        why = strerror(errno);
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
