/* The tile registers of the calling thread. */
#ifndef CLASSIFYD_MODEL_KERNELS_AMX_TILES_H
#define CLASSIFYD_MODEL_KERNELS_AMX_TILES_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { TILES = 8, TILES_ROWS = 16, TILES_ROW_BYTES = 64 };

/* As LDTILECFG reads it. */
struct tiles_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/* Tile memory is read and written behind the compiler's back: what was stored before must be there
 * before a tile is loaded. */
static inline void tiles_barrier(void)
{
    __asm__ volatile("" ::: "memory");
}

/* Eight tiles of 16 rows of 64 bytes, until tiles_release. */
static inline void tiles_configure(void)
{
    struct tiles_config config = {.palette = 1};
    for (size_t i = 0; i < TILES; i++) {
        config.row_bytes[i] = TILES_ROW_BYTES;
        config.rows[i] = TILES_ROWS;
    }
    /* gcc 12 believes that the intrinsic reads eight bytes of it, and drops the rest. */
    __asm__ volatile("" : : "r"(&config) : "memory");
    _tile_loadconfig(&config);
}

/* Gives the tiles back: a thread that holds some costs at every switch, and keeps its core from
 * sleeping deeply. */
static inline void tiles_release(void)
{
    _tile_release();
}

#endif
