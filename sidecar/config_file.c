#include "sidecar/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/io.h"
#include "common/base/nearest.h"
#include "common/base/scratch.h"
#include "common/base/setting.h"
#include "common/text/json.h"
#include "sidecar/config_tokens.h"

#define PROFILES "profiles"
#define NAME "name"
#define TOKENS "tokens"
#define ASSUME_ROLE "assume-role"
#define ROLE_ARN "role-arn"

/* The file under reading: a mistake is shown with its line. */
struct file {
    const char *path;
    const char *text;
    size_t len;
    struct buf *problem;
};

/* Complains about a value, or about its key. Always false. */
static bool refuse(const struct file *f, const struct json *at, const char *key, const char *what) {
    char said[OPTIONS_PROBLEM_MAX / 2];
    struct buf words = BUF(said);
    buf_str(&words, what);
    buf_reset(f->problem);
    buf_printable(f->problem, f->path, strlen(f->path), 200);
    buf_fmt(f->problem, ": line %u: ", json_line(f->text, f->len, at));
    buf_printable(f->problem, key, strlen(key), 64);
    buf_fmt(f->problem, ": %s", said);
    return false;
}

/* ---- values ---- */

/* A scalar as an option's value would be written. */
static bool as_text(const struct json *value, char out[OPTIONS_VALUE_MAX]) {
    struct buf text = buf_over(out, OPTIONS_VALUE_MAX);
    int64_t number;
    if (json_text(value) != NULL)
        buf_str(&text, json_text(value));
    else if (json_number(value, &number))
        buf_i64(&text, number);
    else if (json_is_true(value) || json_is_false(value))
        buf_str(&text, json_is_true(value) ? "true" : "false");
    else
        return false;
    return !text.overflow;
}

/* 0640 of YAML is 416 in JSON, and "416" would be read as octal: what was meant is not known for certain. */
static bool refuse_mode(const struct file *f, const struct json *value, const char *key, int64_t number) {
    char text[24], why[160];
    struct buf digits = BUF(text), problem = BUF(why);
    buf_i64(&digits, number);
    bool decimal = number >= 0 && number <= 0777;
    buf_str(&problem, "a mode is a text, not a number");
    if (decimal)
        buf_fmt(&problem, ": write \"0%03o\", which is %s in decimal", (unsigned)number, text);
    else if (digits.len == 3 && strspn(text, "01234567") == 3)
        buf_fmt(&problem, ": write \"0%s\"", text);
    else
        buf_str(&problem, ", as in \"0640\"");
    return refuse(f, value, key, why);
}

static bool take_one(const struct file *f, const struct option_spec *spec, void *place, const char *key,
                     const struct json *value) {
    SCRATCH static char text[OPTIONS_VALUE_MAX];
    char why[OPTIONS_PROBLEM_MAX / 2];
    struct buf problem = BUF(why);
    int64_t number;
    size_t len = strlen(key);
    if (len > 5 && strcmp(key + len - 5, "-mode") == 0 && json_number(value, &number))
        return refuse_mode(f, value, key, number);
    if (!as_text(value, text))
        return refuse(f, value, key, "a text, a number, true or false is wanted");
    return option_apply(spec, place, text, &problem) || refuse(f, value, key, why);
}

/* A repeatable option takes a list. "session-tag" is written as an object, too. */
static bool take_option(const struct file *f, const struct option_spec *spec, void *place, const char *key,
                        const struct json *value) {
    if (!json_is_array(value))
        return take_one(f, spec, place, key, value);
    if (!spec->repeatable)
        return refuse(f, value, key, "only one value is wanted");
    for (size_t i = 0; json_item(value, i) != NULL; i++) {
        if (!take_one(f, spec, place, key, json_item(value, i)))
            return false;
    }
    return true;
}

static const struct option_spec *find(const char *key, size_t from, size_t until) {
    const struct option_spec *specs = config_options.specs;
    for (size_t i = from; i < until && specs[i].name != NULL; i++) {
        if (!option_is_group(&specs[i]) && strcmp(specs[i].name, key) == 0)
            return &specs[i];
    }
    return NULL;
}

/* A key of a profile: NULL if it is none. */
static const struct option_spec *find_of_profile(const char *key) {
    const struct option_spec *found = find(key, 0, SIZE_MAX);
    bool of_profile =
        found != NULL && (found < config_options.specs + config_profile_rows() || config_is_access(found));
    return of_profile ? found : NULL;
}

