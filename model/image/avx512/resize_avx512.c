#include "model/image/avx512/resize_avx512.h"

#include <immintrin.h>

/* Along a row: four pixels of the result at once, one in each quarter of a register, and four taps
 * of each a turn. */
enum {
    DIGITS = RESIZE_AVX512_DIGITS,
    DIGIT_BITS = RESIZE_AVX512_DIGIT_BITS,
    TURN_TAPS = RESIZE_AVX512_TURN_TAPS,
    TURN_BYTES = 3 * TURN_TAPS,
    LOAD_BYTES = 16,
    LANES = 4
};

/* A turn's weights in the order of the products: of each pixel four taps of red, green, blue. */
struct turn {
    int8_t digits[DIGITS][LANES][4][TURN_TAPS];
};

struct packed {
    uint32_t turns;  /* of every group of pixels */
    uint32_t groups; /* whose loads stay inside the row */
    uint64_t unused[7];
    struct turn
        weights[]; /* [groups, turns]; behind them the pixels' first bytes [groups, LANES] */
};

static bool is_supported(void)
{
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
}

static uint32_t *offsets_of(const struct packed *packed)
{
    return (uint32_t *)(uintptr_t)(packed->weights + (size_t)packed->groups * packed->turns);
}

static uint32_t turns_of(const struct resize_axis *axis)
{
    return (axis->max_taps + TURN_TAPS - 1) / TURN_TAPS;
}

static size_t packed_bytes(const struct resize_axis *axis)
{
    return sizeof(struct packed) +
           (size_t)(axis->shown / LANES) *
               (turns_of(axis) * sizeof(struct turn) + LANES * sizeof(uint32_t));
}

static bool stays_inside(const struct resize_axis *axis, uint32_t pixel, uint32_t turns)
{
    uint64_t end = 3 * (uint64_t)axis->taps[pixel].first + (uint64_t)(turns - 1) * TURN_BYTES;
    return end + LOAD_BYTES <= 3 * (uint64_t)axis->count;
}

static void set_tap(int32_t weight, uint32_t lane, uint32_t tap, struct turn *turn)
{
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        int8_t low = resize_avx512_take_digit(&weight);
        for (unsigned color = 0; color < 3; color++)
            turn->digits[digit][lane][color][tap] = low;
        turn->digits[digit][lane][3][tap] = 0;
    }
}

static void pack(const struct resize_axis *axis, void *into)
{
    struct packed *packed = into;
    packed->turns = turns_of(axis);
    /* The last group's 16-byte store would reach beyond the row: it is left over. */
    packed->groups = (axis->shown - 1) / LANES;
    if (packed->groups > 0 && axis->shown - packed->groups * LANES < 2)
        packed->groups--;
    while (packed->groups > 0 && !stays_inside(axis, packed->groups * LANES - 1, packed->turns))
        packed->groups--;
    uint32_t *offsets = offsets_of(packed);
    for (uint32_t i = 0; i < packed->groups * LANES; i++) {
        const struct resize_taps *taps = &axis->taps[i];
        struct turn *turn = packed->weights + (size_t)(i / LANES) * packed->turns;
        offsets[i] = 3 * taps->first;
        for (uint32_t tap = 0; tap < packed->turns * TURN_TAPS; tap++)
            set_tap(tap < taps->count ? taps->weights[tap] : 0, i % LANES, tap % TURN_TAPS,
                    turn + tap / TURN_TAPS);
    }
}

struct sums {
    __m512i low, middle, high;
};

static inline __m512i load_four(const uint8_t *source, const uint32_t *offsets)
{
    __m512i pixels = _mm512_castsi128_si512(_mm_loadu_si128((const void *)(source + offsets[0])));
    pixels = _mm512_inserti32x4(pixels, _mm_loadu_si128((const void *)(source + offsets[1])), 1);
    pixels = _mm512_inserti32x4(pixels, _mm_loadu_si128((const void *)(source + offsets[2])), 2);
    return _mm512_inserti32x4(pixels, _mm_loadu_si128((const void *)(source + offsets[3])), 3);
}

