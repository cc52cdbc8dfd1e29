#include "sidecar/sinks.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/atomic_file.h"
#include "common/base/clock.h"
#include "common/base/io.h"
#include "common/base/scratch.h"
#include "common/base/wipe.h"
#include "sidecar/metrics.h"
#include "sidecar/token_make.h"

#define KEEP "keep the other profiles of"

static void describe(struct buf *problem, const char *what, const char *path, int error) {
    if (problem->len > 0)
        buf_str(problem, "; ");
    buf_fmt(problem, "cannot %s %s: %s (errno %d)", what, path, strerror(error), error);
}

void sinks_open(const struct config_profile *config) {
    if (config->credentials_file[0] != '\0')
        atomic_file_clean(config->credentials_file);
    if (config->process_file[0] != '\0')
        atomic_file_clean(config->process_file);
    for (size_t i = 0; i < config->token_count; i++)
        atomic_file_clean(config->tokens[i].file);
}

static bool publish(const char *path, const struct buf *content, mode_t mode, struct buf *problem) {
    struct atomic_file_problem failed;
    if (atomic_file_write(path, content->data, content->len, mode, ATOMIC_FILE_KEEP, &failed))
        return true;
    describe(problem, failed.step, path, failed.error);
    return false;
}

/* A link, or somebody else's file, may be a neighbour's, who would have this process read for him what he may
 * not read himself. */
static bool ours(int fd, const char *path, struct buf *problem) {
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        describe(problem,
                 errno == ELOOP ? "keep the other profiles of (a symbolic link, which is not followed)"
                                : KEEP,
                 path, errno);
        return false;
    }
    if (S_ISREG(st.st_mode) && st.st_uid == geteuid())
        return true;
    if (S_ISREG(st.st_mode))
        describe(problem, "keep the other profiles of (it belongs to another user)", path, EPERM);
    else
        describe(problem, KEEP, path, S_ISDIR(st.st_mode) ? EISDIR : EINVAL);
    return false;
}

/* What is in the file now, so that other profiles stay. A missing file is empty; one that cannot be read
 * whole is an error, because writing it anew would lose what it holds. */
static bool read_existing(const char *path, struct buf *out, struct buf *problem) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return true;
    bool ok = ours(fd, path, problem);
    int error = 0;
    if (ok) {
        bool read = io_read_all(fd, out->data, out->cap - 1, &out->len);
        error = !read ? errno : out->len > INI_FILE_MAX ? EFBIG : 0;
    }
    if (fd >= 0)
        close(fd);
    if (error != 0)
        describe(problem, KEEP, path, error);
    return ok && error == 0;
}

static bool write_credentials_file(const struct config_profile *config, const struct credentials *c,
                                   struct buf *problem) {
    FAR_SCRATCH static char existing_text[INI_FILE_MAX + 2];
    SCRATCH static char body_text[CREDENTIALS_RENDERED_MAX];
    /* What is larger could not be read the next time. */
    FAR_SCRATCH static char content_text[INI_FILE_MAX + 1];
    struct buf existing = BUF(existing_text), body = BUF(body_text), content = BUF(content_text);
    bool ok = read_existing(config->credentials_file, &existing, problem);
    if (ok) {
        credentials_render_profile(c, &body);
        enum err e = ini_replace_profile(existing.data, existing.len, config->profile, body.data, &content);
        ok = e == ERR_OK;
        if (!ok)
            describe(problem, KEEP, config->credentials_file, e == ERR_CONTROL ? EILSEQ : EFBIG);
    }
    ok = ok && publish(config->credentials_file, &content, config->file_mode, problem);
    wipe(existing_text, existing.len);
    wipe(body_text, body.len);
    wipe(content_text, content.len);
    return ok;
}

static bool write_process_file(const struct config_profile *config, const struct credentials *c,
                               struct buf *problem) {
    SCRATCH static char text[CREDENTIALS_RENDERED_MAX + 1];
    struct buf content = BUF(text);
    credentials_render_process(c, &content);
    buf_char(&content, '\n');
    bool ok = publish(config->process_file, &content, config->file_mode, problem);
    wipe(text, content.len);
    return ok;
}

static bool write_token(const struct config_token *t, const struct credentials *c, struct buf *problem) {
    FAR_SCRATCH static char text[AWS_TOKEN_MAX];
    char why_text[96];
    struct buf content = BUF(text), why = BUF(why_text);
    int64_t life_s;
    bool ok = token_make(&t->token, c, &content, &life_s, &why);
    metrics_token(ok ? METRICS_TOKEN_SIGNED : METRICS_TOKEN_REFUSED);
    if (ok)
        ok = publish(t->file, &content, t->mode, problem);
    else
        buf_fmt(problem, "%scannot write %s: %s", problem->len > 0 ? "; " : "", t->file, why_text);
    wipe(text, content.len);
    return ok;
}

int64_t sinks_tokens_keep_ms(const struct config_profile *config, const struct credentials *c) {
    int64_t least_s = INT64_MAX;
    for (size_t i = 0; i < config->token_count; i++) {
        int64_t life_s = aws_token_life_s(&config->tokens[i].token, c, clock_now().wall_ms / 1000);
        if (life_s < least_s)
            least_s = life_s;
    }
    return least_s == INT64_MAX || least_s == 0 ? CLOCK_NEVER : least_s * 2000 / 3;
}

unsigned sinks_wanted(const struct config_profile *config) {
    return (config->credentials_file[0] != '\0' ? SINKS_CREDENTIALS_FILE : 0U) |
           (config->process_file[0] != '\0' ? SINKS_PROCESS_FILE : 0U) |
           SINKS_TOKEN * ((1U << config->token_count) - 1);
}

unsigned sinks_write(const struct config_profile *config, unsigned files, const struct credentials *c,
                     struct buf *problem) {
    unsigned failed = 0;
    if ((files & SINKS_CREDENTIALS_FILE) != 0 && !write_credentials_file(config, c, problem))
        failed |= SINKS_CREDENTIALS_FILE;
    if ((files & SINKS_PROCESS_FILE) != 0 && !write_process_file(config, c, problem))
        failed |= SINKS_PROCESS_FILE;
    for (size_t i = 0; i < config->token_count; i++) {
        if ((files & SINKS_TOKEN << i) != 0 && !write_token(&config->tokens[i], c, problem))
            failed |= SINKS_TOKEN << i;
    }
    return failed;
}
