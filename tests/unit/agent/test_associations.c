#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/associations.h"
#include "common/base/log.h"
#include "tests/rounds.h"

/* Of a ConfigMap that is watched, which the integration tests have. */
enum err http_start(struct http_transfer *t, const struct http_request *r, http_done *done, void *context) {
    (void)t, (void)r, (void)done, (void)context;
    return ERR_SYSTEM;
}

#define ROLE(name) "{\"roleArn\": \"arn:aws:iam::111122223333:role/" name "\"}"

static const struct associations_rules rules = {EXCHANGE_WEB_IDENTITY, ROLE_ARN_AWS, true};
static unsigned changes;
static struct association found;

static void changed(void) {
    changes++;
}

static char folder_a[512], folder_b[512];

/* What was logged since the last call. */
static const char *logged(void) {
    static off_t from;
    static char text[1 << 20];
    FILE *f = fopen(scratch_path("log"), "rb");
    assert_non_null(f);
    assert_int_equal(fseeko(f, from, SEEK_SET), 0);
    size_t n = fread(text, 1, sizeof text - 1, f);
    from += (off_t)n;
    text[n] = '\0';
    fclose(f);
    return text;
}

static unsigned times(const char *text, const char *words) {
    unsigned n = 0;
    for (; (text = strstr(text, words)) != NULL; text++)
        n++;
    return n;
}

static void put(const char *folder, const char *key, const char *value) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, key);
    write_file(path, value, strlen(value));
}

static void drop(const char *folder, const char *key) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, key);
    assert_int_equal(unlink(path), 0);
}

/* Once round the loop, or so often as it takes until what changed was read. */
static void turn(void) {
    rounds_until(clock_now().mono_ms + 60);
}

static enum association_state find(const char *namespace, const char *account) {
    return associations_find(namespace, account, &found);
}

static void found_role(const char *namespace, const char *account, const char *name) {
    char arn[256];
    snprintf(arn, sizeof arn, "arn:aws:iam::111122223333:role/%s", name);
    if (find(namespace, account) != ASSOCIATION_FOUND)
        fail_msg("%s.%s is not found", namespace, account);
    assert_string_equal(found.role_arn, arn);
    assert_int_equal(found.hash, associations_hash(namespace, account));
    assert_int_not_equal(found.hash, 0);
}

static int open_all(void **state) {
    (void)state;
    struct failure f;
    static const char *sources[2] = {folder_a, folder_b};
    int fd = creat(scratch_path("log"), 0600);
    assert_true(fd >= 0);
    log_setup(LOG_INFO, LOG_LOGFMT, fd);
    snprintf(folder_a, sizeof folder_a, "%s", scratch_path("a"));
    snprintf(folder_b, sizeof folder_b, "%s", scratch_path("b"));
    assert_int_equal(mkdir(folder_a, 0700), 0);
    assert_true(loop_open());
    rounds_open();
    put(folder_a, "default.cart", ROLE("cart"));
    put(folder_a, "shop.my.app", ROLE("app"));
    put(folder_a, "default.bad", "{\n\"roleArn\": 7}");
    assert_int_equal(associations_open(&rules, NULL, sources, 2, changed, &f), REASON_OK);
    return 0;
}

/* The second folder is not there at first. */
static void a_folder_that_comes(void **state) {
    (void)state;
    const char *log = logged();
    assert_non_null(strstr(log, "an association cannot be used\" key=default.bad"));
    assert_non_null(strstr(log, "line=2 field=roleArn problem=\"is not a string\""));
    assert_non_null(strstr(log, "associations cannot be read"));
    assert_non_null(strstr(log, "No such file or directory; no association is known from it"));
    assert_false(associations_ready());
    assert_int_equal(changes, 0);
    found_role("default", "cart", "cart");
    found_role("shop", "my.app", "app");
    assert_int_equal(find("default", "bad"), ASSOCIATION_UNUSABLE);
    assert_int_equal(find("default", "none"), ASSOCIATION_UNKNOWN);
    assert_int_equal(associations_hash("default", "bad"), 0);
    assert_int_equal(associations_hash("default", "none"), 0);
    assert_int_equal(mkdir(folder_b, 0700), 0);
    for (int i = 0; i < 200 && !associations_ready(); i++)
        turn();
    assert_true(associations_ready());
    assert_int_equal(find("default", "none"), ASSOCIATION_NONE);
    assert_int_equal(changes, 1);
    assert_non_null(strstr(logged(), "associations can be read again"));
}

