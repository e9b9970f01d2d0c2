/* Streams that are written here, block by block. libjpeg's own: test_jpeg_coefficients.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/image/jpeg_huffman.h"

enum { STREAM_BYTES = 1 << 18, END_OF_BLOCK = 0, SIXTEEN_ZEROS = 0xF0, MARKER_END = 0xD9 };

/* Codes as JPEG numbers them: `count` of a length, the next length goes on with twice the code. */
struct code_book {
    uint8_t counts[17];
    uint8_t symbols[256];
    unsigned codes[256], lengths[256]; /* by symbol; length 0: has none */
    struct jpeg_huffman_table table;
};

struct stream {
    uint8_t *bytes; /* [STREAM_BYTES] */
    size_t size;
    unsigned pending, pending_bits, stuffed;
};

static uint32_t random_state = 1;

static unsigned random_below(unsigned limit)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % limit;
}

static void book_init(struct code_book *book, bool is_for_first)
{
    unsigned code = 0, place = 0;
    memset(book->lengths, 0, sizeof book->lengths);
    for (unsigned length = 1; length <= 16; length++, code <<= 1)
        for (unsigned i = 0; i < book->counts[length]; i++, place++, code++) {
            book->codes[book->symbols[place]] = code;
            book->lengths[book->symbols[place]] = length;
        }
    assert_true(jpeg_huffman_table_init(book->counts, book->symbols, is_for_first, &book->table));
}

/* One code of each length from 1 to 16. */
static void book_init_stairs(struct code_book *book, const uint8_t *symbols, bool is_for_first)
{
    memset(book, 0, sizeof *book);
    memset(book->counts + 1, 1, 16);
    memcpy(book->symbols, symbols, 16);
    book_init(book, is_for_first);
}

/* Every symbol but 0xEF has a code, of `length` or where that is 0 of lengths from 3 to 16. */
static void book_init_full(struct code_book *book, unsigned length, bool is_for_first)
{
    memset(book, 0, sizeof *book);
    for (unsigned i = 0; i < 256; i++)
        book->symbols[i] = (uint8_t)(is_for_first ? i % 16 : i * 17);
    if (length > 0)
        book->counts[length] = is_for_first ? 16 : 255;
    else {
        memset(book->counts + 3, 1, 13);
        book->counts[11] = is_for_first ? 1 : 100;
        book->counts[12] = is_for_first ? 1 : 60;
        book->counts[16] = is_for_first ? 3 : 84;
    }
    book_init(book, is_for_first);
}

static void put_byte(struct stream *stream, unsigned byte)
{
    assert_true(stream->size + 2 < STREAM_BYTES);
    stream->bytes[stream->size++] = (uint8_t)byte;
    if (byte == 0xFF) {
        stream->bytes[stream->size++] = 0;
        stream->stuffed++;
    }
}

static void put_bits(struct stream *stream, unsigned value, unsigned count)
{
    while (count-- > 0) {
        stream->pending = stream->pending << 1 | (value >> count & 1);
        if (++stream->pending_bits == 8) {
            put_byte(stream, stream->pending & 255);
            stream->pending_bits = 0;
        }
    }
}

static void put_marker(struct stream *stream, unsigned marker)
{
    while (stream->pending_bits > 0)
        put_bits(stream, 1, 1);
    stream->bytes[stream->size++] = 0xFF;
    stream->bytes[stream->size++] = (uint8_t)marker;
}

static void put_symbol(struct stream *stream, const struct code_book *book, unsigned symbol)
{
    assert_true(book->lengths[symbol] > 0);
    put_bits(stream, book->codes[symbol], book->lengths[symbol]);
}

/* A value with the zeros before it. */
static void put_value(struct stream *stream, const struct code_book *book, unsigned run, int value)
{
    unsigned size = 0, magnitude = (unsigned)abs(value);
    while (magnitude >> size)
        size++;
    put_symbol(stream, book, run << 4 | size);
    put_bits(stream, (unsigned)(value < 0 ? value + (1 << size) - 1 : value), size);
}

