/* The files of the sidecar's sinks, as real files, in a folder of the target's own, with a system that fails
 * where the input says so. The input: four bytes, see below, and what is in the shared credentials file.
 *
 * Whatever is there and whatever fails: a reader sees the file as it was or whole as it will be; nobody else
 * may read the new one before it has its mode; a file that could not be written is as it was and is named,
 * another one is written all the same; nothing is left beside them; trying again writes it; and of the shared
 * file only our keys of our profile have changed. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/ini_checks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sidecar/sinks.h"

/* The first byte: what is at the path of the shared file, and what is wanted. */
enum { THERE_NOTHING, THERE_FILE, THERE_LINK, THERE_FOLDER };
#define THERE(byte) ((byte)&3)
#define PROCESS_TOO 0x04
#define NAMED_PROFILE 0x08
#define LEFTOVERS 0x10
#define ACCOUNT 0x20
#define LONG_TOKEN 0x40
#define HUGE 0x80 /* the shared file is as large as it may be, with room for a profile or without */
/* The second: which call fails; the third: which of them, and how. */
enum {
    FAIL_NONE,
    FAIL_OPEN,
    FAIL_READ,
    FAIL_CREATE,
    FAIL_WRITE,
    FAIL_MODE,
    FAIL_SYNC,
    FAIL_CLOSE,
    FAIL_RENAME
};
#define FAILS(byte) ((byte) % 9)
#define NTH(byte) ((byte)&3)
#define PIECES 0x10     /* read and write take a few bytes at a time */
#define INTERRUPTS 0x20 /* and are interrupted each other time */
/* The fourth: the mode, and that room. */
static const mode_t modes[] = {0600, 0640, 0644, 0660, 0400, 0440, 0604, 0666};
#define NO_ROOM 0x10
#define OVER 0x20 /* a byte larger, though our own keys are most of it */

#define EXISTING_MAX 60000
#define FILE_MAX (INI_FILE_MAX + 2 * CREDENTIALS_RENDERED_MAX)
#define SHARED "credentials"
#define PROCESS "process.json"
#define TARGET "of-a-neighbour"
#define LEFT_SHARED ".credentials.pod-identity-abcdef"
#define LEFT_PROCESS ".process.json.pod-identity-123456"

static const char *const keys[] = {"aws_access_key_id",
                                   "aws_secret_access_key",
                                   "aws_session_token",
                                   "aws_account_id",
                                   "x_security_token_expires",
                                   "aws_security_token",
                                   NULL};
static uint8_t how, fails, nth, mode_byte;
static char existing[FILE_MAX];
static size_t existing_len;
static struct config_profile profile;
static char folder[] = "build/test/sinks-XXXXXX";
static int folder_fd;

struct content {
    bool there;
    struct stat st;
    size_t len;
    char text[FILE_MAX];
};
static struct content shared_before, process_before, now;

/* ---- the system ---- */

static bool armed, synced;
static unsigned calls, failed_calls;
static bool interrupted;

int __wrap_open(const char *path, int flags, ...);
int __real_open(const char *path, int flags, ...);
ssize_t __wrap_read(int fd, void *out, size_t len);
ssize_t __real_read(int fd, void *out, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __real_write(int fd, const void *bytes, size_t len);
int __wrap_mkostemp(char *form, int flags);
int __real_mkostemp(char *form, int flags);
int __wrap_fchmod(int fd, mode_t mode);
int __real_fchmod(int fd, mode_t mode);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __real_close(int fd);
int __wrap_rename(const char *from, const char *to);
int __real_rename(const char *from, const char *to);

static bool fail(int call, int error) {
    if (!armed || FAILS(fails) != call || calls++ != NTH(nth))
        return false;
    failed_calls++;
    errno = error;
    return true;
}

static bool interrupt(void) {
    interrupted = armed && (nth & INTERRUPTS) != 0 && !interrupted;
    errno = interrupted ? EINTR : errno;
    return interrupted;
}

static size_t piece(size_t len) {
    return armed && (nth & PIECES) != 0 && len > 700 ? len / 2 + 1 : len;
}

static void look(const char *name, struct content *out);
static bool same(const struct content *a, const struct content *b);

/* What a reader finds while a file is being written: what was there before. */
static void nothing_is_published(void) {
    bool on = armed;
    armed = false;
    look(SHARED, &now);
    HOLDS(same(&now, &shared_before));
    look(PROCESS, &now);
    HOLDS(same(&now, &process_before));
    armed = on;
}

int __wrap_open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    /* A folder that cannot be opened is no failure: what was renamed is there. */
    if ((flags & O_DIRECTORY) == 0 && fail(FAIL_OPEN, EIO))
        return -1;
    return __real_open(path, flags, mode);
}

