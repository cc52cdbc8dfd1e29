#include "init/shadow_file_checks.h"

#include <errno.h>
#include <string.h>

#include "common/base/far.h"
#include "common/base/wipe.h"
#include "init/shared_config.h"

#define HOME_FILE_MAX 4096

/* Arrays: a pointer would cost a relocation. */
static const struct place {
    char name[20], variable[28], below_home[20];
} places[] = {
    [SHARED_CONFIG] = {"config file", "AWS_CONFIG_FILE", "/.aws/config"},
    [SHARED_CREDENTIALS] = {"credentials file", "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials"},
};

/* A file, as far as it could be read. */
struct shared_read {
    char path[HOME_FILE_MAX]; /* "": there is none to look for */
    bool named;               /* by its variable */
    int error;                /* 0: it was read */
};

static struct shared_read states[SHARED_FILES];
FAR static char texts[SHARED_FILES][SHARED_CONFIG_FILE_MAX + 1];

/* What the variable names, else a file below HOME. */
static void find_file(const struct run *run, const struct place *place, struct shared_read *out) {
    struct buf path = BUF(out->path);
    const char *home = run->lookup("HOME"), *named = run->lookup(place->variable);
    out->named = check_is_set(run, place->variable);
    if (out->named && strncmp(named, "~/", 2) != 0) {
        buf_str(&path, named);
    } else if (home != NULL && *home == '/') {
        buf_str(&path, home);
        buf_str(&path, out->named ? named + 1 : place->below_home);
    }
    out->error = path.overflow ? ENAMETOOLONG : path.len == 0 ? ENOENT : 0;
}

static void read_both(const struct run *run, struct shared_files *files) {
    for (size_t i = 0; i < SHARED_FILES; i++) {
        struct shared_read *state = &states[i];
        size_t len = 0;
        find_file(run, &places[i], state);
        if (state->error == 0 && !check_read_file(state->path, texts[i], SHARED_CONFIG_FILE_MAX, &len))
            state->error = errno;
        files->file[i] = (struct shared_text){texts[i], state->error == 0 ? len : 0};
    }
}

static const char *profile_of(const struct run *run) {
    return check_is_set(run, "AWS_PROFILE")           ? run->lookup("AWS_PROFILE")
           : check_is_set(run, "AWS_DEFAULT_PROFILE") ? run->lookup("AWS_DEFAULT_PROFILE")
                                                      : "default";
}

static bool missing(const struct shared_read *state) {
    return state->error == ENOENT || state->error == ENOTDIR;
}

/* A file that is named and not there may come: from another container, by way of a volume. */
static enum check_status tell_unread(const struct place *place, const struct shared_read *state,
                                     struct failure *finding) {
    if (missing(state) && (!state->named || place == &places[SHARED_CONFIG]))
        return check_passed(finding, "no shared %s", place->name);
    struct buf m = failure_begin(finding, REASON_INJECTION_INVALID);
    buf_fmt(&m, state->named ? "%s=" : "the %s ", state->named ? place->variable : place->name);
    check_quote(&m, state->path);
    if (missing(state)) {
        buf_str(&m,
                " is set (that file does not exist at the moment): AWS SDKs take its credentials, as soon as "
                "there are some, before EKS Pod Identity");
        failure_remedy(finding, "remove %s from the env of the containers that shall use EKS Pod Identity",
                       place->variable);
        return CHECK_WARN;
    }
    buf_fmt(&m, " cannot be read: %s (errno %d)", strerror(state->error), state->error);
    failure_remedy(finding,
                   "let it be a file of at most %d bytes that this user can read, or set "
                   "%s=/nonexistent in the env of the containers",
                   SHARED_CONFIG_FILE_MAX, place->variable);
    return CHECK_WARN;
}

static enum check_status check_file(struct run *run, enum shared_which which, struct failure *finding) {
    const struct place *place = &places[which];
    const struct shared_read *state = &states[which];
    struct shared_files files;
    unsigned line;
    read_both(run, &files);
    const char *profile = profile_of(run), *key = shared_config_find(&files, which, profile),
               *fault = shared_config_fault(&files.file[which], &line);
    for (size_t i = 0; i < SHARED_FILES; i++) /* they may hold keys */
        wipe(texts[i], states[i].error == EFBIG ? sizeof texts[i] : files.file[i].len);
    if (state->error != 0)
        return tell_unread(place, state, finding);
    if (key == NULL && fault == NULL)
        return check_passed(finding, "no credentials in the shared %s", place->name);
    struct buf m = failure_begin(finding, REASON_INJECTION_INVALID);
    buf_fmt(&m, "the %s ", place->name);
    check_quote(&m, state->path);
    if (key != NULL) {
        buf_fmt(&m, " sets %s in profile ", key);
        check_quote(&m, profile);
        buf_str(&m, ": AWS SDKs take that before EKS Pod Identity");
    }
    if (fault != NULL)
        buf_fmt(&m, "%s cannot be parsed by botocore (Python, the AWS CLI), which fails: line %u: %s",
                key != NULL ? "; and it" : "", line, fault);
    failure_remedy(finding, "%s, or set %s=/nonexistent in the env of the containers",
                   key != NULL ? "take that setting out of the file" : "correct that line", place->variable);
    return CHECK_WARN;
}

enum check_status check_shadow_credentials_file(struct run *run, struct failure *finding) {
    return check_file(run, SHARED_CREDENTIALS, finding);
}

enum check_status check_shadow_config_file(struct run *run, struct failure *finding) {
    return check_file(run, SHARED_CONFIG, finding);
}