/* Of those that are a role's, not of all that is a profile's. */
static const struct option_spec *find_setting(const char *key) {
    static const char names[][20] = {"external-id",        "role-session-name", "session-duration",
                                     "transitive-tag-key", "source-identity",   "session-policy-file"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], key) == 0)
            return find(key, 0, config_profile_rows());
    }
    return NULL;
}

static bool twice(const struct json *object, const struct json *member) {
    return json_get(object, json_name(member)) != member;
}

/* ---- one role of a chain ---- */

static bool take_tags(const struct file *f, struct source_options *o, const struct json *tags) {
    char why[OPTIONS_PROBLEM_MAX / 2];
    struct buf problem = BUF(why);
    const struct json *tag;
    if (!json_is_object(tags))
        return refuse(f, tags, "session-tag", "an object of keys and texts is wanted");
    for (size_t i = 0; (tag = json_item(tags, i)) != NULL; i++) {
        const char *key = json_name(tag);
        if (json_text(tag) == NULL)
            return refuse(f, tag, key, "a text is wanted");
        if (!source_role_tag(o, key, strlen(key), json_text(tag), &problem))
            return refuse(f, tag, key, why);
    }
    return true;
}

/* The settings of a role are options, and judged as such; here they are texts. */
static bool take_setting(const struct file *f, struct source_options *o, const struct json *member) {
    const char *key = json_name(member);
    const struct option_spec *spec = find_setting(key);
    char why[OPTIONS_PROBLEM_MAX / 2];
    struct buf problem = BUF(why);
    if (strcmp(key, "session-tag") == 0)
        return take_tags(f, o, member);
    if (spec == NULL)
        return refuse(f, member, key,
                      "no key of a role: role-arn, external-id, role-session-name, session-duration, "
                      "session-tag, transitive-tag-key, source-identity, session-policy-file");
    bool list = json_is_array(member) && spec->repeatable;
    const struct json *value = list ? json_item(member, 0) : member;
    for (size_t i = 0; value != NULL; value = list ? json_item(member, ++i) : NULL) {
        if (json_text(value) == NULL)
            return refuse(f, member, key, "a text is wanted");
        if (!option_apply(spec, o, json_text(value), &problem))
            return refuse(f, member, key, why);
    }
    return true;
}

static bool take_role(const struct file *f, struct source_options *o, const struct json *object) {
    char why[OPTIONS_PROBLEM_MAX / 2];
    struct buf problem = BUF(why);
    const char *arn = json_text(json_get(object, ROLE_ARN));
    const struct json *member;
    bool ok = true;
    if (arn == NULL)
        return refuse(f, object, ASSUME_ROLE, "an object without a text \"" ROLE_ARN "\"");
    if (!source_take_role(o, arn, &problem))
        return refuse(f, json_get(object, ROLE_ARN), ROLE_ARN, why);
    o->own_settings = true;
    for (size_t i = 0; ok && (member = json_item(object, i)) != NULL; i++) {
        if (twice(object, member))
            ok = refuse(f, member, json_name(member), "it is there twice");
        else if (strcmp(json_name(member), ROLE_ARN) != 0)
            ok = take_setting(f, o, member);
    }
    o->own_settings = false;
    return ok;
}

/* A text, an object, or a list of them. *own: one of them is an object, with settings of its own. */
static bool take_roles(const struct file *f, struct source_options *o, const struct json *value, bool *own) {
    char why[OPTIONS_PROBLEM_MAX / 2];
    struct buf problem = BUF(why);
    const struct json *role = json_is_array(value) ? json_item(value, 0) : value;
    for (size_t i = 0; role != NULL; role = json_is_array(value) ? json_item(value, ++i) : NULL) {
        if (json_is_object(role)) {
            *own = true;
            if (!take_role(f, o, role))
                return false;
        } else if (json_text(role) == NULL) {
            return refuse(f, role, ASSUME_ROLE,
                          "an ARN, an object with \"role-arn\", or a list of them is wanted");
        } else if (!source_take_role(o, json_text(role), &problem)) {
            return refuse(f, role, ASSUME_ROLE, why);
        }
    }
    return true;
}

/* ---- one profile ---- */

