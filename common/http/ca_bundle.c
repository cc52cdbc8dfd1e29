#include "common/http/ca_bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/far.h"
#include "common/http/ca_anchor.h"
#include "common/text/pem.h"

/* Where a certificate begins, and what its subject hashes to: enough to know which to look at. */
struct entry {
    uint32_t hash, at;
};

/* Of one file each: those of AWS, and of a cluster's API server. With one for both, two that are asked in
 * turn would be read at each connection. */
#define INDEXES 2
FAR static struct index {
    const char *path; /* NULL: nothing is loaded */
    struct stat loaded;
    struct ca_counts counted;
    size_t entry_count;
    struct entry entries[CA_BUNDLE_MAX];
} indexes[INDEXES];
static struct index *index_now = indexes; /* which was used last */
static unsigned times_read;
static struct pem reader; /* 8 KiB, of which certificates touch the first two or so */

/* FNV-1a: what is found by it is compared in full. */
static uint32_t hash_of(const unsigned char *bytes, size_t len) {
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 16777619U;
    return hash;
}

/* ---- the index ---- */

static bool note(void *context, const struct pem *p, enum err error) {
    struct certificate c;
    struct ca_anchor anchor;
    enum err *result = context;
    enum ca_fault fault = error == ERR_TOO_LONG ? CA_LARGE : CA_BROKEN;
    if (error != ERR_OK || !certificate_read(p->der, p->len, &c) ||
        !ca_anchor_decode(p->der, &c, &anchor, &fault)) {
        index_now->counted.unusable[fault]++;
        return true;
    }
    if (index_now->entry_count == CA_BUNDLE_MAX) {
        *result = ERR_TOO_LONG;
        return false;
    }
    index_now->entries[index_now->entry_count++] =
        (struct entry){hash_of(c.subject.bytes, c.subject.len), (uint32_t)p->begins_at};
    return true;
}

/* Never waits for a pipe. */
static int open_file(const char *path, struct stat *st, enum err *error) {
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    *error = ERR_SYSTEM;
    if (fd < 0)
        return -1;
    if (fstat(fd, st) == 0) {
        *error = !S_ISREG(st->st_mode)              ? ERR_NOT_FILE
                 : st->st_size > CA_BUNDLE_FILE_MAX ? ERR_TOO_LONG
                                                    : ERR_OK;
        if (*error == ERR_OK)
            return fd;
    }
    int kept = errno;
    close(fd);
    errno = kept;
    return -1;
}

static enum err read_from(int fd, size_t at, pem_found *found, void *context) {
    char block[4096];
    pem_open(&reader, at);
    for (size_t end = at;;) {
        ssize_t n = pread(fd, block, sizeof block, (off_t)end);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_SYSTEM;
        end += (size_t)n;
        if (end > CA_BUNDLE_FILE_MAX)
            return ERR_TOO_LONG;
        if (n == 0) {
            pem_close(&reader, found, context);
            return ERR_OK;
        }
        if (!pem_push(&reader, block, (size_t)n, found, context))
            return ERR_OK;
    }
}

/* The one of that path, or that the path is to have: not the one that was used last. */
static struct index *index_of(const char *path) {
    struct index *other = &indexes[0];
    for (size_t i = 0; i < INDEXES; i++) {
        if (indexes[i].path == path)
            return &indexes[i];
        if (&indexes[i] != index_now)
            other = &indexes[i];
    }
    return index_now->path == NULL ? index_now : other;
}

static bool is_loaded(const char *path, const struct stat *st) {
    const struct stat *loaded = &index_now->loaded;
    return index_now->path == path && loaded->st_dev == st->st_dev && loaded->st_ino == st->st_ino &&
           loaded->st_size == st->st_size && loaded->st_mtim.tv_sec == st->st_mtim.tv_sec &&
           loaded->st_mtim.tv_nsec == st->st_mtim.tv_nsec;
}

static enum err make_index(int fd) {
    enum err result = ERR_OK;
    struct ca_counts *counted = &index_now->counted;
    index_now->entry_count = 0;
    times_read++;
    memset(counted, 0, sizeof *counted);
    enum err e = read_from(fd, 0, note, &result);
    if (e == ERR_OK)
        e = result;
    size_t unusable = 0;
    for (size_t i = 0; i < CA_FAULTS; i++)
        unusable += counted->unusable[i];
    counted->usable = index_now->entry_count;
    if (e == ERR_OK && index_now->entry_count == 0)
        e = unusable > 0 ? ERR_MISSING : ERR_EMPTY;
    return e;
}

