/* Hosts by region, against the tables of partitions and of botocore's rules; and the settings around them. */
#include "tests/unit/unit.h"

#include "common/aws/endpoints.h"

static struct { const char *name, *value; } environment[8];

static const char *lookup(const char *name) {
    for (size_t i = 0; i < COUNT(environment); i++) {
        if (environment[i].name != NULL && strcmp(environment[i].name, name) == 0)
            return environment[i].value;
    }
    return NULL;
}

static void set(const char *name, const char *value) {
    size_t i = 0;
    while (environment[i].name != NULL && strcmp(environment[i].name, name) != 0)
        i++;
    environment[i].name = name;
    environment[i].value = value;
}

static int no_environment(void **state) {
    (void)state;
    memset(environment, 0, sizeof environment);
    return 0;
}

static struct endpoint endpoint;
static struct failure failure;

static enum reason find(enum endpoint_service service, const char *region) {
    memset(&endpoint, 0, sizeof endpoint);
    memset(&failure, 0, sizeof failure);
    return endpoint_find(service, region, lookup, &endpoint, &failure);
}

/* From the list of partitions: plain, dual stack, FIPS, both; of STS, then of EKS Auth plain and FIPS. */
static const struct {
    const char *region, *partition, *sts, *dual, *fips, *both, *eks, *eks_fips;
} rows[] = {
    {"eu-central-1", "aws", "sts.eu-central-1.amazonaws.com", "sts.eu-central-1.api.aws",
     "sts-fips.eu-central-1.amazonaws.com", "sts-fips.eu-central-1.api.aws", "eks-auth.eu-central-1.api.aws",
     "eks-auth-fips.eu-central-1.api.aws"},
    {"mx-central-1", "aws", "sts.mx-central-1.amazonaws.com", "sts.mx-central-1.api.aws",
     "sts-fips.mx-central-1.amazonaws.com", "sts-fips.mx-central-1.api.aws", "eks-auth.mx-central-1.api.aws",
     "eks-auth-fips.mx-central-1.api.aws"},
    {"cn-north-1", "aws-cn", "sts.cn-north-1.amazonaws.com.cn", "sts.cn-north-1.api.amazonwebservices.com.cn",
     "sts-fips.cn-north-1.amazonaws.com.cn", "sts-fips.cn-north-1.api.amazonwebservices.com.cn",
     "eks-auth.cn-north-1.api.amazonwebservices.com.cn",
     "eks-auth-fips.cn-north-1.api.amazonwebservices.com.cn"},
    {"eusc-de-east-1", "aws-eusc", "sts.eusc-de-east-1.amazonaws.eu",
     "sts.eusc-de-east-1.api.amazonwebservices.eu", "sts-fips.eusc-de-east-1.amazonaws.eu",
     "sts-fips.eusc-de-east-1.api.amazonwebservices.eu", "eks-auth.eusc-de-east-1.api.amazonwebservices.eu",
     "eks-auth-fips.eusc-de-east-1.api.amazonwebservices.eu"},
    {"us-iso-east-1", "aws-iso", "sts.us-iso-east-1.c2s.ic.gov", "sts.us-iso-east-1.api.aws.ic.gov",
     "sts-fips.us-iso-east-1.c2s.ic.gov", "sts-fips.us-iso-east-1.api.aws.ic.gov",
     "eks-auth.us-iso-east-1.api.aws.ic.gov", "eks-auth-fips.us-iso-east-1.api.aws.ic.gov"},
    {"us-isob-east-1", "aws-iso-b", "sts.us-isob-east-1.sc2s.sgov.gov", "sts.us-isob-east-1.api.aws.scloud",
     "sts-fips.us-isob-east-1.sc2s.sgov.gov", "sts-fips.us-isob-east-1.api.aws.scloud",
     "eks-auth.us-isob-east-1.api.aws.scloud", "eks-auth-fips.us-isob-east-1.api.aws.scloud"},
    {"eu-isoe-west-1", "aws-iso-e", "sts.eu-isoe-west-1.cloud.adc-e.uk",
     "sts.eu-isoe-west-1.api.cloud-aws.adc-e.uk", "sts-fips.eu-isoe-west-1.cloud.adc-e.uk",
     "sts-fips.eu-isoe-west-1.api.cloud-aws.adc-e.uk", "eks-auth.eu-isoe-west-1.api.cloud-aws.adc-e.uk",
     "eks-auth-fips.eu-isoe-west-1.api.cloud-aws.adc-e.uk"},
    {"us-isof-south-1", "aws-iso-f", "sts.us-isof-south-1.csp.hci.ic.gov",
     "sts.us-isof-south-1.api.aws.hci.ic.gov", "sts-fips.us-isof-south-1.csp.hci.ic.gov",
     "sts-fips.us-isof-south-1.api.aws.hci.ic.gov", "eks-auth.us-isof-south-1.api.aws.hci.ic.gov",
     "eks-auth-fips.us-isof-south-1.api.aws.hci.ic.gov"},
    {"us-gov-west-1", "aws-us-gov", "sts.us-gov-west-1.amazonaws.com", "sts.us-gov-west-1.api.aws",
     "sts.us-gov-west-1.amazonaws.com", "sts-fips.us-gov-west-1.api.aws", "eks-auth.us-gov-west-1.api.aws",
     "eks-auth-fips.us-gov-west-1.api.aws"},
    {"xx-new-1", "aws", "sts.xx-new-1.amazonaws.com", "sts.xx-new-1.api.aws",
     "sts-fips.xx-new-1.amazonaws.com", "sts-fips.xx-new-1.api.aws", "eks-auth.xx-new-1.api.aws",
     "eks-auth-fips.xx-new-1.api.aws"},
};