static bool finish_roles(const struct file *f, struct source_options *o, const struct json *object,
                         bool own) {
    const struct json *roles = json_get(object, ASSUME_ROLE), *at = roles != NULL ? roles : object;
    char why[OPTIONS_PROBLEM_MAX / 2];
    struct buf problem = BUF(why);
    const struct sts_role *b = &o->base;
    bool both = b->external_id != NULL || b->tag_count > 0 || b->transitive_count > 0 || b->policy != NULL ||
                b->source_identity != NULL || b->duration_s > 0;
    if (own && both)
        return refuse(f, at, ASSUME_ROLE,
                      "roles with settings of their own: put all settings of roles there");
    bool ok = own ? source_options_check(o, &problem) : source_options_spread(o, &problem);
    return ok || refuse(f, at, o->role_count > 0 ? ASSUME_ROLE : NAME, why);
}

static bool take_name(const struct file *f, const struct config *c, struct config_profile *p,
                      const struct json *object) {
    const struct json *value = json_get(object, NAME);
    const char *name = json_text(value);
    if (name == NULL || !ini_profile_valid(name))
        return refuse(f, value != NULL ? value : object, NAME,
                      "each profile needs a name: 1 to 128 letters, digits and any of -_.@+=,:/");
    for (size_t i = 0; i < c->profile_count; i++) {
        if (strcmp(c->profiles[i].name, name) == 0)
            return refuse(f, value, name, "two profiles have that name");
    }
    config_profile_defaults(p, name);
    return true;
}

static bool refuse_key(const struct file *f, const struct json *member, const char *what, size_t from,
                       size_t until) {
    const char *key = json_name(member);
    char why[160];
    struct buf problem = BUF(why);
    struct nearest n = {NULL, 0};
    size_t len = strnlen(key, sizeof why);
    if (from == 0) {
        nearest_try(&n, key, len, NAME);
        nearest_try(&n, key, len, TOKENS);
    }
    for (const struct option_spec *spec = config_options.specs; spec->name != NULL; spec++) {
        size_t i = (size_t)(spec - config_options.specs);
        if ((i >= from && i < until) || (from == 0 && config_is_access(spec)))
            nearest_try(&n, key, len, spec->name);
    }
    buf_str(&problem, what);
    if (n.best != NULL)
        buf_fmt(&problem, "; did you mean %s?", n.best);
    return refuse(f, member, key, why);
}

/* Ahead of what is missing: a mistyped key is why. */
static bool keys_known(const struct file *f, const struct json *object) {
    const struct json *member;
    for (size_t i = 0; (member = json_item(object, i)) != NULL; i++) {
        const char *key = json_name(member);
        if (strcmp(key, NAME) != 0 && strcmp(key, TOKENS) != 0 && find_of_profile(key) == NULL)
            return refuse_key(f, member, "no key of a profile", 0, config_profile_rows());
    }
    return true;
}

static bool take_tokens(const struct file *f, struct config_profile *p, const struct json *list) {
    char text[OPTIONS_PROBLEM_MAX / 2];
    struct buf why = BUF(text);
    const struct json *at;
    const char *key;
    return config_tokens_take(p, list, &at, &key, &why) || refuse(f, at, key, text);
}

static bool take_profile(const struct file *f, const struct config *c, struct config_profile *p,
                         const struct json *object) {
    const struct json *member;
    bool own = false;
    if (!keys_known(f, object) || !take_name(f, c, p, object))
        return false;
    for (size_t i = 0; (member = json_item(object, i)) != NULL; i++) {
        const char *key = json_name(member);
        const struct option_spec *spec = find_of_profile(key);
        if (twice(object, member))
            return refuse(f, member, key, "it is there twice");
        if (strcmp(key, NAME) == 0)
            continue;
        if (strcmp(key, TOKENS) == 0) {
            if (!take_tokens(f, p, member))
                return false;
        } else if (strcmp(key, ASSUME_ROLE) == 0) {
            if (!take_roles(f, &p->source, member, &own))
                return false;
        } else if (strcmp(key, "session-tag") == 0 && json_is_object(member)) {
            if (!take_tags(f, &p->source, member))
                return false;
        } else if (strcmp(key, "ca-bundle") == 0) {
            return refuse(f, member, key, "it is for all profiles: put it beside them");
        } else if (!take_option(f, spec, config_profile_place(p, spec), key, member)) {
            return false;
        }
    }
    return finish_roles(f, &p->source, object, own);
}

/* ---- the whole ---- */

