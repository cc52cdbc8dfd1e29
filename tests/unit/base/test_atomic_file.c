#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/atomic_file.h"

static struct atomic_file_problem problem;

/* In the C library's place: counts, and fails on request, as a bad disk does. */
static struct {
    int files, folders;
    bool fail;
} syncs;

int fsync(int fd) {
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -1;
    *(S_ISDIR(st.st_mode) ? &syncs.folders : &syncs.files) += 1;
    if (syncs.fail) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

static bool publish(const char *path, const char *text) {
    return atomic_file_write(path, text, strlen(text), 0640, ATOMIC_FILE_KEEP, &problem);
}

static void failed_at(const char *step, int error) {
    assert_non_null(problem.step);
    if (strncmp(problem.step, step, strlen(step)) != 0 || problem.error != error)
        fail_msg("failed at \"%s\" with errno %d", problem.step, problem.error);
}

static size_t entries_of(const char *folder) {
    size_t count = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return count;
}

static const char *fresh_folder(const char *name) {
    const char *folder = scratch_path(name);
    assert_int_equal(mkdir(folder, 0755), 0);
    return folder;
}

static void a_file_is_made_and_replaced(void **state) {
    (void)state;
    struct stat st;
    fresh_folder("plain");
    const char *path = scratch_path("plain/file");
    assert_true(publish(path, "old"));
    assert_int_equal(problem.error, 0);
    assert_string_equal(read_file(path, NULL), "old");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    ino_t before = st.st_ino;
    int reader = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(publish(path, "newer"));
    assert_string_equal(read_file(path, NULL), "newer");
    assert_int_equal(stat(path, &st), 0);
    assert_int_not_equal(st.st_ino, before);
    char bytes[16] = "";
    assert_int_equal(pread(reader, bytes, sizeof bytes, 0), 3); /* who had it open still reads the old one */
    assert_string_equal(bytes, "old");
    close(reader);
    assert_true(publish(path, ""));
    assert_string_equal(read_file(path, NULL), "");
    assert_int_equal(entries_of(scratch_path("plain")), 1);
}

static void what_is_published_is_on_the_disk(void **state) {
    (void)state;
    fresh_folder("synced");
    memset(&syncs, 0, sizeof syncs);
    assert_true(publish(scratch_path("synced/file"), "old"));
    assert_int_equal(syncs.files, 1);
    assert_int_equal(syncs.folders, 1);
    syncs.fail = true;
    bool ok = publish(scratch_path("synced/file"), "new");
    syncs.fail = false;
    assert_false(ok);
    failed_at("sync", EIO);
    assert_string_equal(read_file(scratch_path("synced/file"), NULL), "old");
    assert_int_equal(entries_of(scratch_path("synced")), 1);
}

static void the_umask_does_not_matter(void **state) {
    (void)state;
    struct stat st;
    const char *path = scratch_path("umask");
    mode_t before = umask(0777);
    bool ok = publish(path, "x");
    umask(before);
    assert_true(ok);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
}

static void a_link_is_replaced_and_its_target_left_alone(void **state) {
    (void)state;
    struct stat st;
    write_file(scratch_path("target"), "target", 6);
    assert_int_equal(symlink("target", scratch_path("link")), 0);
    assert_true(publish(scratch_path("link"), "new"));
    assert_int_equal(lstat(scratch_path("link"), &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_string_equal(read_file(scratch_path("target"), NULL), "target");
    assert_int_equal(symlink("nowhere", scratch_path("dangling")), 0);
    assert_true(publish(scratch_path("dangling"), "new"));
    assert_string_equal(read_file(scratch_path("dangling"), NULL), "new");
}

static void unusable_targets_leave_nothing_behind(void **state) {
    (void)state;
    static char longest[ATOMIC_FILE_PATH_MAX + 10];
    assert_false(publish(scratch_path("missing/file"), "x"));
    failed_at("create", ENOENT);
    write_file(scratch_path("no-folder"), "x", 1);
    assert_false(publish(scratch_path("no-folder/file"), "x"));
    failed_at("create", ENOTDIR);
    fresh_folder("parent");
    fresh_folder("parent/folder");
    assert_false(publish(scratch_path("parent/folder"), "x"));
    failed_at("rename", EISDIR);
    assert_int_equal(entries_of(scratch_path("parent")), 1);
    assert_false(publish(scratch_path("parent/"), "x"));
    failed_at("use the path", ENAMETOOLONG);
    memset(longest, 'a', sizeof longest - 1);
    assert_false(publish(longest, "x"));
    static char largest[2 * ATOMIC_FILE_PATH_MAX]; /* folder and name fit, but not both and the mark */
    memset(largest, 'a', sizeof largest - 1);
    largest[ATOMIC_FILE_PATH_MAX - 1] = '/';
    assert_false(publish(largest, "x"));
    failed_at("create", ENAMETOOLONG);
    char name[300];
    memset(name, 'n', sizeof name);
    name[250] = '\0'; /* fits as a file, not with the mark of a temporary one */
    assert_false(publish(scratch_path(name), "x"));
    failed_at("create", ENAMETOOLONG);
}

static void a_file_of_the_root_folder(void **state) {
    (void)state;
    if (geteuid() != 0)
        SKIP("needs root to have a root folder of its own");
    const char *folder = fresh_folder("root");
    pid_t pid = fork();
    if (pid == 0)
        _exit(chroot(folder) == 0 && publish("/file", "x") ? 0 : 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_string_equal(read_file(scratch_path("root/file"), NULL), "x");
}

static void a_group_that_may_not_be_given_leaves_the_old_file(void **state) {
    (void)state;
    if (geteuid() != 0)
        SKIP("needs root to become somebody else");
    fresh_folder("group");
    assert_int_equal(chmod(scratch_folder(), 0755), 0);
    assert_int_equal(chown(scratch_path("group"), 12345, 12345), 0);
    write_file(scratch_path("group/file"), "old", 3);
    pid_t pid = fork();
    if (pid == 0) {
        bool ok = setgid(12345) == 0 && setuid(12345) == 0 &&
                  !atomic_file_write(scratch_path("group/file"), "new", 3, 0600, 4242, &problem) &&
                  strncmp(problem.step, "set the group", 13) == 0 && problem.error == EPERM;
        _exit(ok ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_string_equal(read_file(scratch_path("group/file"), NULL), "old");
    assert_int_equal(entries_of(scratch_path("group")), 1);
    struct stat st;
    assert_true(atomic_file_write(scratch_path("group/file"), "new", 3, 0640, 4242, &problem));
    assert_int_equal(stat(scratch_path("group/file"), &st), 0);
    assert_int_equal(st.st_gid, 4242);
    assert_int_equal(st.st_mode & 07777, 0640);
}

static void a_folder_without_write_permission(void **state) {
    (void)state;
    const char *folder = fresh_folder("locked");
    write_file(scratch_path("locked/file"), "old", 3);
    assert_int_equal(chmod(folder, 0555), 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool nobody = geteuid() != 0 || (setgid(12345) == 0 && setuid(12345) == 0);
        _exit(nobody && !publish(scratch_path("locked/file"), "new") && problem.error == EACCES &&
                      strncmp(problem.step, "create", 6) == 0
                  ? 0
                  : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_string_equal(read_file(scratch_path("locked/file"), NULL), "old");
}

static void a_full_device_leaves_the_old_file(void **state) {
    (void)state;
    const char *folder = fresh_folder("full");
    if (geteuid() != 0 || mount("none", folder, "tmpfs", 0, "size=64k") != 0)
        SKIP("needs the right to mount a small tmpfs");
    static char large[200000];
    memset(large, 'x', sizeof large - 1);
    bool first = publish(scratch_path("full/file"), "old");
    bool second = publish(scratch_path("full/file"), large);
    struct atomic_file_problem seen = problem;
    char content[16];
    snprintf(content, sizeof content, "%.10s", read_file(scratch_path("full/file"), NULL));
    size_t entries = entries_of(scratch_path("full"));
    bool third = publish(scratch_path("full/file"), "newer"); /* nothing of the failed one takes room */
    assert_int_equal(umount(folder), 0);
    assert_true(first && third);
    assert_false(second);
    problem = seen;
    failed_at("write", ENOSPC);
    assert_string_equal(content, "old");
    assert_int_equal(entries, 1);
}

static void leavings_of_a_killed_writer_are_removed(void **state) {
    (void)state;
    static const char *const kept[] = {"file",
                                       ".file.pod-identity-",
                                       ".file.pod-identity-ABCDEFG",
                                       ".file.pod-identity-ABCDE",
                                       ".other.pod-identity-ABCDEF",
                                       "file.pod-identity-ABCDEF"};
    fresh_folder("leavings");
    for (size_t i = 0; i < COUNT(kept); i++) {
        char path[128];
        snprintf(path, sizeof path, "leavings/%s", kept[i]);
        write_file(scratch_path(path), "x", 1);
    }
    write_file(scratch_path("leavings/.file.pod-identity-ABCDEF"), "x", 1);
    write_file(scratch_path("leavings/.file.pod-identity-a1B2c3"), "x", 1);
    atomic_file_clean(scratch_path("leavings/file"));
    assert_int_equal(entries_of(scratch_path("leavings")), COUNT(kept));
    atomic_file_clean(scratch_path("leavings/file"));
    atomic_file_clean(scratch_path("missing/file"));
    atomic_file_clean("");
}

/* Killed at any moment, the file is the old or the new one, whole. */
static void a_killed_writer_tears_nothing(void **state) {
    (void)state;
    static char contents[2][100000];
    fresh_folder("killed");
    const char *path = scratch_path("killed/file");
    for (int i = 0; i < 2; i++)
        memset(contents[i], 'a' + i, sizeof contents[i] - 1);
    assert_true(publish(path, contents[0]));
    struct dice dice = {.state = 60};
    for (int round = 0; round < 60; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (int i = 0;; i = 1 - i)
                atomic_file_write(path, contents[i], sizeof contents[i] - 1, 0600, ATOMIC_FILE_KEEP,
                                  &problem);
        }
        usleep((useconds_t)dice_below(&dice, 6000));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        size_t len;
        const char *found = read_file(path, &len);
        assert_int_equal(len, sizeof contents[0] - 1);
        assert_memory_equal(found, contents[found[0] == 'b'], len);
    }
    atomic_file_clean(path);
    assert_int_equal(entries_of(scratch_path("killed")), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_made_and_replaced),
        cmocka_unit_test(what_is_published_is_on_the_disk),
        cmocka_unit_test(the_umask_does_not_matter),
        cmocka_unit_test(a_link_is_replaced_and_its_target_left_alone),
        cmocka_unit_test(unusable_targets_leave_nothing_behind),
        cmocka_unit_test(a_file_of_the_root_folder),
        cmocka_unit_test(a_group_that_may_not_be_given_leaves_the_old_file),
        cmocka_unit_test(a_folder_without_write_permission),
        cmocka_unit_test(a_full_device_leaves_the_old_file),
        cmocka_unit_test(leavings_of_a_killed_writer_are_removed),
        cmocka_unit_test(a_killed_writer_tears_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
