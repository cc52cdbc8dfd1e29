#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/pod/token_file.h"

static struct token token;
static struct failure failure;

static enum reason read_token(const char *path) {
    memset(&failure, 0, sizeof failure);
    enum reason reason = token_file_read(path, &token, &failure);
    if (reason != REASON_OK) {
        assert_int_equal(failure.reason, reason);
        assert_true(failure.message[0] != '\0' && failure.remedy[0] != '\0');
        assert_null(strpbrk(failure.message, "\r\n"));
        assert_int_equal(token.len, 0);
        assert_int_equal(token.text[0], 0); /* wiped */
    }
    return reason;
}

static enum reason read_content(const void *content, size_t len) {
    const char *path = scratch_path("token");
    write_file(path, content, len);
    return read_token(path);
}

static void says(const char *text) {
    if (strstr(failure.message, text) == NULL)
        fail_msg("\"%s\" is not in: %s", text, failure.message);
}

static void one_newline_at_the_end_is_removed(void **state) {
    (void)state;
    static const char *const table[] = {"a.b.c", "a.b.c\n", "a.b.c\r\n"};
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_int_equal(read_content(table[i], strlen(table[i])), REASON_OK);
        assert_string_equal(token.text, "a.b.c");
        assert_int_equal(token.len, 5);
    }
}

static void what_no_header_can_carry_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *content;
        size_t len;
        const char *says;
    } table[] = {
        {"a.b.c\n\n", 7, "0x0a at offset 5"},
        {"a\nb", 3, "0x0a at offset 1"},
        {"a\r", 2, "0x0d at offset 1"},
        {"a\r\nX: y", 7, "0x0d at offset 1"},
        {"a\0b", 3, "0x00 at offset 1"},
        {" a", 2, "0x20 at offset 0"},
        {"a b", 3, "0x20 at offset 1"},
        {"a\t", 2, "0x09 at offset 1"},
        {"a\x7f", 2, "0x7f at offset 1"},
        {"\xef\xbb\xbf"
         "a",
         4, "0xef at offset 0"},
        {"\x7f"
         "ELF",
         4, "0x7f at offset 0"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_int_equal(read_content(table[i].content, table[i].len), REASON_TOKEN_INVALID);
        says(table[i].says);
    }
}

static void empty_files(void **state) {
    (void)state;
    static const char *const table[] = {"", "\n", "\r\n"};
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_int_equal(read_content(table[i], strlen(table[i])), REASON_TOKEN_UNREADABLE);
        says("is empty");
    }
}

static void sizes_at_the_limit(void **state) {
    (void)state;
    static char content[TOKEN_FILE_MAX + 4096];
    memset(content, 't', sizeof content);
    assert_int_equal(read_content(content, TOKEN_FILE_MAX), REASON_OK);
    assert_int_equal(token.len, TOKEN_FILE_MAX);
    assert_int_equal(read_content(content, TOKEN_FILE_MAX + 1), REASON_TOKEN_UNREADABLE);
    says("more than 65536 bytes");
    assert_int_equal(read_content(content, sizeof content), REASON_TOKEN_UNREADABLE);
    content[TOKEN_FILE_MAX - 1] = '\n';
    assert_int_equal(read_content(content, TOKEN_FILE_MAX), REASON_OK);
    assert_int_equal(token.len, TOKEN_FILE_MAX - 1);
}

static void what_is_no_file_is_named(void **state) {
    (void)state;
    assert_int_equal(read_token(scratch_path("missing")), REASON_TOKEN_UNREADABLE);
    says("No such file");
    assert_int_equal(read_token(scratch_folder()), REASON_TOKEN_UNREADABLE);
    says("is a directory");
    assert_int_equal(read_token("/dev/null"), REASON_TOKEN_UNREADABLE);
    says("not a regular file");
    const char *fifo = scratch_path("fifo"); /* nobody writes: reading it must not wait */
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(read_token(fifo), REASON_TOKEN_UNREADABLE);
    says("not a regular file");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", scratch_path("socket"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(read_token(address.sun_path), REASON_TOKEN_UNREADABLE);
    close(fd);
    write_file(scratch_path("plain"), "x", 1);
    assert_int_equal(read_token(scratch_path("plain/token")), REASON_TOKEN_UNREADABLE);
    says("Not a directory");
}

