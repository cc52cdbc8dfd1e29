/* DNS answers: whatever comes, what is found is an address of the question's type, and nothing comes of what
 * is not ours. The first two bytes of the input choose the question; the rest, with or without a fitting
 * head, is the answer. */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

#include "common/http/dns_message.h"

static enum dns_verdict judge(const unsigned char *query, size_t query_len, const uint8_t *data, size_t size,
                              enum dns_type type) {
    struct dns_addresses found = {.count = 0};
    unsigned code = 0;
    enum dns_verdict verdict = dns_answer(query, query_len, data, size, &found, &code);
    HOLDS((verdict == DNS_FOUND) == (found.count > 0));
    HOLDS(found.count <= DNS_ADDRESSES_MAX);
    for (size_t i = 0; i < found.count; i++)
        HOLDS(found.list[i].ipv6 == (type == DNS_AAAA));
    HOLDS(verdict != DNS_ERROR || (code > 0 && code <= DNS_CODE_MALFORMED));
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static unsigned char query[DNS_QUERY_MAX];
    if (size < 2 || size > 2048)
        return 0;
    enum dns_type type = data[0] % 2 == 0 ? DNS_A : DNS_AAAA;
    size_t query_len = dns_query("sts.eu-west-1.amazonaws.com", 0x1234, type, query);
    (void)judge(query, query_len, data + 2, size - 2, type);
    /* as an answer to the question, so that the records are reached */
    size_t len = query_len + size - 2;
    unsigned char *answer = malloc(len);
    if (answer == NULL)
        abort();
    memcpy(answer, query, query_len);
    memcpy(answer + query_len, data + 2, size - 2);
    answer[2] = (unsigned char)(0x81 | (data[1] & 2));
    answer[7] = (unsigned char)(data[0] >> 1);
    enum dns_verdict verdict = judge(query, query_len, answer, len, type);
    HOLDS(verdict != DNS_NOT_OURS);
    answer[0] ^= 1;
    HOLDS(judge(query, query_len, answer, len, type) == DNS_NOT_OURS);
    free(answer);
    return 0;
}