ssize_t __wrap_read(int fd, void *out, size_t len) {
    return interrupt() || fail(FAIL_READ, EIO) ? -1 : __real_read(fd, out, piece(len));
}

ssize_t __wrap_write(int fd, const void *bytes, size_t len) {
    if (!armed)
        return __real_write(fd, bytes, len);
    struct stat st;
    HOLDS(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0600);
    if (interrupt() || fail(FAIL_WRITE, ENOSPC))
        return -1;
    synced = false;
    ssize_t n = __real_write(fd, bytes, piece(len));
    nothing_is_published();
    return n;
}

int __wrap_mkostemp(char *form, int flags) {
    return fail(FAIL_CREATE, EACCES) ? -1 : __real_mkostemp(form, flags);
}

int __wrap_fchmod(int fd, mode_t mode) {
    HOLDS(mode == profile.file_mode);
    return fail(FAIL_MODE, EPERM) ? -1 : __real_fchmod(fd, mode);
}

/* The disk itself is not waited for: thousands of inputs a second. */
int __wrap_fsync(int fd) {
    bool of_folder = (fcntl(fd, F_GETFL) & O_DIRECTORY) != 0; /* what was renamed is there */
    if (!of_folder && fail(FAIL_SYNC, EIO))
        return -1;
    synced = true;
    return 0;
}

/* Of what was written; a file that was only read may close as it likes. */
int __wrap_close(int fd) {
    bool written = (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
    int result = __real_close(fd);
    return written && fail(FAIL_CLOSE, EDQUOT) ? -1 : result;
}

int __wrap_rename(const char *from, const char *to) {
    HOLDS(synced);
    nothing_is_published();
    if (fail(FAIL_RENAME, EBUSY))
        return -1;
    int result = __real_rename(from, to);
    look(strstr(to, PROCESS) != NULL ? PROCESS : SHARED,
         strstr(to, PROCESS) != NULL ? &process_before : &shared_before);
    return result;
}

/* ---- what is there ---- */

static void look(const char *name, struct content *out) {
    bool on = armed;
    armed = false;
    out->len = 0;
    out->there = fstatat(folder_fd, name, &out->st, AT_SYMLINK_NOFOLLOW) == 0;
    int fd = out->there && !S_ISDIR(out->st.st_mode) ? openat(folder_fd, name, O_RDONLY | O_CLOEXEC) : -1;
    for (ssize_t n = 1; fd >= 0 && n > 0; out->len += n > 0 ? (size_t)n : 0)
        n = __real_read(fd, out->text + out->len, sizeof out->text - out->len);
    if (fd >= 0)
        __real_close(fd);
    armed = on;
}

static bool same(const struct content *a, const struct content *b) {
    if (a->there != b->there)
        return false;
    return !a->there || (a->st.st_ino == b->st.st_ino && a->st.st_mode == b->st.st_mode && a->len == b->len &&
                         memcmp(a->text, b->text, a->len) == 0);
}

static void put(const char *name, const char *text, size_t len, mode_t mode) {
    int fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    HOLDS(fd >= 0 && __real_write(fd, text, len) == (ssize_t)len);
    __real_close(fd);
}

static void empty_folder(void) {
    DIR *d = fdopendir(openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            unlinkat(folder_fd, e->d_name, 0) != 0)
            HOLDS(unlinkat(folder_fd, e->d_name, AT_REMOVEDIR) == 0);
    }
    closedir(d);
}

/* Only the files themselves: no temporary one, not even of a process that was killed. */
static void check_names(void) {
    DIR *d = fdopendir(openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        HOLDS(strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, SHARED) == 0 ||
              strcmp(e->d_name, PROCESS) == 0 || strcmp(e->d_name, TARGET) == 0);
    closedir(d);
}

/* ---- invariants ---- */

static unsigned count(const struct content *c, const char *word) {
    unsigned n = 0;
    size_t len = strlen(word);
    for (const char *at = c->text; (at = memmem(at, (size_t)(c->text + c->len - at), word, len)) != NULL;
         at += len)
        n++;
    return n;
}

static void has_line(const struct content *c, const char *key, const char *value) {
    char line[CREDENTIALS_TOKEN_MAX + 64];
    snprintf(line, sizeof line, "%s = %s\n", key, value);
    HOLDS(count(c, line) == 1);
}

static void check_file(const struct content *c) {
    HOLDS(c->there && S_ISREG(c->st.st_mode) && (c->st.st_mode & 07777) == profile.file_mode);
    HOLDS(c->st.st_nlink == 1 && c->st.st_uid == geteuid());
}

