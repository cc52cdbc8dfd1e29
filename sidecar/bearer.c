#include "sidecar/bearer.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/base/atomic_file.h"
#include "common/base/wipe.h"
#include "common/text/base64url.h"

#define RANDOM_BYTES 32
#define FILE_MODE 0640

static bool choose_path(const struct config *config, char out[CONFIG_PATH_MAX]) {
    struct buf path = buf_over(out, CONFIG_PATH_MAX);
    if (config->http_token_file[0] != '\0') {
        buf_str(&path, config->http_token_file);
    } else if (config->http_token[0] == '\0') {
        const char *slash = strrchr(config->unix_socket, '/');
        buf_put(&path, config->unix_socket, (size_t)(slash + 1 - config->unix_socket));
        buf_str(&path, "http-token");
    }
    return !path.overflow;
}

static bool generate(char out[ROUTES_BEARER_MAX], struct buf *problem) {
    unsigned char bytes[RANDOM_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
        buf_fmt(problem, "cannot get random bytes for the bearer: %s", strerror(errno));
        return false;
    }
    base64url_encode(bytes, sizeof bytes, out);
    wipe(bytes, sizeof bytes);
    return true;
}

bool bearer_open(const struct config *config, struct bearer *out, struct buf *problem) {
    memset(out, 0, sizeof *out);
    if (!choose_path(config, out->path)) {
        buf_str(problem, "the path of the bearer's file is too long");
        return false;
    }
    out->generated = config->http_token[0] == '\0';
    if (!out->generated)
        memcpy(out->text, config->http_token, sizeof out->text);
    else if (!generate(out->text, problem))
        return false;
    out->secret.text = out->text;
    secrets_hold(&out->secret);
    if (out->path[0] != '\0')
        atomic_file_clean(out->path);
    return bearer_publish(config, out, problem);
}

bool bearer_publish(const struct config *config, const struct bearer *bearer, struct buf *problem) {
    struct atomic_file_problem failed;
    if (bearer->path[0] == '\0')
        return true;
    /* Without a newline at the end: most SDKs would send it, or refuse the file. */
    if (atomic_file_write(bearer->path, bearer->text, strlen(bearer->text), FILE_MODE, config->socket_group,
                          &failed))
        return true;
    buf_fmt(problem, "cannot %s the bearer's file %s: %s (errno %d)", failed.step, bearer->path,
            strerror(failed.error), failed.error);
    return false;
}

void bearer_close(struct bearer *bearer) {
    if (bearer->generated && bearer->path[0] != '\0')
        unlink(bearer->path);
    bearer->generated = false;
    wipe(bearer->text, sizeof bearer->text); /* not the whole: it stays among those that hold secrets */
}
