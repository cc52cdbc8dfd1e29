/* Packs the relocations of a static PIE for arm64: relr FILE
 *
 * Its relocations all say "add where the program was loaded to the word there", in 24 bytes each, 16 kB in
 * all. DT_RELR says the same in a bit each. GNU ld writes that for x86-64 (-z pack-relative-relocs) and, in
 * the releases that we build with, not for arm64. So static-pie.ld keeps .rela.dyn out of what is loaded and
 * leaves room for the packed form, and this fills it in: the words get their values, the section .relr.room
 * its bits, and .dynamic its names. What does not fit this picture is an error.
 *
 * Runs on the machine that builds. Source: the ELF gABI, "Relative relocation table". */
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64 * 1024 * 1024)
#define WORD 8
#define BITS 63 /* of a word of the table: the lowest says that it is bits */

static unsigned char *file;
static size_t size;
static const char *name;

static void fail(const char *why) {
    fprintf(stderr, "relr: %s: %s\n", name, why);
    exit(1);
}

static void *at(uint64_t offset, uint64_t len) {
    if (offset > size || len > size - offset)
        fail("an offset lies behind the end of the file");
    return file + offset;
}

static void load(void) {
    FILE *f = fopen(name, "rb");
    file = malloc(FILE_MAX);
    if (f == NULL || file == NULL || (size = fread(file, 1, FILE_MAX, f)) == FILE_MAX || ferror(f) ||
        fclose(f) != 0)
        fail("cannot be read");
}

static void store(void) {
    FILE *f = fopen(name, "r+b");
    if (f == NULL || fwrite(file, 1, size, f) != size || fclose(f) != 0)
        fail("cannot be written");
}

static const Elf64_Shdr *section(const char *wanted) {
    const Elf64_Ehdr *head = at(0, sizeof *head);
    const Elf64_Shdr *all = at(head->e_shoff, (uint64_t)head->e_shnum * sizeof *all);
    if (head->e_shstrndx >= head->e_shnum)
        fail("has no names of sections");
    const char *names = at(all[head->e_shstrndx].sh_offset, all[head->e_shstrndx].sh_size);
    for (int i = 0; i < head->e_shnum; i++) {
        if (strcmp(names + all[i].sh_name, wanted) == 0)
            return &all[i];
    }
    return NULL;
}

/* Where in the file a loaded address lies. */
static void *loaded(uint64_t address) {
    const Elf64_Ehdr *head = at(0, sizeof *head);
    const Elf64_Phdr *all = at(head->e_phoff, (uint64_t)head->e_phnum * sizeof *all);
    for (int i = 0; i < head->e_phnum; i++) {
        if (all[i].p_type == PT_LOAD && address >= all[i].p_vaddr &&
            address + WORD <= all[i].p_vaddr + all[i].p_filesz)
            return at(all[i].p_offset + (address - all[i].p_vaddr), WORD);
    }
    fail("a relocation is of no word that is loaded from the file");
    return NULL;
}

static int by_address(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The words of the table; how many. */
static size_t pack(const uint64_t *address, size_t count, uint64_t *out, size_t room) {
    size_t used = 0;
    for (size_t i = 0; i < count;) {
        if (used == room)
            fail("the packed relocations need more room: see relr_room in build.sh");
        uint64_t base = address[i] + WORD;
        out[used++] = address[i++];
        for (;;) {
            uint64_t bits = 0;
            while (i < count && address[i] < base + BITS * WORD) {
                if ((address[i] - base) % WORD != 0)
                    break;
                bits |= UINT64_C(1) << ((address[i++] - base) / WORD);
            }
            if (bits == 0)
                break;
            if (used == room)
                fail("the packed relocations need more room: see relr_room in build.sh");
            out[used++] = bits << 1 | 1;
            base += BITS * WORD;
        }
    }
    return used;
}

static void name_it(uint64_t where, uint64_t bytes) {
    const Elf64_Shdr *s = section(".dynamic");
    Elf64_Dyn *d = s != NULL ? at(s->sh_offset, s->sh_size) : NULL;
    int renamed = 0;
    for (size_t i = 0; d != NULL && i < s->sh_size / sizeof *d; i++) {
        if (d[i].d_tag == DT_RELA)
            d[i] = (Elf64_Dyn){.d_tag = DT_RELR, .d_un.d_ptr = where};
        else if (d[i].d_tag == DT_RELASZ)
            d[i] = (Elf64_Dyn){.d_tag = DT_RELRSZ, .d_un.d_val = bytes};
        else if (d[i].d_tag == DT_RELAENT)
            d[i] = (Elf64_Dyn){.d_tag = DT_RELRENT, .d_un.d_val = WORD};
        else if (d[i].d_tag == DT_RELACOUNT)
            d[i] = (Elf64_Dyn){.d_tag = DT_DEBUG};
        else
            continue;
        renamed++;
    }
    if (renamed < 3)
        fail(".dynamic does not name the relocations");
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: relr FILE\n");
        return 2;
    }
    name = argv[1];
    load();
    const Elf64_Ehdr *head = at(0, sizeof *head);
    if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_ident[EI_CLASS] != ELFCLASS64 ||
        head->e_ident[EI_DATA] != ELFDATA2LSB || head->e_machine != EM_AARCH64)
        fail("is no program for arm64");
    const Elf64_Shdr *rela = section(".rela.dyn"), *room = section(".relr.room");
    if (rela == NULL || room == NULL || (rela->sh_flags & SHF_ALLOC) != 0)
        fail("was not linked by static-pie.ld");
    const Elf64_Rela *relocations = at(rela->sh_offset, rela->sh_size);
    size_t count = rela->sh_size / sizeof *relocations;
    uint64_t *address = calloc(count + 1, sizeof *address);
    if (address == NULL)
        fail("out of memory");
    for (size_t i = 0; i < count; i++) {
        if (ELF64_R_TYPE(relocations[i].r_info) != R_AARCH64_RELATIVE || relocations[i].r_offset % WORD != 0)
            fail("a relocation is of another kind, or of a word that is not aligned");
        address[i] = relocations[i].r_offset;
        memcpy(loaded(address[i]), &relocations[i].r_addend, WORD);
    }
    qsort(address, count, sizeof *address, by_address);
    size_t words = pack(address, count, at(room->sh_offset, room->sh_size), room->sh_size / WORD);
    name_it(room->sh_addr, words * WORD);
    store();
    return 0;
}
