/* Damages a weight file in many ways and reads each result: it must be read or refused, never
 * crash, and a refusal must have its words.
 *
 * Usage: mangle_weights FILE COUNT SEED BEGIN END. First the file cut to each length (at most COUNT
 * of them, evenly spread), then COUNT times one to four bytes between BEGIN and END changed. The
 * bytes end where a page without access begins, so that a read behind them is seen without a
 * sanitizer too. Standard output: how many results were read and how many refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/base/mapped_file.h"
#include "tests/fuzz/read_weights.h"

struct tally {
    size_t read, refused;
};

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t room_of(size_t size)
{
    return (size + page_bytes() - 1) / page_bytes() * page_bytes();
}

/* A writable copy with a forbidden page behind it. Freed by drop_copy. */
static uint8_t *copy_before_guard(struct span bytes)
{
    size_t page = page_bytes(), room = room_of(bytes.size);
    uint8_t *base =
        mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + room, page, PROT_NONE) != 0) {
        perror("mmap");
        exit(EXIT_FAILURE);
    }
    uint8_t *copy = base + room - bytes.size;
    memcpy(copy, bytes.data, bytes.size);
    return copy;
}

static void drop_copy(uint8_t *copy, size_t size)
{
    munmap(copy - (room_of(size) - size), room_of(size) + page_bytes());
}

static void try_one(struct span bytes, struct tally *tally)
{
    struct weights *weights;
    struct error error = {0};
    enum status status = weights_parse(bytes, &weights, &error);
    if (status != STATUS_OK) {
        if (error.text[0] == 0 || error.status != status)
            abort();
        tally->refused++;
        return;
    }
    read_weights(weights, bytes.size);
    weights_destroy(weights);
    tally->read++;
}

/* SplitMix64. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void cut(const uint8_t *copy, size_t size, size_t count, struct tally *tally)
{
    size_t step = size / count + 1;
    for (size_t length = 0; length < size; length += step) {
        uint8_t *shorter = copy_before_guard((struct span){copy, length});
        try_one((struct span){shorter, length}, tally);
        drop_copy(shorter, length);
    }
}

static void damage(uint8_t *copy, struct span original, size_t begin, size_t end, uint64_t *state)
{
    for (uint64_t left = draw(state) % 4 + 1; left > 0; left--) {
        size_t at = begin + draw(state) % (end - begin);
        switch (draw(state) % 4) {
        case 0:
            copy[at] ^= (uint8_t)(1u << draw(state) % 8);
            break;
        case 1:
            copy[at] = (uint8_t)draw(state);
            break;
        case 2:
            copy[at] = draw(state) % 2 ? 0xff : 0;
            break;
        default:
            copy[at] = original.data[begin + draw(state) % (end - begin)];
        }
    }
}

int main(int argc, char **argv)
{
    struct mapped_file file;
    struct error error = {0};
    if (argc != 6) {
        fprintf(stderr, "usage: mangle_weights FILE COUNT SEED BEGIN END\n");
        return 2;
    }
    if (mapped_file_init(argv[1], SIZE_MAX, &file, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.text);
        return EXIT_FAILURE;
    }
    size_t count = strtoull(argv[2], NULL, 0), begin = strtoull(argv[4], NULL, 0);
    size_t end = strtoull(argv[5], NULL, 0);
    uint64_t state = strtoull(argv[3], NULL, 0);
    struct tally tally = {0};
    if (count == 0 || begin >= end || end > file.bytes.size) {
        fprintf(stderr, "BEGIN to END is no part of the file's %zu bytes\n", file.bytes.size);
        return EXIT_FAILURE;
    }
    uint8_t *copy = copy_before_guard(file.bytes);
    cut(copy, file.bytes.size, count, &tally);
    for (size_t i = 0; i < count; i++) {
        damage(copy, file.bytes, begin, end, &state);
        try_one((struct span){copy, file.bytes.size}, &tally);
        memcpy(copy + begin, file.bytes.data + begin, end - begin);
    }
    drop_copy(copy, file.bytes.size);
    printf("%zu read, %zu refused\n", tally.read, tally.refused);
    mapped_file_fini(&file);
    return EXIT_SUCCESS;
}
