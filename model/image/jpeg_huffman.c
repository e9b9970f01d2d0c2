#include "model/image/jpeg_huffman.h"

#include <string.h>

#define LOOK_BITS JPEG_HUFFMAN_LOOK_BITS

/* An entry of a table's look: bits that are used up in 0..5, zero coefficients before the value in
 * 8..15, the value in 16..31; and where a second value lies within the look too, what it adds: its
 * zero coefficients in 32..39, a one in 40, the bits that it uses in 41..46, the value in 48..63.
 */
#define ENTRY(used, run, value) ((uint64_t)(used) | (uint64_t)(run) << 8 | (uint64_t)(value) << 16)
#define SECOND(used, run, value)                                                                   \
    ((uint64_t)(used) | (uint64_t)(run) << 32 | (uint64_t)((run) != RUN_END) << 40 |               \
     (uint64_t)(used) << 41 | (uint64_t)(value) << 48)

/* Runs that are none: the rest of the block is zero; the value does not lie within the look, and
 * the entry has the code's length and symbol, or a length of 0 where the code does not either. */
enum { RUN_END = 128, RUN_OPEN = 255 };

/* So many looks lie within the bits of one refill, and any one value does. */
enum { REFILL_BITS = 56, LOOKS_EACH = REFILL_BITS / LOOK_BITS };

static const uint8_t natural_order[JPEG_HUFFMAN_BLOCK] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

/* The number that `size` bits behind a code stand for. */
static int extended(unsigned bits, unsigned size)
{
    return size > 0 && bits < 1u << (size - 1) ? (int)bits - (1 << size) + 1 : (int)bits;
}

static unsigned run_of(unsigned symbol)
{
    return symbol == 0xF0 || (symbol & 15) > 0 ? symbol >> 4 : (unsigned)RUN_END;
}

/* All entries of the look that begin with `code`. */
static void fill_look(unsigned code, unsigned length, unsigned symbol, uint64_t *look)
{
    unsigned size = symbol & 15, free_bits = LOOK_BITS - length;
    uint64_t *at = look + ((size_t)code << free_bits);
    if (size > free_bits) {
        for (unsigned i = 0; i < 1u << free_bits; i++)
            at[i] = ENTRY(length, RUN_OPEN, symbol);
        return;
    }
    for (unsigned value = 0; value < 1u << size; value++) {
        uint64_t entry =
            ENTRY(length + size, run_of(symbol), (uint16_t)(int16_t)extended(value, size));
        for (unsigned i = 0; i < 1u << (free_bits - size); i++)
            *at++ = entry;
    }
}

static unsigned used_in(uint64_t entry)
{
    return entry & 63;
}

static unsigned run_in(uint64_t entry)
{
    return entry >> 8 & 255;
}

static int16_t value_in(uint64_t entry)
{
    return (int16_t)(entry >> 16);
}

/* Where both a value and the next lie within the look, one look finds both. */
static void add_seconds(uint64_t *look)
{
    const unsigned mask = (1u << LOOK_BITS) - 1;
    uint64_t single[1 << LOOK_BITS];
    memcpy(single, look, sizeof single);
    for (unsigned i = 0; i <= mask; i++) {
        uint64_t first = single[i], second = single[i << used_in(first) & mask];
        unsigned used = used_in(first) + used_in(second);
        if (run_in(first) >= RUN_END || run_in(second) == RUN_OPEN || used > LOOK_BITS)
            continue;
        look[i] = first + SECOND(used_in(second), run_in(second), (uint16_t)value_in(second));
    }
}

bool jpeg_huffman_table_init(const uint8_t *counts, const uint8_t *symbols, bool is_for_first,
                             struct jpeg_huffman_table *table)
{
    memcpy(table->symbols, symbols, sizeof table->symbols);
    for (unsigned i = 0; i < 1u << LOOK_BITS; i++)
        table->look[i] = ENTRY(0, RUN_OPEN, 0);
    unsigned code = 0, place = 0;
    for (unsigned length = 1; length <= 16; length++, code <<= 1) {
        if (place + counts[length] > 256 || code + counts[length] > 1u << length)
            return false;
        table->offsets[length] = (int32_t)place - (int32_t)code;
        for (unsigned i = 0; i < counts[length]; i++, code++, place++)
            if (length <= LOOK_BITS)
                fill_look(code, length, symbols[place], table->look);
        table->limits[length] = code << (16 - length);
    }
    if (!is_for_first)
        add_seconds(table->look);
    return true;
}

