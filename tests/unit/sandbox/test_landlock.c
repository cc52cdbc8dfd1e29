/* Landlock as this kernel has it, each time in a process of its own. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sandbox/sandbox_landlock.h"

enum { AS_EXPECTED, UNLIKE_EXPECTED, NO_LANDLOCK };

static int lowest_free(void) {
    int fd = dup(STDERR_FILENO);
    close(fd);
    return fd;
}

static bool can_make(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* A file is to be written to a folder that is not there yet, and read what is not there at all. */
static int restricted(void) {
    char made[128], elsewhere[128], text[512];
    struct sandbox_path paths[] = {{scratch_path("here/later/deep/file"), SANDBOX_WRITE_BESIDE},
                                   {scratch_path("absent"), SANDBOX_READ}};
    const struct sandbox_rules rules = {.paths = paths, .path_max = 2, .path_count = 2};
    struct buf problem = BUF(text);
    snprintf(made, sizeof made, "%s", scratch_path("here/made"));
    snprintf(elsewhere, sizeof elsewhere, "%s", scratch_path("elsewhere/made"));
    int before = lowest_free();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return UNLIKE_EXPECTED;
    if (sandbox_landlock(&rules, &problem) == 0)
        return strstr(text, "has no Landlock") != NULL ? NO_LANDLOCK : UNLIKE_EXPECTED;
    if (lowest_free() != before || !can_make(made))
        return UNLIKE_EXPECTED;
    return !can_make(elsewhere) && errno == EACCES ? AS_EXPECTED : UNLIKE_EXPECTED;
}

static void what_is_not_there_counts_for_the_folder_above(void **state) {
    (void)state;
    int status;
    assert_int_equal(mkdir(scratch_path("here"), 0700), 0);
    assert_int_equal(mkdir(scratch_path("elsewhere"), 0700), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(restricted());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NO_LANDLOCK)
        SKIP("this kernel has no Landlock");
    assert_int_equal(WEXITSTATUS(status), AS_EXPECTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_not_there_counts_for_the_folder_above)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
