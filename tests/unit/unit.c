#include "tests/unit/unit.h"

#include <ftw.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/clock.h"

const char *guarded(const void *bytes, size_t len) {
    static char *area;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (area == NULL) {
        area = mmap(NULL, GUARDED_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(area != MAP_FAILED);
        assert_int_equal(mprotect(area + GUARDED_MAX, page, PROT_NONE), 0);
    }
    assert_true(len <= GUARDED_MAX);
    char *at = area + GUARDED_MAX - len;
    if (len > 0)
        memcpy(at, bytes, len);
    return at;
}

extern char __data_start[], _end[]; /* of the linker */

__attribute__((no_sanitize("address"))) bool lies_in_memory(const char *bytes, size_t len) {
    for (const volatile char *at = __data_start; at + len <= _end; at++) {
        size_t same = 0;
        while (same < len && at[same] == bytes[same])
            same++;
        if (same == len)
            return true;
    }
    return false;
}

static char folder[64];

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_folder(void) {
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_folder(void) {
    if (folder[0] == '\0') {
        snprintf(folder, sizeof folder, "/tmp/pod-identity-unit-XXXXXX");
        assert_non_null(mkdtemp(folder));
        atexit(remove_folder);
    }
    return folder;
}

const char *scratch_path(const char *name) {
    static char places[4][512];
    static int turn;
    turn = (turn + 1) % 4;
    assert_true((size_t)snprintf(places[turn], sizeof places[turn], "%s/%s", scratch_folder(), name) <
                sizeof places[turn]);
    return places[turn];
}

void write_file(const char *path, const void *bytes, size_t len) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

const char *read_file(const char *path, size_t *len) {
    static char content[1 << 20];
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("cannot open %s: run from the top of the repository", path);
    size_t n = fread(content, 1, sizeof content - 1, f);
    fclose(f);
    content[n] = '\0';
    if (len != NULL)
        *len = n;
    return content;
}

static struct moment made_up;

static struct moment made_up_clock(void) {
    return made_up;
}

void fake_clock(int64_t mono_ms, int64_t wall_ms) {
    made_up = (struct moment){.mono_ms = mono_ms, .wall_ms = wall_ms};
    clock_use(made_up_clock);
}

uint64_t dice_roll(struct dice *d) { /* splitmix64 */
    uint64_t z = (d->state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t dice_below(struct dice *d, uint64_t below) {
    return dice_roll(d) % below;
}