/* Of a dot in a namespace, which no namespace has, two service accounts could be made. */
static void names_with_dots(void **state) {
    (void)state;
    assert_int_equal(find("shop.my", "app"), ASSOCIATION_NONE);
    assert_int_equal(find("shop", "my"), ASSOCIATION_NONE);
    assert_int_equal(find("", "shop.my.app"), ASSOCIATION_NONE);
}

static void changes_count_at_once(void **state) {
    (void)state;
    uint64_t cart = associations_hash("default", "cart"), app = associations_hash("shop", "my.app");
    unsigned generation = associations_generation(), before = changes;
    put(folder_b, "default.new", ROLE("new"));
    put(folder_a, "default.cart", ROLE("other"));
    turn();
    assert_true(changes > before);
    assert_int_not_equal(associations_generation(), generation);
    found_role("default", "new", "new");
    found_role("default", "cart", "other");
    assert_int_not_equal(associations_hash("default", "cart"), cart);
    assert_int_equal(associations_hash("shop", "my.app"), app);
    drop(folder_b, "default.new");
    turn();
    assert_int_equal(find("default", "new"), ASSOCIATION_NONE);
    put(folder_a, "default.cart", "{");
    turn();
    assert_int_equal(find("default", "cart"), ASSOCIATION_UNUSABLE);
    put(folder_a, "default.cart", ROLE("cart"));
    turn();
    assert_int_equal(associations_hash("default", "cart"), cart);
}

/* The same complaint is not made at each reading; a new one is. */
static void complaints_are_made_once(void **state) {
    (void)state;
    (void)logged();
    put(folder_a, "default.more", ROLE("more"));
    turn();
    assert_int_equal(times(logged(), "an association cannot be used"), 0);
    put(folder_a, "default.bad", "{\"roleArn\": 8}");
    turn();
    assert_int_equal(times(logged(), "an association cannot be used"), 1);
    put(folder_a, "default.bad", ROLE("good"));
    put(folder_a, "Default.bad", ROLE("good"));
    turn();
    const char *log = logged();
    assert_int_equal(times(log, "an association cannot be used"), 1);
    assert_non_null(strstr(log, "key=Default.bad"));
    assert_non_null(strstr(log, "field=\"the key\""));
    found_role("default", "bad", "good");
    drop(folder_a, "Default.bad");
    turn();
}

static void the_first_of_two_sources_counts(void **state) {
    (void)state;
    put(folder_b, "default.cart", ROLE("second"));
    turn();
    found_role("default", "cart", "cart");
    const char *log = logged();
    assert_int_equal(times(log, "an association is in two sources"), 1);
    put(folder_b, "default.x", ROLE("x"));
    turn();
    assert_int_equal(times(logged(), "an association is in two sources"), 0);
    drop(folder_a, "default.cart");
    turn();
    found_role("default", "cart", "second");
    drop(folder_b, "default.cart");
    drop(folder_b, "default.x");
    turn();
    assert_int_equal(find("default", "cart"), ASSOCIATION_NONE);
}

static void what_is_no_file(void **state) {
    (void)state;
    char path[1024];
    (void)logged();
    snprintf(path, sizeof path, "%s/default.dir", folder_b);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/default.pipe", folder_b);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(path, sizeof path, "%s/default.gone", folder_b);
    assert_int_equal(symlink("nowhere", path), 0);
    put(folder_b, "default.still", ROLE("still"));
    turn();
    const char *log = logged();
    assert_int_equal(times(log, "it is not a regular file"), 2);
    found_role("default", "still", "still");
    assert_int_equal(find("default", "gone"), ASSOCIATION_NONE);
}

/* As the kubelet publishes a ConfigMap: nothing of two versions is mixed. */
static void a_mounted_configmap(void **state) {
    (void)state;
    char one[600], two[600], link_[600], next[600];
    snprintf(one, sizeof one, "%s/..2026_1", folder_b);
    snprintf(two, sizeof two, "%s/..2026_2", folder_b);
    snprintf(link_, sizeof link_, "%s/..data", folder_b);
    snprintf(next, sizeof next, "%s/..data_tmp", folder_b);
    assert_int_equal(mkdir(one, 0700), 0);
    assert_int_equal(mkdir(two, 0700), 0);
    put(one, "mounted.one", ROLE("one"));
    put(two, "mounted.two", ROLE("two"));
    assert_int_equal(symlink("..2026_1", link_), 0);
    turn();
    found_role("mounted", "one", "one");
    assert_int_equal(find("default", "still"), ASSOCIATION_NONE); /* not in the version */
    assert_int_equal(symlink("..2026_2", next), 0);
    assert_int_equal(rename(next, link_), 0);
    turn();
    found_role("mounted", "two", "two");
    assert_int_equal(find("mounted", "one"), ASSOCIATION_NONE);
}