void jpeg_huffman_init(struct span scan, unsigned restart_interval, struct jpeg_huffman *huffman)
{
    struct jpeg_huffman_input *input = &huffman->input;
    input->rest = scan;
    input->is_at_marker = false;
    input->bits = 0;
    input->count = 0;
    input->next = input->end = 0;
    huffman->restart_interval = huffman->until_restart = restart_interval;
    huffman->next_restart = 0;
    memset(huffman->dc_values, 0, sizeof huffman->dc_values);
}

static bool has_byte_ff(uint64_t bytes)
{
    return (bytes & ~(bytes + 0x0101010101010101u) & 0x8080808080808080u) != 0;
}

/* The scan's next byte to the piece. False where it ends without a marker. */
static bool copy_byte(struct jpeg_huffman_input *input)
{
    const uint8_t *from = input->rest.data;
    size_t taken = input->rest.size > 0 && from[0] == 0xFF ? 2 : 1;
    if (input->rest.size < taken)
        return false;
    input->is_at_marker = taken == 2 && from[1] != 0;
    if (input->is_at_marker)
        return true;
    input->piece[input->end++] = from[0];
    input->rest = (struct span){from + taken, input->rest.size - taken};
    return true;
}

/* Moves the piece on. Behind a marker follow zeros, to be read ahead but not used. The end of the
 * file is for libjpeg to judge, which reads ahead too. */
static __attribute__((noinline)) bool move_piece(struct jpeg_huffman_input *input)
{
    input->end -= input->next;
    memmove(input->piece, input->piece + input->next, input->end);
    input->next = 0;
    while (input->end + sizeof(uint64_t) <= JPEG_HUFFMAN_PIECE_BYTES && !input->is_at_marker) {
        uint64_t bytes = UINT64_MAX;
        if (input->rest.size >= sizeof bytes)
            memcpy(&bytes, input->rest.data, sizeof bytes);
        if (has_byte_ff(bytes)) {
            if (!copy_byte(input))
                return false;
            continue;
        }
        memcpy(input->piece + input->end, &bytes, sizeof bytes);
        input->end += sizeof bytes;
        input->rest =
            (struct span){input->rest.data + sizeof bytes, input->rest.size - sizeof bytes};
    }
    memset(input->piece + input->end, 0, sizeof input->piece - input->end);
    return true;
}

/* That a block can be read without a look at where the piece ends. */
static inline bool has_block(struct jpeg_huffman_input *input)
{
    return input->end >= input->next + JPEG_HUFFMAN_MARGIN_BYTES || input->is_at_marker ||
           move_piece(input);
}

/* The part of the input that the loops work on. */
struct bits {
    const uint8_t *next;
    uint64_t bits;
    unsigned count;
};

/* To at least REFILL_BITS. The last byte may go in in part; it is read again, to the same place. */
static inline void refill(struct bits *bits)
{
    uint64_t bytes;
    memcpy(&bytes, bits->next, sizeof bytes);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    bits->bits |= bytes >> bits->count;
    bits->next += (63 - bits->count) >> 3;
    bits->count |= REFILL_BITS;
}

/* What an entry says is used: its lowest six bits alone are what a CPU shifts by, so that nothing
 * else stands between one look and the next. */
static inline void use(struct bits *bits, uint64_t entry)
{
    bits->bits <<= entry & 63;
    bits->count -= entry & 63;
}

static inline uint64_t look(const struct jpeg_huffman_table *table, uint64_t bits)
{
    return table->look[bits >> (64 - LOOK_BITS)];
}

/* The entry for what the look has no room for. Nothing is used where the bits are no code. */
static __attribute__((noinline)) uint64_t read_open(const struct jpeg_huffman_table *table,
                                                    uint64_t bits)
{
    uint64_t entry = look(table, bits);
    unsigned length = used_in(entry), symbol = (unsigned)value_in(entry);
    if (length == 0) {
        unsigned peek = (unsigned)(bits >> 48);
        length = LOOK_BITS + 1;
        while (length <= 16 && peek >= table->limits[length])
            length++;
        if (length > 16)
            return 0;
        symbol = table->symbols[(int32_t)(peek >> (16 - length)) + table->offsets[length]];
    }
    unsigned size = symbol & 15;
    unsigned extra = size > 0 ? (unsigned)(bits << length >> (64 - size)) : 0;
    return ENTRY(length + size, run_of(symbol), (uint16_t)(int16_t)extended(extra, size));
}