/* Of the credentials that were there before; with others it is wrong. */
#define OLD_ACCOUNT "aws_account_id = 424242424242\n"
static bool begins_with_account(void) {
    static const char beginning[] = "[default]\n" OLD_ACCOUNT;
    return (how & NAMED_PROFILE) == 0 && existing_len >= sizeof beginning - 1 &&
           memcmp(existing, beginning, sizeof beginning - 1) == 0;
}

static void check_shared(const struct credentials *c) {
    char header[INI_PROFILE_MAX + 2];
    snprintf(header, sizeof header, "[%s]", profile.profile);
    look(SHARED, &now);
    check_file(&now);
    HOLDS(count(&now, header) > 0);
    HOLDS(c->account_id[0] != '\0' || !begins_with_account() || count(&now, OLD_ACCOUNT) == 0);
    has_line(&now, "aws_access_key_id", c->access_key_id);
    has_line(&now, "aws_secret_access_key", c->secret_access_key);
    has_line(&now, "aws_session_token", c->session_token);
    if (c->account_id[0] != '\0')
        has_line(&now, "aws_account_id", c->account_id);
    if (THERE(how) == THERE_FILE)
        check_nothing_lost(existing, existing_len, now.text, now.len, keys);
}

static void check_process(const struct credentials *c) {
    look(PROCESS, &now);
    check_file(&now);
    HOLDS(now.len > 0 && now.text[0] == '{' && memcmp(now.text + now.len - 2, "}\n", 2) == 0);
    HOLDS(count(&now, c->access_key_id) == 1 && count(&now, c->session_token) == 1 &&
          count(&now, "\"Version\":1") == 1);
}

/* Named if it failed, and nothing secret. */
static void check_problem(const struct buf *problem, unsigned failed, const struct credentials *c) {
    HOLDS((problem->len > 0) == (failed != 0) && !problem->overflow);
    HOLDS((strstr(problem->data, SHARED ": ") != NULL) == ((failed & SINKS_CREDENTIALS_FILE) != 0));
    HOLDS((strstr(problem->data, PROCESS ": ") != NULL) == ((failed & SINKS_PROCESS_FILE) != 0));
    for (const char *at = problem->data; *at != '\0'; at++)
        HOLDS(*at >= ' ' && *at <= '~');
    HOLDS(strstr(problem->data, c->secret_access_key) == NULL &&
          strstr(problem->data, c->access_key_id) == NULL);
}

/* Of the shared file: what is no file of ours, or no text, cannot be kept, and so is never written. */
static bool can_be_kept(void) {
    bool text = memchr(existing, '\0', existing_len) == NULL;
    return THERE(how) == THERE_NOTHING ||
           (THERE(how) == THERE_FILE && text && ((how & HUGE) == 0 || (mode_byte & (NO_ROOM | OVER)) == 0));
}

static unsigned write_once(const struct credentials *c, unsigned files, bool with_faults) {
    static struct content link_target;
    char text[SINKS_PROBLEM_MAX];
    struct buf problem = BUF(text);
    look(SHARED, &shared_before);
    look(PROCESS, &process_before);
    look(TARGET, &link_target);
    calls = failed_calls = 0;
    interrupted = synced = false;
    armed = with_faults;
    unsigned failed = sinks_write(&profile, files, c, &problem);
    armed = false;
    HOLDS((failed & ~files) == 0);
    check_problem(&problem, failed, c);
    check_names();
    look(TARGET, &now);
    HOLDS(same(&now, &link_target));
    nothing_is_published(); /* but what was renamed */
    unsigned hopeless = can_be_kept() ? 0 : files & SINKS_CREDENTIALS_FILE, by_fault = failed & ~hopeless;
    HOLDS((failed & hopeless) == hopeless && failed_calls <= 1);
    HOLDS(failed_calls > 0 ? by_fault != (SINKS_CREDENTIALS_FILE | SINKS_PROCESS_FILE) : by_fault == 0);
    HOLDS(failed_calls == 0 || failed != 0);
    unsigned done = files & ~failed;
    if ((done & SINKS_CREDENTIALS_FILE) != 0)
        check_shared(c);
    if ((done & SINKS_PROCESS_FILE) != 0)
        check_process(c);
    return failed;
}

/* ---- a run ---- */

