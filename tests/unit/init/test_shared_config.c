#include "tests/unit/unit.h"

#include "init/shared_config.h"

static const struct {
    const char *what, *text, *profile, *key; /* "": none is found */
} table[] = {
    {"nothing", "", "default", ""},
    {"no section", "role_arn = r\n", "default", ""},
    {"harmless settings", "[default]\nregion = eu-central-1\noutput = json\n", "default", ""},
    {"a process", "[default]\ncredential_process = /bin/x\n", "default", "credential_process"},
    {"a role first, as in the chain of SDKs", "[default]\nsso_session = s\nrole_arn = r\n", "default",
     "role_arn"},
    {"no final newline", "[default]\nsso_start_url=u", "default", "sso_start_url"},
    {"CRLF", "[profile dev]\r\naws_access_key_id = A\r\n", "dev", "aws_access_key_id"},
    {"the other spelling of default", "[profile default]\nrole_arn = r\n", "default", "role_arn"},
    {"blanks in the header", "[ profile\tdev ] # mine\nrole_arn = r\n", "dev", "role_arn"},
    {"a later section of that name", "[default]\n[profile a]\n[default]\nrole_arn = r\n", "default",
     "role_arn"},
    {"another profile", "[profile dev]\nrole_arn = r\n", "default", ""},
    {"a longer name", "[profile developer]\nrole_arn = r\n", "dev", ""},
    {"a bare name, which the credentials file has", "[dev]\nrole_arn = r\n", "dev", ""},
    {"no end of the header", "[default\nrole_arn = r\n", "default", ""},
    {"indented: a part of what is above", "[default]\ns3 =\n  role_arn = r\n", "default", ""},
    {"a comment", "[default]\n# role_arn = r\n;role_arn = r\n", "default", ""},
    {"no equals sign", "[default]\nrole_arn\n", "default", ""},
    {"a role on top of the container endpoint", "[default]\nrole_arn = r\ncredential_source = EcsContainer\n",
     "default", ""},
    {"the same, the other way round", "[default]\ncredential_source=EcsContainer\r\nrole_arn=r\r\n",
     "default", ""},
    {"the same, over two sections", "[default]\nrole_arn = r\n[default]\ncredential_source = EcsContainer\n",
     "default", ""},
    {"a role on top of the node's", "[default]\nrole_arn = r\ncredential_source = Ec2InstanceMetadata\n",
     "default", "role_arn"},
    {"another profile's source", "[default]\nrole_arn = r\n[profile a]\ncredential_source = EcsContainer\n",
     "default", "role_arn"},
    {"upper case, a colon, indented", "  [default]\n  ROLE_ARN: r\n", "default", "role_arn"},
    {"quotes", "[profile \"a b\"]\nlogin_session = x\n", "a b", "login_session"},
    {"quotes, and more behind them", "[profile \"a b\" c]\nlogin_session = x\n", "a b", ""},
    {"quotes that do not end", "[profile \"dev]\nlogin_session = x\n", "dev", ""},
    {"a backslash at the end", "[profile dev\\]\nlogin_session = x\n", "dev", ""},
    {"an sso-session of that name", "[sso-session dev]\nsso_start_url = x\n", "dev", ""},
    {"a circle of roles",
     "[default]\nrole_arn=r\nsource_profile=a\n[profile a]\nrole_arn=r\nsource_profile=default\n", "default",
     "role_arn"},
    {"for all sections", "[DEFAULT]\nlogin_session = x\n[profile dev]\n", "dev", "login_session"},
    {"for all sections, but there is none", "[DEFAULT]\nlogin_session = x\n", "dev", ""},
    {"the endpoint, and static keys",
     "[default]\nrole_arn = r\ncredential_source = EcsContainer\naws_access_key_id = A\n", "default",
     "aws_access_key_id"},
};

static const char *find_in(const char *text, size_t len, const char *profile) {
    const struct shared_files files = {
        .file = {[SHARED_CONFIG] = {text, len}, [SHARED_CREDENTIALS] = {"", 0}}};
    return shared_config_find(&files, SHARED_CONFIG, profile);
}

static void table_of_files(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        size_t len = strlen(table[i].text);
        const char *key = find_in(guarded(table[i].text, len), len, table[i].profile);
        if (strcmp(key != NULL ? key : "", table[i].key) != 0)
            fail_msg("%s: %s", table[i].what, key != NULL ? key : "none");
    }
}

static void cut_at_every_byte(void **state) {
    (void)state;
    static const char text[] = "[profile dev]\nregion = x\ncredential_process = p\n";
    size_t shown = sizeof "[profile dev]\nregion = x\ncredential_process =" - 1;
    for (size_t len = 0; len < sizeof text; len++)
        assert_int_equal(find_in(guarded(text, len), len, "dev") != NULL, len >= shown);
}

static void faults(void **state) {
    (void)state;
    static const char text[] = "[a]\nk = 1\n\n[b]\nk = 2\n s = \n  x = y\n[a]\n";
    for (size_t len = 0; len < sizeof text; len++) {
        unsigned line;
        struct shared_text t = {guarded(text, len), len};
        const char *fault = shared_config_fault(&t, &line);
        bool partial = len < sizeof text - 1 && len > 0 && text[len - 1] != '\n' && fault != NULL;
        if (len >= sizeof text - 2)
            assert_string_equal(fault, "a [section] is there twice");
        else
            assert_true(fault == NULL || partial);
        assert_true(fault == NULL || line == 8 || partial);
    }
}

static void has_fault(const char *text, unsigned expected_line, const char *expected) {
    unsigned line;
    struct shared_text t = {text, strlen(text)};
    const char *fault = shared_config_fault(&t, &line);
    assert_int_equal(fault != NULL, expected != NULL);
    if (expected != NULL) {
        assert_string_equal(fault, expected);
        assert_int_equal(line, expected_line);
    }
}

/* Sections are told apart by case, keys are not. */
static void what_is_there_twice(void **state) {
    (void)state;
    has_fault("[A]\nk = 1\n[a]\nk = 1\n", 0, NULL);
    has_fault("[a]\nRegion = 1\nregion = 2\n", 3, "a key is there twice in its section");
    has_fault("[a]\nk-1 = 1\nK-1 = 2\n", 3, "a key is there twice in its section");
}

static void nested_blocks(void **state) {
    (void)state;
    has_fault("[a]\ns3 =\n  x = 1\n", 0, NULL);
    has_fault("[a]\ns3 =\n  x\n", 3, "a line of a nested block is no KEY = VALUE");
    has_fault("[a]\nk = 1\n  and more of it\n", 0, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_of_files),      cmocka_unit_test(cut_at_every_byte), cmocka_unit_test(faults),
        cmocka_unit_test(what_is_there_twice), cmocka_unit_test(nested_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
