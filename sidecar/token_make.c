#include "sidecar/token_make.h"

#include "common/base/clock.h"
#include "common/base/far.h"
#include "common/base/version.h"

bool token_make(const struct aws_token *t, const struct credentials *c, struct buf *out, int64_t *life_s,
                struct buf *why) {
    FAR static struct aws_token_scratch scratch;
    char agent_text[64];
    struct buf agent = BUF(agent_text);
    int64_t now_s = clock_now().wall_ms / 1000;
    buf_fmt(&agent, "pod-identity-toolkit/%s", version_number());
    *life_s = aws_token_life_s(t, c, now_s);
    enum err e = aws_token_sign(t, c, now_s, agent_text, far_hidden(&scratch), out);
    if (e != ERR_OK)
        buf_str(why,
                e == ERR_RANGE ? "the credentials have ended" : "the session token is too long for a URL");
    return e == ERR_OK;
}