/* Where the coefficients stand in a block: diagonal after diagonal, in turns up and down. */
static unsigned zigzag(unsigned wanted)
{
    unsigned at = 0;
    for (unsigned sum = 0; sum < 15; sum++)
        for (unsigned i = 0; i <= sum; i++) {
            unsigned row = sum % 2 ? i : sum - i, column = sum - row;
            if (row < 8 && column < 8 && at++ == wanted)
                return 8 * row + column;
        }
    return 64;
}

static void put_block(struct stream *stream, const struct code_book *dc, const struct code_book *ac,
                      int *last, const int16_t *block)
{
    put_value(stream, dc, 0, block[0] - *last);
    *last = block[0];
    unsigned run = 0;
    for (unsigned k = 1; k < 64; k++) {
        if (block[zigzag(k)] == 0) {
            run++;
            continue;
        }
        for (; run > 15; run -= 16)
            put_symbol(stream, ac, SIXTEEN_ZEROS);
        put_value(stream, ac, run, block[zigzag(k)]);
        run = 0;
    }
    if (run > 0)
        put_symbol(stream, ac, END_OF_BLOCK);
}

static void stream_begin(struct stream *stream)
{
    uint8_t *bytes = stream->bytes ? stream->bytes : malloc(STREAM_BYTES);
    assert_non_null(bytes);
    *stream = (struct stream){.bytes = bytes};
}

/* A reader of one component in MCUs of one block. */
static void reader_init(struct jpeg_huffman *huffman, struct span scan, unsigned restart_interval,
                        const struct code_book *dc, const struct code_book *ac)
{
    jpeg_huffman_init(scan, restart_interval, huffman);
    huffman->block_count = 1;
    huffman->blocks[0].dc = &dc->table;
    huffman->blocks[0].ac = &ac->table;
    huffman->blocks[0].component = 0;
}

static bool read_block(struct jpeg_huffman *huffman, int16_t *block)
{
    memset(block, 0, 64 * sizeof *block);
    return jpeg_huffman_read(huffman, &block);
}

/* How many blocks of `count` can be read; all of them are what was written. The bytes are copied to
 * where nothing lies behind them. */
static size_t read_blocks(struct span scan, unsigned restart_interval, const struct code_book *dc,
                          const struct code_book *ac, int16_t (*blocks)[64], size_t count)
{
    static struct jpeg_huffman huffman;
    int16_t block[64];
    uint8_t *copy = malloc(scan.size + (scan.size == 0));
    assert_non_null(copy);
    memcpy(copy, scan.data, scan.size);
    reader_init(&huffman, (struct span){copy, scan.size}, restart_interval, dc, ac);
    size_t done = 0;
    while (done < count && read_block(&huffman, block)) {
        if (blocks)
            assert_memory_equal(block, blocks[done], sizeof block);
        done++;
    }
    free(copy);
    return done;
}

static struct span span_of(const struct stream *stream)
{
    return (struct span){stream->bytes, stream->size};
}

/* Written with these codes, the blocks are read again as they were. */
static void check_blocks(const struct code_book *dc, const struct code_book *ac,
                         int16_t (*blocks)[64], size_t count)
{
    struct stream stream = {0};
    int last = 0;
    stream_begin(&stream);
    for (size_t i = 0; i < count; i++)
        put_block(&stream, dc, ac, &last, blocks[i]);
    put_marker(&stream, MARKER_END);
    assert_int_equal(read_blocks(span_of(&stream), 0, dc, ac, blocks, count), count);
    free(stream.bytes);
}