static inline struct sums add_turn(struct sums sums, const struct turn *turn, const uint8_t *source,
                                   const uint32_t *offsets)
{
    const __m512i spread =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
    __m512i taps = _mm512_shuffle_epi8(load_four(source, offsets), spread);
    sums.low = _mm512_dpbusd_epi32(sums.low, taps, _mm512_load_si512(turn->digits[0]));
    sums.middle = _mm512_dpbusd_epi32(sums.middle, taps, _mm512_load_si512(turn->digits[1]));
    sums.high = _mm512_dpbusd_epi32(sums.high, taps, _mm512_load_si512(turn->digits[2]));
    return sums;
}

/* Sixteen bytes, of which twelve count. */
static inline void store_four(struct sums sums, uint8_t *row)
{
    const __m128i dense = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    __m512i upper = _mm512_add_epi32(_mm512_slli_epi32(sums.high, DIGIT_BITS), sums.middle);
    __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(upper, DIGIT_BITS), sums.low);
    __m128i bytes = _mm512_cvtusepi32_epi8(_mm512_srli_epi32(sum, RESIZE_WEIGHT_BITS));
    _mm_storeu_si128((void *)row, _mm_shuffle_epi8(bytes, dense));
}

static void along(const struct resize_axis *axis, const void *weights, const uint8_t *source,
                  uint8_t *row)
{
    const struct packed *packed = weights;
    const uint32_t *offsets = offsets_of(packed);
    const struct turn *turn = packed->weights;
    const uint32_t turns = packed->turns;
    const struct sums zero = {_mm512_set1_epi32(RESIZE_HALF), _mm512_setzero_si512(),
                              _mm512_setzero_si512()};
    for (uint32_t group = 0; group < packed->groups; group++, offsets += LANES) {
        struct sums sums = add_turn(zero, turn++, source, offsets);
        for (uint32_t i = 1; i < turns; i++)
            sums = add_turn(sums, turn++, source + (size_t)i * TURN_BYTES, offsets);
        store_four(sums, row + 3 * LANES * (size_t)group);
    }
    resize_kernel_along_from(axis, packed->groups * LANES, source, row);
}

/* Across rows: thirty-two bytes in two registers of sums. */
enum { ACROSS_BYTES = 32 };

static inline __m512i products(const uint8_t *from, __m512i weight)
{
    return _mm512_mullo_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)from)), weight);
}

static void across_32(const struct resize_taps *taps, const uint8_t *const *rows, size_t at,
                      uint8_t *row)
{
    __m512i low = _mm512_set1_epi32(RESIZE_HALF), high = low;
    for (uint32_t t = 0; t < taps->count; t++) {
        __m512i weight = _mm512_set1_epi32(taps->weights[t]);
        low = _mm512_add_epi32(low, products(rows[t] + at, weight));
        high = _mm512_add_epi32(high, products(rows[t] + at + 16, weight));
    }
    low = _mm512_srli_epi32(low, RESIZE_WEIGHT_BITS);
    high = _mm512_srli_epi32(high, RESIZE_WEIGHT_BITS);
    _mm_storeu_si128((void *)(row + at), _mm512_cvtusepi32_epi8(low));
    _mm_storeu_si128((void *)(row + at + 16), _mm512_cvtusepi32_epi8(high));
}

static void across(const struct resize_taps *taps, const uint8_t *const *rows, size_t bytes,
                   uint8_t *row)
{
    if (bytes < ACROSS_BYTES) {
        resize_kernel_across(taps, rows, bytes, row);
        return;
    }
    for (size_t at = 0; at + ACROSS_BYTES <= bytes; at += ACROSS_BYTES)
        across_32(taps, rows, at, row);
    /* The last thirty-two once more where some are left over. */
    if (bytes % ACROSS_BYTES > 0)
        across_32(taps, rows, bytes - ACROSS_BYTES, row);
}

const struct resize_kernel resize_avx512 = {.name = "avx512",
                                            .is_supported = is_supported,
                                            .packed_bytes = packed_bytes,
                                            .pack = pack,
                                            .along = along,
                                            .across = across};
