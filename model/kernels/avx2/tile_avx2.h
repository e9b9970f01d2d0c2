/* The shape of tiles on AVX2, for the files that include tile_avx2_template.h. */
#ifndef CLASSIFYD_MODEL_KERNELS_AVX2_TILE_AVX2_H
#define CLASSIFYD_MODEL_KERNELS_AVX2_TILE_AVX2_H

enum {
    TILE_PX = 6,
    TILE_LANES = 8,
    TILE_VECTORS = 2,       /* of a tile's channels */
    TILE_VECTOR_BYTES = 32, /* of one K step's weights */
    TILE_NO_RESIDUAL = -1,
    BFLOAT16_SHIFT = 16, /* bits: a bfloat16 is the upper half of a float */
};

#define TILE_INLINE static inline __attribute__((always_inline))

#endif
