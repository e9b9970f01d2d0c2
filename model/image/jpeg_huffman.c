#include "model/image/jpeg_huffman.h"

#include <string.h>

#define LOOK_BITS JPEG_HUFFMAN_LOOK_BITS

/* An entry of a table's look: up to two values, each with the zero coefficients before it. Where
 * there is no second, it goes to the first one's place, before the first. Tables of twice the size,
 * of longer entries or more of them, cost more by leaving the first cache than they gain. */
enum {
    USED = 0,          /* 6 bits, what a CPU shifts by: bits that are used up */
    END = 6,           /* the rest of the block is zero, behind the values or none */
    OPEN = 7,          /* the entry has no room for its value; SECOND_VALUE is the value's bits.
                        * Where the code does not lie within the look either, nothing is used */
    RUN = 8,           /* 4 bits: zero coefficients before the value */
    SECOND = 12,       /* 4 bits: how far behind the first value the second is; 0: there is none */
    SECOND_VALUE = 16, /* 8 bits, signed */
    VALUE = 24         /* 8 bits, signed */
};

/* The bits of a refill are enough for a block's first look and these, or for any one value. */
enum { REFILL_BITS = 56, LOOKS_EACH = REFILL_BITS / LOOK_BITS - 1 };

/* Behind the last come those that a run could reach from there. */
static const uint8_t natural_order[JPEG_HUFFMAN_BLOCK + 32] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48, 41, 34,
    27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63, 63, 63, 63, 63, 63, 63, 63, 63,
    63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63};

/* The number that `size` bits behind a code stand for. */
static int extended(unsigned bits, unsigned size)
{
    return size > 0 && bits < 1u << (size - 1) ? (int)bits - (1 << size) + 1 : (int)bits;
}

static bool is_end(unsigned symbol)
{
    return (symbol & 15) == 0 && symbol != 0xF0;
}

static uint32_t entry_of(unsigned used, unsigned symbol, int value)
{
    if (is_end(symbol))
        return used << USED | 1u << END;
    return used << USED | symbol >> 4 << RUN | (uint32_t)value << VALUE;
}

static uint32_t open_entry(unsigned length, unsigned symbol)
{
    unsigned size = symbol & 15;
    if (is_end(symbol))
        return entry_of(length, symbol, 0);
    return (length + size) << USED | 1u << OPEN | symbol >> 4 << RUN | size << SECOND_VALUE;
}

static inline unsigned used_in(uint32_t entry)
{
    return entry & 63;
}

static inline bool is_open(uint32_t entry)
{
    return (entry >> OPEN & 1) != 0;
}

static inline bool is_end_in(uint32_t entry)
{
    return (entry >> END & 1) != 0;
}

static inline unsigned run_in(uint32_t entry)
{
    return entry >> RUN & 15;
}

static inline unsigned second_in(uint32_t entry)
{
    return entry >> SECOND & 15;
}

/* By way of int8_t, which a CPU takes from a byte of a register at once: by shifts image_prepare
 * takes 2 % longer. */
static inline int16_t value_in(uint32_t entry)
{
    int8_t value = (int8_t)(entry >> VALUE);
    /* NOLINTNEXTLINE(bugprone-signed-char-misuse,cert-str34-c): a number, no character */
    return value;
}

static inline int16_t second_value_in(uint32_t entry)
{
    int8_t value = (int8_t)(entry >> SECOND_VALUE);
    /* NOLINTNEXTLINE(bugprone-signed-char-misuse,cert-str34-c): a number, no character */
    return value;
}

/* All entries of the look that begin with `code`. */
static void fill_look(unsigned code, unsigned length, unsigned symbol, uint32_t *look)
{
    enum { MAX_SIZE = 7 }; /* of a value that an entry has room for */
    unsigned size = symbol & 15, free_bits = LOOK_BITS - length;
    uint32_t *at = look + ((size_t)code << free_bits);
    if (size > free_bits || size > MAX_SIZE) {
        for (unsigned i = 0; i < 1u << free_bits; i++)
            at[i] = open_entry(length, symbol);
        return;
    }
    for (unsigned value = 0; value < 1u << size; value++) {
        uint32_t entry = entry_of(length + size, symbol, extended(value, size));
        for (unsigned i = 0; i < 1u << (free_bits - size); i++)
            *at++ = entry;
    }
}

/* Adds what lies within the look behind the first value: a second one, then maybe an end. */
static void add_more(uint32_t *look)
{
    const unsigned mask = (1u << LOOK_BITS) - 1;
    uint32_t single[1 << LOOK_BITS];
    memcpy(single, look, sizeof single);
    for (unsigned i = 0; i <= mask; i++) {
        uint32_t entry = single[i];
        while (!is_open(entry) && !is_end_in(entry)) {
            uint32_t more = single[i << used_in(entry) & mask];
            bool has_room = is_end_in(more) || (second_in(entry) == 0 && run_in(more) < 15);
            if (is_open(more) || used_in(entry) + used_in(more) > LOOK_BITS || !has_room)
                break;
            entry += used_in(more) << USED;
            entry |= is_end_in(more) ? 1u << END
                                     : (run_in(more) + 1) << SECOND | more >> VALUE << SECOND_VALUE;
        }
        look[i] = entry;
    }
}

