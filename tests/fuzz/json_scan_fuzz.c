/* The walk over large JSON, beside the parser that makes a tree: what that one takes, this one finds, too. */
#include "tests/fuzz/fuzz.h"

#include "agent/json_scan.h"
#include "common/text/json.h"

static void walk(struct json_span whole, const struct json *tree, int depth) {
    struct json_span name, value;
    static char plain[65536];
    size_t position = 0, before = 0, i = 0, len;
    while (json_span_next(whole, &position, &name, &value)) {
        HOLDS(position > before && position < whole.len);
        HOLDS(value.len > 0 && value.at >= whole.at && value.at + value.len <= whole.at + whole.len);
        before = position;
        const struct json *item = tree != NULL ? json_item(tree, i++) : NULL;
        HOLDS(tree == NULL || item != NULL);
        enum err e = json_span_text(value, plain, sizeof plain, &len);
        HOLDS(e != ERR_OK || plain[len] == '\0');
        if (item != NULL && json_text(item) != NULL)
            HOLDS(e == ERR_SYNTAX || e == ERR_CONTROL || strcmp(plain, json_text(item)) == 0);
        if (depth > 0)
            walk(value, item, depth - 1);
    }
    HOLDS(tree == NULL || (!json_is_object(tree) && !json_is_array(tree)) || json_span_over(whole, position));
    HOLDS(tree == NULL || (!json_is_object(tree) && !json_is_array(tree)) || json_item(tree, i) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct json *root = NULL;
    struct json_span whole;
    /* That one passes over a byte order mark. */
    if (size > 0 && data[0] == 0xEF)
        return 0;
    bool good = json_open((const char *)data, size, &root) == ERR_OK;
    bool found = json_span_of((const char *)data, size, &whole);
    HOLDS(!good || found);
    if (found)
        walk(whole, good ? root : NULL, 6);
    json_close();
    return 0;
}