/* Its keys count on, and it is read again when it is back. */
static void a_folder_that_vanishes(void **state) {
    (void)state;
    char away[600];
    snprintf(away, sizeof away, "%s.away", folder_b);
    (void)logged();
    assert_int_equal(rename(folder_b, away), 0);
    turn();
    found_role("mounted", "two", "two");
    const char *log = logged();
    assert_int_equal(times(log, "associations cannot be read"), 1);
    assert_non_null(strstr(log, "what was read before counts on"));
    put(folder_a, "default.cart", ROLE("cart")); /* the others are read all the same */
    turn();
    found_role("default", "cart", "cart");
    assert_int_equal(times(logged(), "associations cannot be read"), 0);
    assert_int_equal(mkdir(folder_b, 0700), 0);
    put(folder_b, "back.again", ROLE("again"));
    for (int i = 0; i < 200 && find("back", "again") != ASSOCIATION_FOUND; i++)
        turn();
    found_role("back", "again", "again");
    assert_int_equal(find("mounted", "two"), ASSOCIATION_NONE);
    put(folder_b, "back.watched", ROLE("watched"));
    turn();
    found_role("back", "watched", "watched");
}

static void a_thousand_keys(void **state) {
    (void)state;
    char key[64], value[256];
    size_t usable, unusable;
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "many.account-%d", i);
        snprintf(value, sizeof value, ROLE("role-%d"), i);
        put(folder_b, key, value);
    }
    turn();
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "account-%d", i);
        snprintf(value, sizeof value, "role-%d", i);
        found_role("many", key, value);
    }
    associations_count(&usable, &unusable);
    assert_int_equal(usable, 1000 + 6); /* my.app, bad, more, cart, again, watched */
    assert_int_equal(unusable, 0);
}

/* A folder that holds more than a ConfigMap can: it is said, and the rest counts. */
static void more_than_a_configmap_holds(void **state) {
    (void)state;
    static char value[16000];
    char key[64];
    size_t usable, unusable, before;
    (void)logged();
    associations_count(&before, &unusable);
    int len = snprintf(value, sizeof value, "%s", ROLE("large"));
    memset(value + len, ' ', sizeof value - (size_t)len - 1);
    for (int i = 0; i < 80; i++) {
        snprintf(key, sizeof key, "large.account-%d", i);
        put(folder_b, key, value);
    }
    turn();
    associations_count(&usable, &unusable);
    assert_int_not_equal(unusable, 0);
    assert_int_equal(usable + unusable, before + 80);
    assert_non_null(strstr(logged(), "more than 1048576 bytes of keys and values"));
}

static void wrong_sources(void **state) {
    (void)state;
    struct failure f;
    const char *relative[] = {"associations"};
    const char *many[9] = {"/a", "/a", "/a", "/a", "/a", "/a", "/a", "/a", "/ninth"};
    assert_int_equal(associations_open(&rules, NULL, relative, 1, changed, &f), REASON_SETTING_INVALID);
    assert_non_null(strstr(f.message, "--associations=associations "));
    assert_true(f.permanent);
    const char *unnamed[] = {"configmap:associations"}, *two[] = {"configmap:a/b", "configmap:a/c"};
    assert_int_equal(associations_open(&rules, NULL, unnamed, 1, changed, &f), REASON_SETTING_INVALID);
    assert_non_null(strstr(f.message, "configmap:associations is not NAMESPACE/NAME"));
    assert_int_equal(associations_open(&rules, NULL, two, 2, changed, &f), REASON_SETTING_INVALID);
    assert_non_null(strstr(f.message, "configmap:a/c is a second ConfigMap"));
    assert_int_equal(associations_open(&rules, NULL, many, 9, changed, &f), REASON_SETTING_INVALID);
    assert_non_null(strstr(f.message, "/ninth"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_that_comes),
        cmocka_unit_test(names_with_dots),
        cmocka_unit_test(changes_count_at_once),
        cmocka_unit_test(complaints_are_made_once),
        cmocka_unit_test(the_first_of_two_sources_counts),
        cmocka_unit_test(what_is_no_file),
        cmocka_unit_test(a_mounted_configmap),
        cmocka_unit_test(a_folder_that_vanishes),
        cmocka_unit_test(a_thousand_keys),
        cmocka_unit_test(more_than_a_configmap_holds),
        cmocka_unit_test(wrong_sources),
    };
    return cmocka_run_group_tests(tests, open_all, NULL);
}