bool jpeg_huffman_table_init(const uint8_t *counts, const uint8_t *symbols, bool is_for_first,
                             struct jpeg_huffman_table *table)
{
    memcpy(table->symbols, symbols, sizeof table->symbols);
    for (unsigned i = 0; i < 1u << LOOK_BITS; i++)
        table->look[i] = 1u << OPEN;
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
        add_more(table->look);
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

/* Moves the piece on. Behind a marker follow zeros, to be read ahead but not used. The end of the
 * file is for libjpeg to judge, which reads ahead too. */
static bool move_piece(struct jpeg_huffman_input *input)
{
    input->end -= input->next;
    memmove(input->piece, input->piece + input->next, input->end);
    input->next = 0;
    while (input->end < JPEG_HUFFMAN_PIECE_BYTES && !input->is_at_marker) {
        const uint8_t *from = input->rest.data;
        size_t room = JPEG_HUFFMAN_PIECE_BYTES - input->end, left = input->rest.size;
        size_t most = left < room ? left : room;
        const uint8_t *stuffed = most > 0 ? memchr(from, 0xFF, most) : NULL;
        size_t count = stuffed ? (size_t)(stuffed - from) : most, taken = count;
        if (most == 0 || (stuffed && left - count < 2))
            return false;
        if (stuffed && from[count + 1] == 0) {
            count++;
            taken += 2;
        } else if (stuffed)
            input->is_at_marker = true;
        memcpy(input->piece + input->end, from, count);
        input->end += count;
        input->rest = (struct span){from + taken, left - taken};
    }
    memset(input->piece + input->end, 0, sizeof input->piece - input->end);
    return true;
}

/* That a block can be read without a look at where the piece ends. */
static bool fill_piece(struct jpeg_huffman_input *input)
{
    return input->end >= input->next + JPEG_HUFFMAN_MARGIN_BYTES || input->is_at_marker ||
           move_piece(input);
}

/* The part of the input that the loops work on. */
struct bits {
    const uint8_t *next;
    uint64_t bits;
    uint64_t count; /* its lowest six bits */
};

/* To at least REFILL_BITS. The last byte may go in in part; it is read again, to the same place. */
static inline void refill(struct bits *bits)
{
    uint64_t bytes;
    memcpy(&bytes, bits->next, sizeof bytes);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    bits->bits |= bytes >> (bits->count & 63);
    bits->next += ~bits->count >> 3 & 7;
    bits->count |= REFILL_BITS;
}

/* What an entry says is used: its lowest six bits alone count, so that nothing else stands between
 * one look and the next. */
static inline void use(struct bits *bits, uint32_t entry)
{
    bits->bits <<= entry & 63;
    bits->count -= entry;
}

static inline uint32_t look(const struct jpeg_huffman_table *table, const struct bits *bits)
{
    return table->look[bits->bits >> (64 - LOOK_BITS)];
}

/* An entry that is open or an end, for the code that the bits begin with, which has at least
 * `length` of them; 0 where they are no code. */
static __attribute__((noinline)) uint32_t find_code(const struct jpeg_huffman_table *table,
                                                    unsigned length, uint64_t bits)
{
    unsigned peek = (unsigned)(bits >> 48);
    while (length <= 16 && peek >= table->limits[length])
        length++;
    if (length > 16)
        return 0;
    return open_entry(length,
                      table->symbols[(int32_t)(peek >> (16 - length)) + table->offsets[length]]);
}

/* The value of an open entry, at the end of the bits that it uses. */
static inline int open_value(uint32_t entry, uint64_t bits)
{
    unsigned size = entry >> SECOND_VALUE & 15;
    return extended((unsigned)(bits >> (64 - used_in(entry))) & ((1u << size) - 1), size);
}

enum { WELL = JPEG_HUFFMAN_BLOCK, NOT_WELL };

/* Reads the value at coefficient `k` for which a look has no room. `entry` is what the look found,
 * not yet used. Returns the next coefficient; 64 where the block has ended well, more where it has
 * not. */
static inline unsigned read_open(struct bits *bits, const struct jpeg_huffman_table *table,
                                 uint32_t entry, unsigned k, int16_t *block)
{
    refill(bits);
    if (used_in(entry) == 0)
        entry = find_code(table, 1, bits->bits);
    if (is_open(entry)) {
        k += run_in(entry);
        block[natural_order[k]] = (int16_t)open_value(entry, bits->bits);
        use(bits, entry);
        return k + 1;
    }
    use(bits, entry);
    return entry > 0 ? WELL : NOT_WELL;
}

/* The 63 coefficients behind the first; there are bits enough for the first looks. Both values of a
 * look are written before it is known where the block ends: until then the last coefficient, where
 * natural_order puts all that is behind, is zero, and a block that goes on behind it is none. */
static inline bool read_rest(struct bits *bits, const struct jpeg_huffman_table *table,
                             int16_t *block)
{
    enum { LAST = JPEG_HUFFMAN_BLOCK - 1 };
    for (unsigned k = 1;; refill(bits)) {
/* Unrolled it takes 3 % longer. */
#pragma GCC unroll 1
        for (unsigned i = 0; i < LOOKS_EACH; i++) {
            uint32_t entry = look(table, bits);
            unsigned first = k + run_in(entry), last = first + second_in(entry);
            block[natural_order[last]] = second_value_in(entry);
            block[natural_order[first]] = value_in(entry);
            if (is_open(entry)) {
                k = read_open(bits, table, entry, k, block);
                if (k >= JPEG_HUFFMAN_BLOCK)
                    return k == WELL;
                break;
            }
            /* Ends are hard to foresee: this one is known before `last` is. */
            if (is_end_in(entry) && last < LAST) {
                use(bits, entry);
                return true;
            }
            if (last >= LAST) {
                if (last == LAST && !is_end_in(entry)) {
                    use(bits, entry);
                    return true;
                }
                /* A code at a time: what is behind the last coefficient is the next block's. */
                k = read_open(bits, table, 0, k, block);
                if (k >= JPEG_HUFFMAN_BLOCK)
                    return k == WELL;
                break;
            }
            use(bits, entry);
            k = last + 1;
        }
    }
}

static inline bool read_first(struct bits *bits, const struct jpeg_huffman_table *table,
                              int *dc_value, int16_t *block)
{
    refill(bits);
    uint32_t entry = look(table, bits);
    bool was_open = is_open(entry);
    int value = value_in(entry);
    if (was_open) {
        if (used_in(entry) == 0)
            entry = find_code(table, LOOK_BITS + 1, bits->bits);
        if (entry == 0)
            return false;
        value = open_value(entry, bits->bits);
    }
    use(bits, entry);
    if (was_open)
        refill(bits);
    *dc_value += value;
    block[0] = (int16_t)*dc_value;
    /* A sum that does not fit is no picture. */
    return *dc_value == block[0];
}

/* Nothing but padding may stand before the marker. */
static bool restart(struct jpeg_huffman *huffman)
{
    struct jpeg_huffman_input *input = &huffman->input;
    if (!fill_piece(input) || 8 * (input->end - input->next) + input->count > 7 ||
        !span_has(input->rest, 1, (const uint8_t[]){(uint8_t)(0xD0 + huffman->next_restart)}, 1))
        return false;
    struct span rest = {input->rest.data + 2, input->rest.size - 2};
    unsigned next = (huffman->next_restart + 1) % 8;
    jpeg_huffman_init(rest, huffman->restart_interval, huffman);
    huffman->next_restart = next;
    return true;
}

/* Takes the loops' part out of the input, or puts it back. */
static inline struct bits bits_of(const struct jpeg_huffman_input *input)
{
    return (struct bits){input->piece + input->next, input->bits, input->count};
}

static inline void put_back(struct bits bits, struct jpeg_huffman_input *input)
{
    input->next = (size_t)(bits.next - input->piece);
    input->bits = bits.bits;
    input->count = bits.count & 63;
}

/* That no more was used than is there. */
static bool is_inside(const struct jpeg_huffman_input *input)
{
    return 8 * input->next <= 8 * input->end + input->count;
}

bool jpeg_huffman_read(struct jpeg_huffman *huffman, int16_t *const *blocks)
{
    struct jpeg_huffman_input *input = &huffman->input;
    if (huffman->restart_interval > 0 && huffman->until_restart == 0 && !restart(huffman))
        return false;
    struct bits bits = bits_of(input);
    for (unsigned i = 0; i < huffman->block_count; i++) {
        if ((size_t)(bits.next - input->piece) + JPEG_HUFFMAN_MARGIN_BYTES > input->end) {
            put_back(bits, input);
            if (!is_inside(input) || !fill_piece(input))
                return false;
            bits = bits_of(input);
        }
        if (!read_first(&bits, huffman->blocks[i].dc,
                        &huffman->dc_values[huffman->blocks[i].component], blocks[i]) ||
            !read_rest(&bits, huffman->blocks[i].ac, blocks[i]))
            return false;
    }
    put_back(bits, input);
    huffman->until_restart--;
    return is_inside(input);
}
