#include "agent/webhook/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/association_folder.h"
#include "agent/association_table.h"
#include "common/base/far.h"
#include "common/base/io.h"

static const struct webhook_settings *settings;
FAR static struct template templates[2];
static struct template *template_now, *template_next = &templates[0];
static const char *names[ASSOCIATIONS_SOURCES_MAX];
static struct identity identity;
static struct admission_rules rules;
/* A role is the agent's business, which knows its STS: here it only has to be one. */
static const struct associations_rules any_role = {.ceiling = EXCHANGE_ASSUME_ROLE, .maker = ROLE_ARN_ANY};

static enum admission_association associated(const char *namespace, const char *service_account) {
    char text[ASSOCIATIONS_KEY_MAX + 1];
    struct buf key = BUF(text);
    struct association ignored;
    bool usable;
    buf_fmt(&key, "%s.%s", namespace, service_account);
    /* A namespace has no dot: with one, a key would have two meanings. */
    if (key.overflow || strchr(namespace, '.') != NULL || !table_find(text, &ignored, &usable))
        return ADMISSION_NONE;
    return usable ? ADMISSION_USABLE : ADMISSION_UNUSABLE;
}

void sources_open(const struct webhook_settings *given) {
    settings = given;
    identity = (struct identity){given->audience, given->uri, given->region, given->token_expiration_s};
    rules = (struct admission_rules){.identity = given->association_count > 0 ? &identity : NULL,
                                     .associated = associated,
                                     .refuse = given->refuse_problem,
                                     .refuse_large = given->refuse_large};
    for (size_t i = 0; i < given->association_count; i++)
        names[i] = given->associations[i];
    table_open(&any_role, names);
}

static bool unreadable(const char *option, const char *path, const char *why, struct buf *problem) {
    buf_fmt(problem, "--%s=", option);
    buf_printable(problem, path, strlen(path), 4096);
    buf_fmt(problem, ": cannot be read: %s", why);
    return false;
}

/* ---- the template ---- */

static bool read_file(const char *path, struct template *t, struct buf *problem) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return unreadable("template", path, strerror(errno), problem);
    const char *why = NULL;
    if (fstat(fd, &st) != 0 || !io_read_all(fd, t->text, sizeof t->text, &t->len))
        why = strerror(errno);
    else if (!S_ISREG(st.st_mode))
        why = "it is not a regular file";
    else if (t->len == sizeof t->text)
        why = "it has more than 32767 bytes";
    (void)close(fd);
    return why == NULL || unreadable("template", path, why, problem);
}

bool sources_read_template(bool *changed, struct buf *problem) {
    struct template *t = template_next;
    char text[TEMPLATE_PROBLEM_MAX];
    struct buf wrong = BUF(text);
    if (!read_file(settings->template, t, problem))
        return false;
    if (!template_read(t, &wrong)) {
        buf_str(problem, "--template=");
        buf_printable(problem, settings->template, strlen(settings->template), 4096);
        buf_fmt(problem, ": %s", text);
        return false;
    }
    *changed = template_now == NULL || template_now->len != t->len ||
               memcmp(template_now->text, t->text, t->len) != 0;
    if (*changed) {
        template_next = t == &templates[0] ? &templates[1] : &templates[0];
        template_now = t;
        rules.template = t;
    }
    return true;
}

/* ---- associations ---- */

bool sources_read_associations(bool *changed, struct buf *problem) {
    *changed = false;
    for (size_t i = 0; i < settings->association_count; i++) {
        bool one = false;
        if (!association_folder_read(i, settings->associations[i], &one))
            return unreadable("associations", settings->associations[i], strerror(errno), problem);
        *changed = *changed || one;
    }
    return true;
}

void sources_count(size_t *usable, size_t *unusable) {
    table_count(usable, unusable);
}

const struct admission_rules *sources_rules(void) {
    return &rules;
}