static void expect(enum endpoint_service service, const char *region, const char *host) {
    char url[300];
    snprintf(url, sizeof url, "https://%s", host);
    assert_int_equal(find(service, region), REASON_OK);
    assert_string_equal(endpoint.uri.text, url);
    assert_string_equal(endpoint.region, region);
}

static void every_partition(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int how = 0; how < 4; how++) {
            const char *const sts[] = {rows[i].sts, rows[i].dual, rows[i].fips, rows[i].both};
            set("AWS_USE_DUALSTACK_ENDPOINT", (how & 1) != 0 ? "true" : "false");
            set("AWS_USE_FIPS_ENDPOINT", (how & 2) != 0 ? "True" : "");
            expect(ENDPOINT_STS, rows[i].region, sts[how]);
            expect(ENDPOINT_EKS_AUTH, rows[i].region, (how & 2) != 0 ? rows[i].eks_fips : rows[i].eks);
        }
        assert_string_equal(endpoint_partition(rows[i].region), rows[i].partition);
    }
}

/* A word is missing: that it begins like one of China's makes it none. */
static void what_has_no_word_is_of_no_other_partition(void **state) {
    (void)state;
    assert_string_equal(endpoint_partition("cn--1"), "aws");
    assert_string_equal(endpoint_partition("cn-1"), "aws");
    assert_string_equal(endpoint_partition("cn-x-1"), "aws-cn");
}

static void where_the_region_comes_from(void **state) {
    (void)state;
    assert_int_equal(find(ENDPOINT_STS, NULL), REASON_SETTING_INVALID);
    assert_true(failure.permanent && strstr(failure.message, "AWS_REGION") != NULL);
    set("AWS_DEFAULT_REGION", "eu-west-1");
    assert_int_equal(find(ENDPOINT_STS, ""), REASON_OK);
    assert_string_equal(endpoint.origin, "AWS_DEFAULT_REGION");
    set("AWS_REGION", "eu-west-2");
    assert_int_equal(find(ENDPOINT_STS, NULL), REASON_OK);
    assert_string_equal(endpoint.region, "eu-west-2");
    assert_string_equal(endpoint.origin, "AWS_REGION");
    assert_int_equal(find(ENDPOINT_STS, "eu-west-3"), REASON_OK);
    assert_string_equal(endpoint.region, "eu-west-3");
}

static void what_is_no_region(void **state) {
    (void)state;
    static const char *const bad[] = {
        "eu-central-1.example.com",
        "eu-central-1/",
        "EU-CENTRAL-1",
        "-a",
        "a-",
        "eu central",
        "eu-central-1#",
        "eu-central-1:443",
        "@example.com",
        "eu-central-1a",
        "us-west-2-lax-1a",
        "eu-central-1 ",
        "eu-central-1\n",
        "\"eu-central-1\"",
        "${REGION}",
        "$(REGION)",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(find(ENDPOINT_STS, bad[i]), REASON_SETTING_INVALID);
        assert_string_equal(failure.cause, "region");
    }
}

static void configured_urls(void **state) {
    (void)state;
    set("AWS_REGION", "eu-west-1");
    set("AWS_ENDPOINT_URL", "https://all.example.com:8443/base/");
    assert_int_equal(find(ENDPOINT_STS, NULL), REASON_OK);
    assert_string_equal(endpoint.uri.host, "all.example.com");
    assert_string_equal(endpoint.origin, "AWS_ENDPOINT_URL");
    set("AWS_ENDPOINT_URL_STS", "https://vpce-0.sts.eu-west-1.vpce.amazonaws.com");
    assert_int_equal(find(ENDPOINT_STS, NULL), REASON_OK);
    assert_string_equal(endpoint.uri.host, "vpce-0.sts.eu-west-1.vpce.amazonaws.com");
    assert_string_equal(endpoint.region, "eu-west-1");
    assert_int_equal(find(ENDPOINT_EKS_AUTH, NULL), REASON_OK);
    assert_string_equal(endpoint.uri.host, "all.example.com");
    set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE");
    assert_int_equal(find(ENDPOINT_STS, NULL), REASON_OK);
    assert_string_equal(endpoint.uri.host, "sts.eu-west-1.amazonaws.com");
    set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "no");
    assert_int_equal(find(ENDPOINT_STS, NULL), REASON_SETTING_INVALID);
}

