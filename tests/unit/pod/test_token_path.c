/* Why a token cannot be opened: the words for each way of being absent or forbidden, from real paths. The
 * error is handed in, so that it does not matter who runs the test. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/pod/token_path.h"

static struct failure failure;

static void explain(const char *path, int error) {
    memset(&failure, 0, sizeof failure);
    assert_int_equal(token_path_explain(path, error, &failure), REASON_TOKEN_UNREADABLE);
    assert_int_equal(failure.reason, REASON_TOKEN_UNREADABLE);
    assert_null(strpbrk(failure.message, "\r\n"));
}

static void says(const char *part) {
    if (strstr(failure.message, part) == NULL)
        fail_msg("\"%s\" is not in: %s", part, failure.message);
}

static void advises(const char *part) {
    if (strstr(failure.remedy, part) == NULL)
        fail_msg("\"%s\" is not in: %s", part, failure.remedy);
}

static const char *path_of(const char *format) {
    static char places[4][256];
    static unsigned turn;
    char *out = places[++turn % 4];
    snprintf(out, sizeof places[0], "%s/%s", scratch_folder(), format);
    return out;
}

static void forbidden_files(void **state) {
    (void)state;
    const char *path = path_of("private");
    char want[256];
    write_file(path, "x", 1);
    assert_int_equal(chmod(path, 0600), 0);
    explain(path, EACCES);
    assert_string_equal(failure.cause, "permission");
    snprintf(want, sizeof want, "this process has uid %u, gid %u, groups", (unsigned)geteuid(),
             (unsigned)getegid());
    says("cannot open token file ");
    says(path);
    says(": Permission denied (errno 13)");
    says(want);
    snprintf(want, sizeof want,
             "; the file belongs to uid %u, gid %u, mode 0600: this process counts as owner, which may not "
             "read it",
             (unsigned)geteuid(), (unsigned)getegid());
    says(want);
    snprintf(want, sizeof want, "set securityContext.fsGroup: %u ", (unsigned)getegid());
    advises(want);
    explain(path, EPERM);
    assert_string_equal(failure.cause, "permission");
}

/* Somebody else's: the group that may read it is the one to be in, but root's. */
static void forbidden_groups(void **state) {
    (void)state;
    const char *path = path_of("grouped");
    if (geteuid() != 0)
        SKIP("only root gives files away");
    write_file(path, "x", 1);
    assert_int_equal(chown(path, 4711, 4712), 0);
    assert_int_equal(chmod(path, 0640), 0);
    explain(path, EACCES);
    says("belongs to uid 4711, gid 4712, mode 0640: this process counts as others, which may not read it");
    advises("fsGroup: 4712 ");
    assert_int_equal(chmod(path, 0600), 0);
    explain(path, EACCES);
    advises("fsGroup: 0 "); /* the group may not read it either */
    assert_int_equal(chown(path, 4711, 0), 0);
    explain(path, EACCES);
    says("counts as group");
    assert_int_equal(chown(path, 4711, 1), 0); /* a group as any other */
    assert_int_equal(chmod(path, 0640), 0);
    explain(path, EACCES);
    advises("fsGroup: 1 ");
}

static void missing(void **state) {
    (void)state;
    explain(path_of("absent"), ENOENT);
    assert_string_equal(failure.cause, "missing");
    says("No such file or directory (errno 2); its folder is there, and holds no file of that name");
    advises("serviceAccountToken source");
    explain(path_of("no/such/token"), ENOENT);
    assert_string_equal(failure.cause, "missing");
    says("/no does not exist: the token's volume is not mounted in this container");
    advises("restarting cannot help");
}

static void links(void **state) {
    (void)state;
    assert_int_equal(mkdir(path_of("volume"), 0755), 0);
    assert_int_equal(mkdir(path_of("volume/..1"), 0755), 0);
    assert_int_equal(symlink("..1", path_of("volume/..data")), 0);
    assert_int_equal(symlink("..data/token", path_of("volume/token")), 0);
    explain(path_of("volume/token"), ENOENT);
    assert_string_equal(failure.cause, "broken-link");
    says("/volume/..data points to ..1, and ");
    says("/volume/..1/token does not exist: the volume holds no file of that name");
    assert_int_equal(rmdir(path_of("volume/..1")), 0);
    explain(path_of("volume/token"), ENOENT);
    assert_string_equal(failure.cause, "broken-link");
    says("/volume/..1 does not exist: the version that the kubelet published is gone");
    advises("something removed the folder");
    assert_int_equal(unlink(path_of("volume/..data")), 0);
    explain(path_of("volume/token"), ENOENT);
    says("/volume/token points to ..data/token, and ");
    says("/volume/..data does not exist: the kubelet has published nothing");
    char before[1024];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(scratch_folder()), 0);
    assert_int_equal(symlink("gone", "t"), 0); /* as short as a path can be */
    explain("t", ENOENT);
    says("the symbolic link t points to gone, and ");
    assert_int_equal(chdir(before), 0);
    assert_int_equal(symlink("loop", path_of("loop")), 0);
    explain(path_of("loop"), ELOOP);
    says("Too many levels of symbolic links (errno 40); symbolic links on the way lead back to themselves");
    assert_null(failure.cause);
}

/* The file is there, and another error came: only that is told. */
static void others(void **state) {
    (void)state;
    const char *path = path_of("there");
    char want[400];
    write_file(path, "x", 1);
    explain(path, EIO);
    snprintf(want, sizeof want, "cannot open token file %s: Input/output error (errno 5)", path);
    assert_string_equal(failure.message, want);
    advises("check that the pod has a projected serviceAccountToken volume");
    explain(path, ENOENT); /* it has come in between */
    snprintf(want, sizeof want, "cannot open token file %s: No such file or directory (errno 2)", path);
    assert_string_equal(failure.message, want);
}

static void shown_paths_are_short(void **state) {
    (void)state;
    static char path[5000], text[1000];
    struct buf out = BUF(text);
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    token_path_put(&out, path);
    assert_true(out.len >= TOKEN_PATH_SHOWN && out.len <= TOKEN_PATH_SHOWN + 3);
    explain(path, ENAMETOOLONG);
    says("File name too long (errno 36)");
    explain(path, ENOENT);
    assert_null(failure.cause);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forbidden_files), cmocka_unit_test(forbidden_groups),
        cmocka_unit_test(missing),         cmocka_unit_test(links),
        cmocka_unit_test(others),          cmocka_unit_test(shown_paths_are_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