static inline uint64_t peek(const struct bits *bits, const struct jpeg_huffman_table *table)
{
    uint64_t entry = look(table, bits->bits);
    return run_in(entry) == RUN_OPEN ? read_open(table, bits->bits) : entry;
}

/* Writes what an entry holds from coefficient `k` on, uses it and counts on: to 64 or RUN_END and
 * more at the block's end; something else above 63 where it does not end well. Where there is no
 * second value, the next coefficient becomes the zero that it is. */
static inline unsigned put(struct bits *bits, uint64_t entry, unsigned k, int16_t *block)
{
    int16_t nowhere = 0;
    k += run_in(entry);
    if (k >= JPEG_HUFFMAN_BLOCK - 1) {
        /* The last coefficient; a second value is the next block's. */
        use(bits, used_in(entry) - (k < RUN_END ? (unsigned)(entry >> 41 & 63) : 0));
        block[JPEG_HUFFMAN_BLOCK - 1] = value_in(entry);
        return k + 1;
    }
    use(bits, entry);
    block[natural_order[k]] = value_in(entry);
    k += 1 + (unsigned)(entry >> 32 & 255);
    int16_t *second = k < JPEG_HUFFMAN_BLOCK ? &block[natural_order[k]] : &nowhere;
    *second = (int16_t)(entry >> 48);
    return k + (unsigned)(entry >> 40 & 1);
}

/* The 63 coefficients behind the first. */
static inline bool read_rest(struct bits *bits, const struct jpeg_huffman_table *table,
                             int16_t *block)
{
    unsigned k = 1;
    while (k < JPEG_HUFFMAN_BLOCK) {
        refill(bits);
        uint64_t entry = peek(bits, table);
        unsigned used = used_in(entry), looks = used > LOOK_BITS ? 1 : LOOKS_EACH;
        if (used == 0)
            return false;
        k = put(bits, entry, k, block);
        for (unsigned i = 1; i < looks && k < JPEG_HUFFMAN_BLOCK; i++) {
            entry = look(table, bits->bits);
            if (run_in(entry) == RUN_OPEN)
                break;
            k = put(bits, entry, k, block);
        }
    }
    return k == JPEG_HUFFMAN_BLOCK || k > RUN_END;
}

static inline bool read_first(struct bits *bits, const struct jpeg_huffman_table *table,
                              int *dc_value, int16_t *block)
{
    refill(bits);
    uint64_t entry = peek(bits, table);
    use(bits, entry);
    *dc_value += value_in(entry);
    block[0] = (int16_t)*dc_value;
    /* A sum that does not fit is no picture. */
    return used_in(entry) > 0 && *dc_value == block[0];
}

/* Nothing but padding may stand before the marker. */
static bool restart(struct jpeg_huffman *huffman)
{
    struct jpeg_huffman_input *input = &huffman->input;
    if (!has_block(input) || 8 * (input->end - input->next) + input->count > 7 ||
        !span_has(input->rest, 1, (const uint8_t[]){(uint8_t)(0xD0 + huffman->next_restart)}, 1))
        return false;
    struct span rest = {input->rest.data + 2, input->rest.size - 2};
    unsigned next = (huffman->next_restart + 1) % 8;
    jpeg_huffman_init(rest, huffman->restart_interval, huffman);
    huffman->next_restart = next;
    return true;
}

bool jpeg_huffman_read(struct jpeg_huffman *huffman, int16_t *const *blocks)
{
    struct jpeg_huffman_input *input = &huffman->input;
    if (huffman->restart_interval > 0 && huffman->until_restart == 0 && !restart(huffman))
        return false;
    for (unsigned i = 0; i < huffman->block_count; i++) {
        if (!has_block(input))
            return false;
        struct bits bits = {input->piece + input->next, input->bits, input->count};
        if (!read_first(&bits, huffman->blocks[i].dc,
                        &huffman->dc_values[huffman->blocks[i].component], blocks[i]) ||
            !read_rest(&bits, huffman->blocks[i].ac, blocks[i]))
            return false;
        input->next = (size_t)(bits.next - input->piece);
        input->bits = bits.bits;
        input->count = bits.count;
        if (8 * input->next > 8 * input->end + input->count)
            return false;
    }
    huffman->until_restart--;
    return true;
}
