#include "common/base/docs.h"

#ifdef DOCS_URL
/* As sites make an anchor of a heading: in lower case, without punctuation. */
void docs_see(struct buf *out, const char *name) {
    buf_str(out, ". See " DOCS_URL "#");
    for (; *name != '\0'; name++) {
        if (*name != '.')
            buf_char(out, *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name);
    }
}
#endif
