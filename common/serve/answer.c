#include "common/serve/answer.h"

void answer_rest(const struct answer *a, bool close, bool with_body, size_t sent,
                 struct iovec out[ANSWER_PIECES], size_t *count) {
    if (a->pieces != NULL) {
        *count = a->pieces(a, close, with_body, sent, out, ANSWER_PIECES);
        return;
    }
    const char *head = close ? a->close : a->keep;
    size_t head_len = close ? a->close_len : a->keep_len, body_len = with_body ? a->body_len : 0, n = 0;
    size_t of_head = sent < head_len ? sent : head_len, of_body = sent - of_head;
    if (of_head < head_len)
        out[n++] = (struct iovec){(void *)(uintptr_t)(head + of_head), head_len - of_head};
    if (of_body < body_len)
        out[n++] = (struct iovec){(void *)(uintptr_t)(a->body + of_body), body_len - of_body};
    *count = n;
}

const char *answer_phrase(int status) {
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {{200, "OK"},
                   {307, "Temporary Redirect"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {413, "Request Entity Too Large"},
                   {414, "Request URI Too Long"},
                   {429, "Too Many Requests"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {501, "Not Implemented"},
                   {503, "Service Unavailable"},
                   {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        if (phrases[i].status == status)
            return phrases[i].phrase;
    }
    return "Error";
}