static void urls_that_would_give_tokens_away(void **state) {
    (void)state;
    static const struct {
        const char *url;
        bool good;
    } table[] = {{"http://127.0.0.1:4566", true},
                 {"http://[::1]:4566", true},
                 {"http://localhost:4566/", true},
                 {"http://10.0.0.1", false},
                 {"http://sts.example.com", false},
                 {"http://169.254.170.23", false},
                 {"ftp://x", false},
                 {"https://", false},
                 {"https://user:password@example.com", false},
                 {"https://a.example/?x=1", false}};
    set("AWS_REGION", "eu-west-1");
    for (size_t i = 0; i < COUNT(table); i++) {
        set("AWS_ENDPOINT_URL_STS", table[i].url);
        assert_int_equal(find(ENDPOINT_STS, NULL), table[i].good ? REASON_OK : REASON_SETTING_INVALID);
        assert_null(strstr(failure.message, "password"));
    }
}

static void who_is_accused(void **state) {
    (void)state;
    set("AWS_REGION", "eu-central-1");
    assert_int_equal(find(ENDPOINT_STS, NULL), REASON_OK);
    assert_null(endpoint.accused);
    assert_true(endpoint_is_aws(&endpoint));
    set("AWS_STS_REGIONAL_ENDPOINTS", "legacy");
    assert_int_equal(find(ENDPOINT_STS, NULL), REASON_OK);
    assert_string_equal(endpoint.accused, "AWS_STS_REGIONAL_ENDPOINTS=legacy");
    assert_true(endpoint_is_aws(&endpoint));
    set("AWS_USE_FIPS_ENDPOINT", "true");
    assert_int_equal(find(ENDPOINT_STS, NULL), REASON_OK);
    assert_string_equal(endpoint.accused, "AWS_USE_FIPS_ENDPOINT=true");
    set("AWS_ENDPOINT_URL", "https://minio.example.com");
    assert_int_equal(find(ENDPOINT_STS, NULL), REASON_OK);
    assert_string_equal(endpoint.accused, "AWS_ENDPOINT_URL");
    assert_false(endpoint_is_aws(&endpoint));
    set("AWS_ENDPOINT_URL", "https://xamazonaws.com");
    assert_int_equal(find(ENDPOINT_STS, NULL), REASON_OK);
    assert_false(endpoint_is_aws(&endpoint));
}

static void legacy_sts(void **state) {
    (void)state;
    set("AWS_STS_REGIONAL_ENDPOINTS", "legacy");
    assert_int_equal(find(ENDPOINT_STS, "eu-central-1"), REASON_OK);
    assert_string_equal(endpoint.uri.text, "https://sts.amazonaws.com");
    assert_string_equal(endpoint.region, "us-east-1");
    expect(ENDPOINT_STS, "eu-south-1", "sts.eu-south-1.amazonaws.com"); /* an opt-in region is not of them */
    expect(ENDPOINT_STS, "eu-central", "sts.eu-central.amazonaws.com"); /* nor is a part of a name */
    expect(ENDPOINT_EKS_AUTH, "eu-central-1", "eks-auth.eu-central-1.api.aws");
    set("AWS_STS_REGIONAL_ENDPOINTS", "regional");
    expect(ENDPOINT_STS, "eu-central-1", "sts.eu-central-1.amazonaws.com");
    set("AWS_STS_REGIONAL_ENDPOINTS", "global");
    assert_int_equal(find(ENDPOINT_STS, "eu-central-1"), REASON_SETTING_INVALID);
    set("AWS_STS_REGIONAL_ENDPOINTS", "");
    assert_int_equal(find(ENDPOINT_STS, "aws-global"), REASON_OK);
    assert_string_equal(endpoint.uri.host, "sts.amazonaws.com");
    set("AWS_USE_FIPS_ENDPOINT", "true");
    expect(ENDPOINT_STS, "aws-global", "sts-fips.aws-global.amazonaws.com");
    set("AWS_USE_DUALSTACK_ENDPOINT", "true");
    expect(ENDPOINT_STS, "aws-global", "sts-fips.aws-global.api.aws");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_partition, no_environment),
        cmocka_unit_test(what_has_no_word_is_of_no_other_partition),
        cmocka_unit_test_setup(where_the_region_comes_from, no_environment),
        cmocka_unit_test_setup(what_is_no_region, no_environment),
        cmocka_unit_test_setup(configured_urls, no_environment),
        cmocka_unit_test_setup(urls_that_would_give_tokens_away, no_environment),
        cmocka_unit_test_setup(who_is_accused, no_environment),
        cmocka_unit_test_setup(legacy_sts, no_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
