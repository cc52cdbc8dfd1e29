#include "common/serve/answer.h"

size_t answer_rest(const struct answer *a, bool close, bool with_body, size_t sent, struct iovec out[2]) {
    const char *head = close ? a->close : a->keep;
    size_t head_len = close ? a->close_len : a->keep_len, body_len = with_body ? a->body_len : 0;
    size_t of_head = sent < head_len ? sent : head_len, of_body = sent - of_head;
    out[0] = (struct iovec){(void *)(head + of_head), head_len - of_head};
    out[1] = (struct iovec){(void *)(a->body + of_body), body_len - of_body};
    return out[0].iov_len + out[1].iov_len;
}