/* The open file, its index made; -1 with *error. */
static int open_indexed(const char *path, enum err *error) {
    struct stat st;
    int fd = open_file(path, &st, error);
    index_now = index_of(path);
    if (fd < 0 || is_loaded(path, &st))
        return fd;
    *error = make_index(fd);
    if (*error == ERR_OK) {
        index_now->loaded = st;
        index_now->path = path;
        return fd;
    }
    int kept = errno;
    index_now->path = NULL;
    close(fd);
    errno = kept;
    return -1;
}

enum err ca_bundle_load(const char *path, struct ca_counts *out, bool *changed) {
    enum err e;
    unsigned before = times_read;
    int fd = open_indexed(path, &e);
    *out = index_now->counted;
    if (changed != NULL)
        *changed = times_read != before;
    if (fd >= 0)
        close(fd);
    return e;
}

bool ca_bundle_unusable(const struct ca_counts *counts, struct buf *out) {
    static const char why[CA_FAULTS][56] = {
        [CA_BROKEN] = "not to be decoded",
        [CA_KIND] = "with a key other than RSA, P-256, P-384 and P-521",
        [CA_SMALL_KEY] = "with an RSA key of less than 2048 bits",
        [CA_LARGE] = "with an RSA key of more than 4096 bits",
    };
    size_t unusable = 0;
    for (size_t i = 0; i < CA_FAULTS; i++)
        unusable += counts->unusable[i];
    if (unusable == 0)
        return false;
    buf_fmt(out, "%zu of %zu certificates cannot be used: ", unusable, unusable + counts->usable);
    const char *between = "";
    for (size_t i = 0; i < CA_FAULTS; i++) {
        if (counts->unusable[i] > 0) {
            buf_fmt(out, "%s%zu %s", between, counts->unusable[i], why[i]);
            between = ", ";
        }
    }
    return true;
}

/* ---- looking up ---- */

struct lookup {
    const unsigned char *name;
    size_t len, max, count;
    struct ca_anchor *out;
    enum err error;
};

/* False: only the first certificate from there is wanted. */
static bool match(void *context, const struct pem *p, enum err error) {
    struct lookup *l = context;
    struct certificate c;
    struct ca_anchor anchor;
    enum ca_fault fault;
    const struct der name = {l->name, l->len};
    if (error != ERR_OK || !certificate_read(p->der, p->len, &c) || !der_equal(&c.subject, &name) ||
        !ca_anchor_decode(p->der, &c, &anchor, &fault))
        return false;
    for (size_t i = 0; i < l->count; i++) {
        if (ca_anchor_same_key(&l->out[i], &anchor))
            return false;
    }
    if (l->count == l->max) {
        l->error = ERR_TOO_LONG;
        return false;
    }
    struct ca_anchor *out = &l->out[l->count++];
    ca_anchor_copy(&anchor, out);
    out->anchor.dn.data = (unsigned char *)l->name; /* read only, whatever BearSSL's type says */
    out->anchor.dn.len = l->len;
    return false;
}

enum err ca_bundle_find(const char *path, const unsigned char *name, size_t len, struct ca_anchor *out,
                        size_t max, size_t *count) {
    struct lookup l = {.name = name, .len = len, .max = max, .out = out};
    uint32_t wanted = hash_of(name, len);
    *count = 0;
    int fd = open_indexed(path, &l.error);
    const struct entry *entries = index_now->entries;
    for (size_t i = 0; fd >= 0 && i < index_now->entry_count && l.error == ERR_OK; i++) {
        if (entries[i].hash != wanted)
            continue;
        enum err e = read_from(fd, entries[i].at, match, &l);
        l.error = e != ERR_OK ? e : l.error;
    }
    if (fd >= 0)
        close(fd);
    *count = l.count;
    return l.error;
}

void ca_bundle_explain(const char *path, struct buf *out) {
    enum { SHOWN_MAX = 80 };
    struct ca_counts counts;
    enum err e = ca_bundle_load(path, &counts, NULL);
    buf_printable(out, path, strlen(path), SHOWN_MAX);
    buf_fmt(out, ": %s", e == ERR_SYSTEM ? strerror(errno) : err_text(e));
}