static const uint8_t first_symbols[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const uint8_t other_symbols[16] = {0x01, 0x00, 0x11, 0xF0, 0x02, 0xF1, 0x03, 0xE1,
                                          0x06, 0x07, 0x0A, 0x0B, 0x3C, 0x4D, 0xFE, 0x0F};

static void codes_of_every_length_with_every_size(void **state)
{
    (void)state;
    static struct code_book dc, ac;
    book_init_stairs(&dc, first_symbols, true);
    book_init_stairs(&ac, other_symbols, false);
    for (unsigned size = 0; size < 16; size++)
        for (unsigned place = 0; place < 16; place++) {
            unsigned symbol = other_symbols[place], run = symbol >> 4, bits = symbol & 15;
            if (bits == 0)
                continue;
            int16_t blocks[2][64] = {0};
            blocks[0][0] = (int16_t)(size > 0 ? 1 << (size - 1) : 0);
            blocks[0][zigzag(1 + run)] = (int16_t)(1 << (bits - 1));
            blocks[0][zigzag(2 + run)] = 1;
            blocks[1][zigzag(1 + run)] = (int16_t)(1 - (1 << bits));
            check_blocks(&dc, &ac, blocks, 2);
        }
}

/* More than the entry of a look may have room for, alone and behind another value. */
static void large_values_have_short_codes(void **state)
{
    (void)state;
    static const uint8_t symbols[16] = {0x07, 0x01, 0x08, 0x09, 0x00, 0x06, 0x0A, 0x02,
                                        0x03, 0x04, 0x05, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F};
    static struct code_book dc, ac;
    book_init_stairs(&dc, first_symbols, true);
    book_init_stairs(&ac, symbols, false);
    for (int value = -1023; value < 1024; value += value == -1 ? 2 : 1) {
        int16_t blocks[1][64] = {0};
        blocks[0][zigzag(2)] = blocks[0][zigzag(4)] = (int16_t)value;
        blocks[0][zigzag(1)] = blocks[0][zigzag(3)] = value % 2 ? 1 : -1;
        check_blocks(&dc, &ac, blocks, 1);
    }
}

/* Two values in a look, an end behind them or the next block: wherever the block ends. */
static void short_codes_end_anywhere(void **state)
{
    (void)state;
    static struct code_book dc, ac;
    book_init_stairs(&dc, first_symbols, true);
    book_init_stairs(&ac, other_symbols, false);
    for (unsigned step = 1; step <= 16; step += step == 2 ? 13 : 1)
        for (unsigned end = 1; end <= 64; end++) {
            int16_t blocks[2][64] = {0};
            for (unsigned k = step; k < end; k += step)
                blocks[0][zigzag(k)] = blocks[1][zigzag(k)] = random_below(2) ? 1 : -1;
            check_blocks(&dc, &ac, blocks, 2);
        }
}

static void fill_blocks(int16_t (*blocks)[64], size_t count)
{
    memset(blocks, 0, count * sizeof *blocks);
    for (size_t i = 0; i < count; i++) {
        unsigned left = random_below(65), size = 1 + random_below(10);
        blocks[i][0] = (int16_t)((int)random_below(2048) - 1024);
        while (left-- > 0)
            blocks[i][1 + random_below(63)] =
                (int16_t)((int)random_below(2u << size) - (1 << size));
    }
}

enum { RANDOM_BLOCKS = 500 };

static void put_random_blocks(struct stream *stream, unsigned restart_interval,
                              const struct code_book *dc, const struct code_book *ac,
                              int16_t (*blocks)[64])
{
    int last = 0;
    fill_blocks(blocks, RANDOM_BLOCKS);
    stream_begin(stream);
    for (unsigned i = 0; i < RANDOM_BLOCKS; i++) {
        if (restart_interval > 0 && i > 0 && i % restart_interval == 0) {
            put_marker(stream, 0xD0 + (i / restart_interval - 1) % 8);
            last = 0;
        }
        put_block(stream, dc, ac, &last, blocks[i]);
    }
    put_marker(stream, MARKER_END);
}

static int16_t random_blocks[RANDOM_BLOCKS][64];

/* Short codes, those that no look has room for, and both; with stuffed zeros and restarts. */
static void what_was_written_is_read(void **state)
{
    (void)state;
    static struct code_book dc, ac;
    struct stream stream = {0};
    unsigned stuffed = 0;
    for (unsigned length = 0; length <= 16; length += length ? 1 : 8)
        for (unsigned restart_interval = 0; restart_interval < 5; restart_interval++) {
            book_init_full(&dc, length, true);
            book_init_full(&ac, length, false);
            put_random_blocks(&stream, restart_interval, &dc, &ac, random_blocks);
            assert_true(stream.size > 2 * JPEG_HUFFMAN_PIECE_BYTES);
            stuffed += stream.stuffed;
            assert_int_equal(read_blocks(span_of(&stream), restart_interval, &dc, &ac,
                                         random_blocks, RANDOM_BLOCKS),
                             RANDOM_BLOCKS);
        }
    assert_true(stuffed > 1000);
    free(stream.bytes);
}

/* Up to where the data end the blocks are right, then there are none. */
static void cut_off_data_are_refused(void **state)
{
    (void)state;
    static struct code_book dc, ac;
    struct stream stream = {0};
    book_init_full(&dc, 0, true);
    book_init_full(&ac, 0, false);
    put_random_blocks(&stream, 0, &dc, &ac, random_blocks);
    size_t before = 0;
    for (size_t size = 0; size < stream.size; size += 1 + size / 64) {
        size_t done = read_blocks((struct span){stream.bytes, size}, 0, &dc, &ac, random_blocks,
                                  RANDOM_BLOCKS);
        assert_in_range(done, before, RANDOM_BLOCKS - 1);
        before = done;
    }
    assert_true(before > RANDOM_BLOCKS / 2);
    free(stream.bytes);
}

/* The same with a marker behind it: of what the zeros behind it would mean nothing is read. */
static void a_marker_too_early_is_refused(void **state)
{
    (void)state;
    static struct code_book dc, ac;
    struct stream stream = {0};
    book_init_full(&dc, 0, true);
    book_init_full(&ac, 0, false);
    put_random_blocks(&stream, 0, &dc, &ac, random_blocks);
    size_t before = 0;
    for (size_t size = stream.size - 3; size > 2; size -= 1 + size / 64) {
        if (stream.bytes[size - 1] == 0xFF)
            continue;
        stream.bytes[size] = 0xFF;
        stream.bytes[size + 1] = MARKER_END;
        size_t done = read_blocks((struct span){stream.bytes, size + 2}, 0, &dc, &ac, random_blocks,
                                  RANDOM_BLOCKS);
        assert_true(done < RANDOM_BLOCKS && (before == 0 || done <= before));
        before = done;
    }
    free(stream.bytes);
}

/* Blocks of 1009 bits, all zero, in MCUs of ten, which are longer than the margin behind a piece.
 * Whatever lies behind it would be read on as blocks as long, to where a sanitizer sees it. */
static void an_mcu_does_not_read_far_behind_a_marker(void **state)
{
    (void)state;
    enum { BLOCKS = 10, MCU_BITS = BLOCKS * 1009 };
    static const uint8_t no_difference[16] = {0};
    static struct code_book dc, ac;
    uint8_t large[16];
    memset(large, 0x0F, sizeof large);
    book_init_stairs(&dc, no_difference, true);
    book_init_stairs(&ac, large, false);
    int16_t blocks[BLOCKS][64], *pointers[BLOCKS];
    for (size_t size = JPEG_HUFFMAN_PIECE_BYTES - 8; size <= JPEG_HUFFMAN_PIECE_BYTES; size++) {
        struct jpeg_huffman *huffman = malloc(sizeof *huffman);
        uint8_t *scan = calloc(size + 2, 1);
        assert_true(huffman && scan);
        memcpy(scan + size, (const uint8_t[]){0xFF, MARKER_END}, 2);
        reader_init(huffman, (struct span){scan, size + 2}, 0, &dc, &ac);
        for (unsigned i = 0; i < BLOCKS; i++) {
            huffman->blocks[i] = huffman->blocks[0];
            pointers[i] = blocks[i];
        }
        huffman->block_count = BLOCKS;
        size_t done = 0;
        while (jpeg_huffman_read(huffman, pointers))
            done++;
        assert_int_equal(done, 8 * size / MCU_BITS);
        free(scan);
        free(huffman);
    }
}

static void what_is_no_code_is_refused(void **state)
{
    (void)state;
    static struct code_book dc, ac, all_ends = {.counts = {0, 2}};
    book_init(&all_ends, false);
    struct stream stream = {0};
    for (unsigned length = 8; length <= 16; length++) {
        book_init_full(&dc, length, true);
        book_init_full(&ac, length, false);
        stream_begin(&stream);
        put_bits(&stream, 0xFFFF, 16);
        put_marker(&stream, MARKER_END);
        assert_int_equal(read_blocks(span_of(&stream), 0, &dc, &ac, NULL, 1), 0);
        assert_int_equal(read_blocks(span_of(&stream), 0, &dc, &all_ends, NULL, 1), 0);
        stream_begin(&stream);
        put_value(&stream, &dc, 0, 5);
        put_value(&stream, &ac, 0, 1);
        put_bits(&stream, 0xFFFF, 16);
        put_marker(&stream, MARKER_END);
        assert_int_equal(read_blocks(span_of(&stream), 0, &dc, &ac, NULL, 1), 0);
    }
    free(stream.bytes);
}

/* Zeros and a value from coefficient 1 on: `sixteens` of sixteen zeros, then `run` and a one. */
static size_t read_runs(const struct code_book *dc, const struct code_book *ac, unsigned sixteens,
                        unsigned run, bool has_value, bool has_one_first)
{
    int16_t blocks[1][64] = {0};
    struct stream stream = {0};
    stream_begin(&stream);
    put_value(&stream, dc, 0, 0);
    unsigned k = 1 + 16 * sixteens + run + has_one_first;
    if (has_one_first) {
        put_value(&stream, ac, 0, 1);
        blocks[0][zigzag(1)] = 1;
    }
    for (unsigned i = 0; i < sixteens; i++)
        put_symbol(&stream, ac, SIXTEEN_ZEROS);
    if (has_value)
        put_value(&stream, ac, run, 1);
    if (has_value && k < 64)
        blocks[0][zigzag(k)] = 1;
    if (k + has_value != 64)
        put_symbol(&stream, ac, END_OF_BLOCK);
    put_marker(&stream, MARKER_END);
    size_t done = read_blocks(span_of(&stream), 0, dc, ac, blocks, 1);
    free(stream.bytes);
    return done;
}

static void runs_end_with_the_block(void **state)
{
    (void)state;
    static struct code_book dc, ac;
    for (unsigned length = 0; length <= 16; length += length ? 4 : 8) {
        book_init_full(&dc, length, true);
        book_init_full(&ac, length, false);
        for (unsigned first = 0; first < 2; first++) {
            for (unsigned sixteens = 0; sixteens < 8; sixteens++)
                for (unsigned run = 0; run < 16; run++)
                    assert_int_equal(read_runs(&dc, &ac, sixteens, run, true, first),
                                     1 + first + 16 * sixteens + run < 64);
            for (unsigned sixteens = 0; sixteens < 8; sixteens++)
                assert_int_equal(read_runs(&dc, &ac, sixteens, 0, false, first), sixteens < 4);
        }
    }
}

/* A value behind the block, and an end within the same look. */
static void an_end_behind_the_block_is_refused(void **state)
{
    (void)state;
    static const uint8_t symbols[16] = {0xE1, 0x00, 0xF0, 0x01, 0x02, 0x03, 0x04, 0x05,
                                        0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D};
    static struct code_book dc, ac;
    book_init_stairs(&dc, first_symbols, true);
    book_init_stairs(&ac, symbols, false);
    assert_int_equal(read_runs(&dc, &ac, 3, 14, true, false), 1);
    assert_int_equal(read_runs(&dc, &ac, 3, 14, true, true), 0);
}

/* Sixteen zeros may be the block's last; there is no end of block then. */
static void zeros_may_be_the_last(void **state)
{
    (void)state;
    static struct code_book dc, ac;
    int16_t blocks[1][64] = {0};
    struct stream stream = {0};
    blocks[0][zigzag(15)] = -3;
    for (unsigned length = 8; length <= 16; length += 8) {
        book_init_full(&dc, length, true);
        book_init_full(&ac, length, false);
        stream_begin(&stream);
        put_value(&stream, &dc, 0, 0);
        put_value(&stream, &ac, 14, -3);
        for (unsigned i = 0; i < 3; i++)
            put_symbol(&stream, &ac, SIXTEEN_ZEROS);
        put_marker(&stream, MARKER_END);
        assert_int_equal(read_blocks(span_of(&stream), 0, &dc, &ac, blocks, 1), 1);
    }
    free(stream.bytes);
}

static void a_first_value_has_to_fit(void **state)
{
    (void)state;
    static struct code_book dc, ac;
    struct stream stream = {0};
    book_init_full(&dc, 8, true);
    book_init_full(&ac, 8, false);
    for (int sign = -1; sign <= 1; sign += 2) {
        stream_begin(&stream);
        for (int i = 0; i < 3; i++) {
            put_value(&stream, &dc, 0, sign * 16383);
            put_symbol(&stream, &ac, END_OF_BLOCK);
        }
        put_marker(&stream, MARKER_END);
        assert_int_equal(read_blocks(span_of(&stream), 0, &dc, &ac, NULL, 3), 2);
    }
    free(stream.bytes);
}

/* Three MCUs of one block, a restart after each; what stands before and in the first marker. */
static size_t read_restarts(unsigned junk_bytes, unsigned first_marker, bool has_marker)
{
    static struct code_book dc, ac;
    struct stream stream = {0};
    book_init_full(&dc, 8, true);
    book_init_full(&ac, 8, false);
    stream_begin(&stream);
    for (unsigned i = 0; i < 3; i++) {
        put_value(&stream, &dc, 0, 1);
        put_symbol(&stream, &ac, END_OF_BLOCK);
        for (unsigned junk = 0; i == 0 && junk < junk_bytes; junk++)
            put_bits(&stream, 0, 8);
        if (i > 0 || has_marker)
            put_marker(&stream, i == 0 ? first_marker : i == 1 ? 0xD1 : MARKER_END);
    }
    size_t done = read_blocks(span_of(&stream), 1, &dc, &ac, NULL, 3);
    free(stream.bytes);
    return done;
}

static void a_restart_is_where_and_what_it_should_be(void **state)
{
    (void)state;
    assert_int_equal(read_restarts(0, 0xD0, true), 3);
    assert_int_equal(read_restarts(1, 0xD0, true), 1);
    assert_int_equal(read_restarts(300, 0xD0, true), 1);
    assert_int_equal(read_restarts(0, 0xD0, false), 1);
    for (unsigned marker = 0xC0; marker < 0x100; marker++)
        assert_int_equal(read_restarts(0, marker, true), marker == 0xD0 ? 3 : 1);
}

static void tables_that_are_no_code(void **state)
{
    (void)state;
    static struct jpeg_huffman_table table;
    static const uint8_t symbols[256] = {0};
    for (unsigned length = 1; length <= 8; length++) {
        uint8_t counts[17] = {0};
        counts[length] = (uint8_t)((1u << length) - 1);
        assert_true(jpeg_huffman_table_init(counts, symbols, false, &table));
        if (length < 8)
            counts[length + 1] = 3;
        else
            counts[16] = 2;
        assert_false(jpeg_huffman_table_init(counts, symbols, false, &table));
    }
    uint8_t counts[17] = {0};
    counts[15] = 200;
    counts[16] = 57;
    assert_false(jpeg_huffman_table_init(counts, symbols, true, &table));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_of_every_length_with_every_size),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(cut_off_data_are_refused),
        cmocka_unit_test(a_marker_too_early_is_refused),
        cmocka_unit_test(what_is_no_code_is_refused),
        cmocka_unit_test(runs_end_with_the_block),
        cmocka_unit_test(an_end_behind_the_block_is_refused),
        cmocka_unit_test(large_values_have_short_codes),
        cmocka_unit_test(short_codes_end_anywhere),
        cmocka_unit_test(an_mcu_does_not_read_far_behind_a_marker),
        cmocka_unit_test(zeros_may_be_the_last),
        cmocka_unit_test(a_first_value_has_to_fit),
        cmocka_unit_test(a_restart_is_where_and_what_it_should_be),
        cmocka_unit_test(tables_that_are_no_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
