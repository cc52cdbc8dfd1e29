#include "tests/unit/unit.h"

#include "init/shared_config.h"

static const struct {
    const char *what, *text, *profile, *key; /* "": none is found */
} table[] = {
    {"nothing", "", "default", ""},
    {"no section", "role_arn = r\n", "default", ""},
    {"harmless settings", "[default]\nregion = eu-central-1\noutput = json\n", "default", ""},
    {"a process", "[default]\ncredential_process = /bin/x\n", "default", "credential_process"},
    {"the first of two", "[default]\nsso_session = s\nrole_arn = r\n", "default", "sso_session"},
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
    {"the endpoint, and static keys",
     "[default]\nrole_arn = r\ncredential_source = EcsContainer\naws_access_key_id = A\n", "default",
     "aws_access_key_id"},
};

static void table_of_files(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        size_t len = strlen(table[i].text);
        const char *key = shared_config_find(guarded(table[i].text, len), len, table[i].profile);
        if (strcmp(key != NULL ? key : "", table[i].key) != 0)
            fail_msg("%s: %s", table[i].what, key != NULL ? key : "none");
    }
}

static void cut_at_every_byte(void **state) {
    (void)state;
    static const char text[] = "[profile dev]\nregion = x\ncredential_process = p\n";
    size_t shown = sizeof "[profile dev]\nregion = x\ncredential_process =" - 1;
    for (size_t len = 0; len < sizeof text; len++)
        assert_int_equal(shared_config_find(guarded(text, len), len, "dev") != NULL, len >= shown);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_of_files),
        cmocka_unit_test(cut_at_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