static bool take_profiles(const struct file *f, struct config *c, const struct json *root) {
    const struct json *profile, *list = json_get(root, PROFILES);
    c->profile_count = 0;
    if (!json_is_array(list) || json_item(list, 0) == NULL)
        return refuse(f, list != NULL ? list : root, PROFILES, "a list of at least one profile is wanted");
    for (size_t i = 0; (profile = json_item(list, i)) != NULL; i++) {
        char why[64];
        struct buf problem = BUF(why);
        buf_fmt(&problem, "more than %d of them", CONFIG_PROFILES_MAX);
        if (c->profile_count == CONFIG_PROFILES_MAX)
            return refuse(f, list, PROFILES, why);
        if (!json_is_object(profile))
            return refuse(f, profile, PROFILES, "each profile is an object");
        if (!take_profile(f, c, &c->profiles[i], profile))
            return false;
        c->profile_count++;
    }
    return true;
}

static bool take_all(const struct file *f, struct config *c, const struct json *root) {
    const struct json *member;
    if (!json_is_object(root))
        return refuse(f, root, PROFILES, "the file holds no JSON object");
    if (!take_profiles(f, c, root))
        return false;
    for (size_t i = 0; (member = json_item(root, i)) != NULL; i++) {
        const char *key = json_name(member);
        const struct option_spec *spec = find(key, config_profile_rows() + 1, SIZE_MAX);
        if (spec == NULL && strcmp(key, "ca-bundle") == 0)
            spec = find(key, 0, config_profile_rows());
        if (twice(root, member))
            return refuse(f, member, key, "it is there twice");
        if (strcmp(key, PROFILES) == 0)
            continue;
        if (spec == NULL && find(key, 0, config_profile_rows()) != NULL)
            return refuse(f, member, key, "it is of a profile: put it into one of \"profiles\"");
        if (spec == NULL)
            return refuse_key(f, member, "no key of this file", config_profile_rows() + 1, SIZE_MAX);
        if (!take_option(f, spec, (char *)c + spec->at, key, member))
            return false;
    }
    return true;
}

static bool blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What people write who do not write JSON; *at: where. */
static const char *resembles(const struct file *f, size_t *at) {
    size_t i = 0, comma = f->len;
    bool in_string = false;
    while (i < f->len && blank(f->text[i]))
        i++;
    if (i < f->len && f->text[i] != '{' && f->text[i] != '[' && f->text[i] != '"') {
        *at = i;
        return "it looks like YAML, and must be JSON (yq -o=json . FILE converts it)";
    }
    for (; i < f->len; i++) {
        char c = f->text[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '#' ||
                   (c == '/' && i + 1 < f->len && (f->text[i + 1] == '/' || f->text[i + 1] == '*'))) {
            *at = i;
            return "JSON has no comments";
        } else if ((c == '}' || c == ']') && comma < f->len) {
            *at = comma;
            return "a comma ahead of the closing bracket: take it out";
        }
        comma = c == ',' && !in_string ? i : blank(c) ? comma : f->len;
    }
    return NULL;
}

static bool no_json(const struct file *f, enum err e) {
    size_t at = json_error_offset();
    const char *like = e == ERR_SYNTAX ? resembles(f, &at) : NULL;
    unsigned line = 1;
    for (size_t i = 0; i < at && i < f->len; i++)
        line += f->text[i] == '\n';
    buf_printable(f->problem, f->path, strlen(f->path), 200);
    if (e == ERR_SYNTAX || e == ERR_TOO_DEEP)
        buf_fmt(f->problem, ": line %u", line);
    buf_fmt(f->problem, ": not JSON: %s", like != NULL ? like : err_text(e));
    if (e == ERR_TOO_LONG)
        buf_fmt(f->problem, " (at most %d bytes)", JSON_INPUT_MAX);
    return false;
}

bool config_file_parse(const char *path, const char *text, size_t len, struct config *out,
                       struct buf *problem) {
    const struct json *root;
    const struct file f = {path, text, len, problem};
    enum err e = json_open(text, len, &root);
    bool ok = e == ERR_OK ? take_all(&f, out, root) : no_json(&f, e);
    json_close();
    return ok;
}

bool config_file_read(const char *path, struct config *out, struct buf *problem) {
    FAR_SCRATCH static char text[JSON_INPUT_MAX + 2];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    size_t len = 0;
    bool read = fd >= 0 && io_read_all(fd, text, sizeof text - 1, &len);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (read)
        return config_file_parse(path, text, len, out, problem);
    const char *flaw = setting_flaw(path);
    buf_str(problem, "--config=");
    setting_quote(problem, path);
    if (flaw != NULL)
        buf_fmt(problem, ": %s", flaw);
    else
        buf_fmt(problem, ": cannot be read: %s (errno %d)", strerror(error), error);
    return false;
}
