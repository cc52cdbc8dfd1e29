/* The Unix socket's lock: whoever stands in its place, the socket comes, and no descriptor is left behind. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/serve/listen.h"

static char path[LISTEN_PATH_MAX], lock[LISTEN_PATH_MAX + 8];

static int name_it(void **state) {
    (void)state;
    snprintf(path, sizeof path, "%s", scratch_path("listen"));
    snprintf(lock, sizeof lock, "%s.lock", path);
    unlink(path);
    unlink(lock);
    return 0;
}

static int lowest_free(void) {
    int fd = dup(STDERR_FILENO);
    close(fd);
    return fd;
}

/* A socket with that mode, no lock, and no descriptor besides. */
static void comes(void) {
    char text[512];
    struct buf problem = BUF(text);
    struct stat st;
    int before = lowest_free(), fd = listen_unix(path, 0640, (gid_t)-1, &problem);
    if (fd < 0)
        fail_msg("%s", text);
    assert_true(lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_mode & 07777) == 0640);
    assert_true(lstat(lock, &st) != 0 && errno == ENOENT);
    close(fd);
    assert_int_equal(lowest_free(), before);
}

static void of_its_own(void **state) {
    (void)state;
    comes();
    comes(); /* a killed process left its socket */
}

/* What others could hold, or lead elsewhere, is no lock of ours. */
static void in_its_place(void **state) {
    (void)state;
    write_file(lock, "", 0);
    assert_int_equal(chmod(lock, 0644), 0);
    comes();
    assert_int_equal(symlink("/etc/passwd", lock), 0);
    comes();
    assert_int_equal(mkfifo(lock, 0600), 0);
    comes();
}

/* Another one of us, which is about to be ready: it is waited for. */
static void held_for_a_moment(void **state) {
    (void)state;
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        const struct timespec moment = {.tv_nsec = 150000000};
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = open(lock, O_RDWR | O_CREAT, 0600);
        bool held = fd >= 0 && fcntl(fd, F_SETLK, &whole) == 0 && write(ready[1], "x", 1) == 1;
        nanosleep(&moment, NULL);
        _exit(held ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    comes();
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(of_its_own, name_it),
        cmocka_unit_test_setup(in_its_place, name_it),
        cmocka_unit_test_setup(held_for_a_moment, name_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