static void make_credentials(struct credentials *c, char which) {
    memset(c, 0, sizeof *c);
    c->expires_ms = 1900000000000;
    snprintf(c->access_key_id, sizeof c->access_key_id, "ASIAFUZZFUZZFUZZ%c", which);
    snprintf(c->secret_access_key, sizeof c->secret_access_key, "secretFUZZFUZZ%c", which);
    memset(c->session_token, which, (how & LONG_TOKEN) != 0 ? CREDENTIALS_TOKEN_MAX - 1 : 40);
    memcpy(c->session_token, "FUZZFUZZ", 8); /* which no input holds */
    if ((how & ACCOUNT) != 0)
        snprintf(c->account_id, sizeof c->account_id, "FUZZFUZZ111%c", which);
}

static void take_existing(const uint8_t *data, size_t size) {
    existing_len = size;
    memcpy(existing, data, size);
    if ((how & HUGE) == 0)
        return;
    existing_len = INI_FILE_MAX - ((mode_byte & NO_ROOM) != 0 ? 0 : CREDENTIALS_RENDERED_MAX);
    memset(existing + size, '#', existing_len - size);
    for (size_t at = size; at < existing_len; at += 1000)
        existing[at] = '\n';
    if ((mode_byte & OVER) == 0)
        return;
    existing_len = INI_FILE_MAX + 2; /* more than is read at once */
    memset(existing + size, 'x', existing_len - size);
    memcpy(existing + size, "\n[default]\naws_session_token = ", 31);
    memcpy(existing + existing_len - 9, "\n[z]\na=b\n", 9);
}

static void set_up_folder(void) {
    empty_folder();
    put(TARGET, "[default]\nregion = x\n", 21, 0600);
    if (THERE(how) == THERE_FILE)
        put(SHARED, existing, existing_len, 0644);
    if (THERE(how) == THERE_LINK)
        HOLDS(symlinkat(TARGET, folder_fd, SHARED) == 0);
    if (THERE(how) == THERE_FOLDER)
        HOLDS(mkdirat(folder_fd, SHARED, 0700) == 0);
    if ((how & LEFTOVERS) != 0) {
        put(LEFT_SHARED, "half", 4, 0600);
        put(LEFT_PROCESS, "half", 4, 0600);
    }
}

static void set_up_profile(void) {
    memset(&profile, 0, sizeof profile);
    profile.file_mode = modes[mode_byte & 7];
    snprintf(profile.profile, sizeof profile.profile, "%s",
             (how & NAMED_PROFILE) != 0 ? "team/app" : "default");
    snprintf(profile.credentials_file, sizeof profile.credentials_file, "%s/" SHARED, folder);
    if ((how & PROCESS_TOO) != 0)
        snprintf(profile.process_file, sizeof profile.process_file, "%s/" PROCESS, folder);
}

/* With a failure, and then again, what is left of it, until all is written that can be. */
static void write_until_done(const struct credentials *c) {
    unsigned wanted = sinks_wanted(&profile), hopeless = can_be_kept() ? 0 : SINKS_CREDENTIALS_FILE;
    HOLDS(wanted == (SINKS_CREDENTIALS_FILE | ((how & PROCESS_TOO) != 0 ? SINKS_PROCESS_FILE : 0U)));
    unsigned left = write_once(c, wanted, true);
    if (left != 0)
        HOLDS(write_once(c, left, false) == hopeless);
}

static void remove_folder(void) {
    empty_folder();
    rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct credentials first, second;
    static struct content once;
    if (size < 4 || size - 4 > EXISTING_MAX || memmem(data, size, "FUZZFUZZ", 8) != NULL)
        return 0;
    if (folder_fd == 0) {
        HOLDS(mkdtemp(folder) != NULL);
        folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        atexit(remove_folder);
        umask(027);
    }
    how = data[0], fails = data[1], nth = data[2], mode_byte = data[3];
    take_existing(data + 4, size - 4);
    set_up_folder();
    set_up_profile();
    make_credentials(&first, 'A');
    make_credentials(&second, 'B');
    sinks_open(&profile);
    if ((how & LEFTOVERS) != 0 && (how & PROCESS_TOO) == 0)
        HOLDS(unlinkat(folder_fd, LEFT_PROCESS, 0) == 0); /* no file of this profile's */
    check_names();
    write_until_done(&first);
    if (can_be_kept()) {
        look(SHARED, &once);
        HOLDS(write_once(&first, SINKS_CREDENTIALS_FILE, false) == 0);
        look(SHARED, &now);
        HOLDS(now.len == once.len && memcmp(now.text, once.text, now.len) == 0);
    }
    write_until_done(&second);
    look(SHARED, &now);
    HOLDS(!can_be_kept() || count(&now, first.access_key_id) + count(&now, first.session_token) == 0);
    return 0;
}