/* token -> ..data/token, ..data -> a folder with a date, as the kubelet publishes it. */
static void the_kubelets_links_are_followed_afresh(void **state) {
    (void)state;
    assert_int_equal(mkdir(scratch_path("..2026_1"), 0700), 0);
    assert_int_equal(mkdir(scratch_path("..2026_2"), 0700), 0);
    write_file(scratch_path("..2026_1/t"), "first", 5);
    write_file(scratch_path("..2026_2/t"), "second", 6);
    assert_int_equal(symlink("..2026_1", scratch_path("..data")), 0);
    assert_int_equal(symlink("..data/t", scratch_path("t")), 0);
    assert_int_equal(read_token(scratch_path("t")), REASON_OK);
    assert_string_equal(token.text, "first");
    assert_int_equal(symlink("..2026_2", scratch_path("..data_tmp")), 0);
    assert_int_equal(rename(scratch_path("..data_tmp"), scratch_path("..data")), 0);
    assert_int_equal(read_token(scratch_path("t")), REASON_OK);
    assert_string_equal(token.text, "second");
    assert_int_equal(unlink(scratch_path("..2026_2/t")), 0);
    assert_int_equal(read_token(scratch_path("t")), REASON_TOKEN_UNREADABLE);
    says("the volume holds no file of that name");
    assert_int_equal(unlink(scratch_path("t")), 0);
    assert_int_equal(symlink("t", scratch_path("t")), 0);
    assert_int_equal(read_token(scratch_path("t")), REASON_TOKEN_UNREADABLE);
    says("Too many levels");
}

/* In a child that is nobody, since root may read anything. */
/* /var/run is a link in most images: what its target lacks is not the kubelet's doing. */
static void a_link_of_the_image_is_not_the_kubelets(void **state) {
    (void)state;
    assert_int_equal(mkdir(scratch_path("run"), 0755), 0);
    assert_int_equal(symlink("run", scratch_path("varrun")), 0);
    assert_int_equal(read_token(scratch_path("varrun/secrets/token")), REASON_TOKEN_UNREADABLE);
    assert_string_equal(failure.cause, "missing");
    assert_non_null(
        strstr(failure.message, "/run/secrets does not exist: the token's volume is not mounted"));
    assert_null(strstr(failure.message, "kubelet"));
    assert_int_equal(symlink("nowhere", scratch_path("lost")), 0);
    assert_int_equal(read_token(scratch_path("lost/token")), REASON_TOKEN_UNREADABLE);
    assert_string_equal(failure.cause, "broken-link");
}

static void a_missing_permission_says_who_and_whose(void **state) {
    (void)state;
    const char *path = scratch_path("private");
    write_file(path, "secret", 6);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(chmod(scratch_folder(), 0755), 0);
    if (geteuid() != 0) {
        assert_int_equal(chmod(path, 0), 0);
        assert_int_equal(read_token(path), REASON_TOKEN_UNREADABLE);
        says("mode 0000");
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        bool ok = setgid(12345) == 0 && setuid(12345) == 0 &&
                  token_file_read(path, &token, &failure) == REASON_TOKEN_UNREADABLE &&
                  strstr(failure.message, "uid 12345, gid 12345") != NULL &&
                  strstr(failure.message, "belongs to uid 0, gid 0, mode 0600") != NULL &&
                  strstr(failure.remedy, "fsGroup") != NULL && strstr(failure.message, "secret") == NULL;
        _exit(ok ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void long_and_strange_paths_stay_one_line(void **state) {
    (void)state;
    static char path[4096];
    memset(path, '\n', sizeof path - 1);
    path[0] = '/';
    assert_int_equal(read_token(path), REASON_TOKEN_UNREADABLE);
    assert_true(strlen(failure.message) < FAILURE_MESSAGE_MAX - 1);
    says("File name too long");
}

/* A link of the kubelet's to what is not there yet counts: the volume is mounted. */
static void whether_a_path_is_there(void **state) {
    (void)state;
    write_file(scratch_path("some"), "x", 1);
    assert_int_equal(symlink("nowhere", scratch_path("to-nowhere")), 0);
    assert_true(token_file_there(scratch_path("some")));
    assert_true(token_file_there(scratch_path("to-nowhere")));
    assert_false(token_file_there(scratch_path("none")));
    assert_false(token_file_there(scratch_path("some/below")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_newline_at_the_end_is_removed),
        cmocka_unit_test(what_no_header_can_carry_is_refused),
        cmocka_unit_test(empty_files),
        cmocka_unit_test(sizes_at_the_limit),
        cmocka_unit_test(what_is_no_file_is_named),
        cmocka_unit_test(the_kubelets_links_are_followed_afresh),
        cmocka_unit_test(a_link_of_the_image_is_not_the_kubelets),
        cmocka_unit_test(a_missing_permission_says_who_and_whose),
        cmocka_unit_test(whether_a_path_is_there),
        cmocka_unit_test(long_and_strange_paths_stay_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
