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

/* *fixed: the text that was given, or "". */
static bool choose(const struct config *config, size_t owner, struct bearer *out, const char **fixed) {
    const struct config_access *a = owner == ANSWERS_ALL ? &config->access : &config->profiles[owner].access;
    struct buf path = BUF(out->path);
    *fixed = owner == ANSWERS_ALL ? config->http_token : "";
    if (a->http_token_file[0] != '\0') {
        buf_str(&path, a->http_token_file);
    } else if (owner == ANSWERS_ALL && **fixed == '\0' && a->unix_socket[0] != '\0') {
        const char *slash = strrchr(a->unix_socket, '/');
        buf_put(&path, a->unix_socket, (size_t)(slash + 1 - a->unix_socket));
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

bool bearer_open(const struct config *config, size_t owner, gid_t group, struct bearer *out,
                 struct buf *problem) {
    const char *fixed;
    if (!choose(config, owner, out, &fixed)) {
        buf_str(problem, "the path of the bearer's file is too long");
        return false;
    }
    out->group = group;
    out->generated = *fixed == '\0' && out->path[0] != '\0';
    if (*fixed != '\0')
        memcpy(out->text, fixed, sizeof out->text);
    else if (out->generated && !generate(out->text, problem))
        return false;
    if (out->text[0] == '\0')
        return true;
    out->secret.text = out->text;
    secrets_hold(&out->secret);
    if (out->path[0] != '\0')
        atomic_file_clean(out->path);
    return bearer_publish(out, problem);
}

bool bearer_publish(const struct bearer *bearer, struct buf *problem) {
    struct atomic_file_problem failed;
    if (bearer->path[0] == '\0')
        return true;
    /* Without a newline at the end: most SDKs would send it, or refuse the file. */
    if (atomic_file_write(bearer->path, bearer->text, strlen(bearer->text), FILE_MODE, bearer->group,
                          &failed))
        return true;
    buf_fmt(problem, "%scannot %s the bearer's file %s: %s (errno %d)", problem->len > 0 ? "; " : "",
            failed.step, bearer->path, strerror(failed.error), failed.error);
    return false;
}

void bearer_close(struct bearer *bearer) {
    if (bearer->generated && bearer->path[0] != '\0')
        unlink(bearer->path);
    bearer->generated = false;
    if (bearer->text[0] != '\0')
        wipe(bearer->text, sizeof bearer->text); /* not the whole: it stays among those that hold secrets */
}
