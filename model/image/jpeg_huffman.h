/* Entropy decoding of baseline JPEG: one scan, Huffman codes, 8 bits. Twice as fast as libjpeg's,
 * because it reads a code together with the bits behind it, and gives up on whatever is odd: what a
 * damaged stream means is for libjpeg alone to say. Knows no libjpeg. */
#ifndef CLASSIFYD_MODEL_IMAGE_JPEG_HUFFMAN_H
#define CLASSIFYD_MODEL_IMAGE_JPEG_HUFFMAN_H

#include <stdbool.h>

#include "model/base/span.h"

enum {
    JPEG_HUFFMAN_LOOK_BITS = 11, /* codes with their bits up to here are found in one look */
    JPEG_HUFFMAN_MAX_BLOCKS = 10,
    JPEG_HUFFMAN_MAX_COMPONENTS = 4,
    JPEG_HUFFMAN_BLOCK = 64, /* coefficients */
    JPEG_HUFFMAN_PIECE_BYTES = 4096,
    JPEG_HUFFMAN_MARGIN_BYTES = 264, /* a block's 64 * 31 bits, and a look ahead of eight bytes */
};

struct jpeg_huffman_table {
    uint32_t look[1 << JPEG_HUFFMAN_LOOK_BITS];
    uint32_t limits[17]; /* by length: the first 16 bits that are no code of this length */
    int32_t offsets[17]; /* by length: from a code to its symbol's place */
    uint8_t symbols[256];
};

/* The scan without its stuffed zeros, a piece at a time. */
struct jpeg_huffman_input {
    struct span rest;  /* of the scan, not yet in the piece */
    bool is_at_marker; /* `rest` begins with one: the piece is the last */
    uint64_t bits;     /* the next in the highest place */
    unsigned count;    /* of them are valid */
    size_t next, end;  /* in the piece: what is not yet in `bits`; where it ends */
    uint8_t piece[JPEG_HUFFMAN_PIECE_BYTES + JPEG_HUFFMAN_MARGIN_BYTES];
};

struct jpeg_huffman {
    struct jpeg_huffman_input input;
    unsigned restart_interval; /* MCUs; 0: never */
    unsigned until_restart, next_restart;
    unsigned block_count; /* of an MCU */
    struct {
        const struct jpeg_huffman_table *dc, *ac;
        unsigned component;
    } blocks[JPEG_HUFFMAN_MAX_BLOCKS];
    int dc_values[JPEG_HUFFMAN_MAX_COMPONENTS];
};

/* Makes a table of `counts` [17] (by length; the first is not looked at) and `symbols` [256], for
 * first coefficients or for the others. False where they are no code. Any thread. */
bool jpeg_huffman_table_init(const uint8_t *counts, const uint8_t *symbols, bool is_for_first,
                             struct jpeg_huffman_table *table);

/* Begins at the scan's first byte; `huffman->blocks` and `block_count` are the caller's to fill. */
void jpeg_huffman_init(struct span scan, unsigned restart_interval, struct jpeg_huffman *huffman);

/* Reads the next MCU into `blocks` [block_count], each of 64 zeroed coefficients in natural order.
 * False where the stream is not plainly right, or ends without a marker behind it; the state is of
 * no use then. Never reads outside the span. */
bool jpeg_huffman_read(struct jpeg_huffman *huffman, int16_t *const *blocks);

#endif
