#include "model/image/avx2/resize_avx2.h"

#include <assert.h>
#include <string.h>

#include <immintrin.h>

/* Along a row: two pixels of the result at once, one in each half of a register, and four taps of
 * each a turn. The CPU multiplies and adds pairs of 16-bit numbers, so that a weight of 23 bits is
 * taken apart: weight = high * 2^11 + low. */
enum { LOW_BITS = 11, TURN_TAPS = 4, TURN_BYTES = 3 * TURN_TAPS, LOAD_BYTES = 16, LANES = 2 };

/* A turn's weights, in the order of the products: of both pixels the pairs of taps 0, 1 and 2, 3.
 */
struct turn {
    int16_t high01[LANES][8], high23[LANES][8], low01[LANES][8], low23[LANES][8];
};

struct packed {
    uint32_t turns; /* of every pair of pixels */
    uint32_t pairs; /* whose loads stay inside the row */
    uint64_t unused[7];
    struct turn weights[]; /* [pairs, turns]; behind them the pixels' first bytes [pairs, LANES] */
};

static uint32_t *offsets_of(const struct packed *packed)
{
    return (uint32_t *)(uintptr_t)(packed->weights + (size_t)packed->pairs * packed->turns);
}

static bool is_supported(void)
{
    return __builtin_cpu_supports("avx2");
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

static int32_t weight_at(const struct resize_taps *taps, uint32_t tap)
{
    return tap < taps->count ? taps->weights[tap] : 0;
}

static void set_pairs(int32_t even, int32_t odd, int16_t *high, int16_t *low)
{
    const int32_t mask = (1 << LOW_BITS) - 1;
    for (unsigned i = 0; i < 8; i += 2) {
        high[i] = (int16_t)(even >> LOW_BITS);
        high[i + 1] = (int16_t)(odd >> LOW_BITS);
        low[i] = (int16_t)(even & mask);
        low[i + 1] = (int16_t)(odd & mask);
    }
}

static void pack(const struct resize_axis *axis, void *into)
{
    struct packed *packed = into;
    packed->turns = turns_of(axis);
    /* The last pixel's 4-byte store would reach beyond the row: it is left over. */
    packed->pairs = (axis->shown - 1) / LANES;
    while (packed->pairs > 0 && !stays_inside(axis, packed->pairs * LANES - 1, packed->turns))
        packed->pairs--;
    struct turn *turn = packed->weights;
    uint32_t *offsets = offsets_of(packed);
    for (uint32_t i = 0; i < packed->pairs * LANES; i++)
        offsets[i] = 3 * axis->taps[i].first;
    for (uint32_t pair = 0; pair < packed->pairs; pair++)
        for (uint32_t tap = 0; tap < packed->turns * TURN_TAPS; tap += TURN_TAPS, turn++)
            for (uint32_t lane = 0; lane < LANES; lane++) {
                const struct resize_taps *taps = &axis->taps[pair * LANES + lane];
                set_pairs(weight_at(taps, tap), weight_at(taps, tap + 1), turn->high01[lane],
                          turn->low01[lane]);
                set_pairs(weight_at(taps, tap + 2), weight_at(taps, tap + 3), turn->high23[lane],
                          turn->low23[lane]);
            }
}

static __m256i load(const void *from)
{
    return _mm256_load_si256(from);
}

/* Sum of high and low products, both of [red, green, blue, nothing] of two pixels, to bytes. */
static void store_pair(__m256i high, __m256i low, uint8_t *row)
{
    const __m256i bytes = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 4, 8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
    __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, LOW_BITS), low);
    __m256i value = _mm256_srai_epi32(sum, RESIZE_WEIGHT_BITS);
    __m256i pixels = _mm256_shuffle_epi8(value, bytes);
    int first = _mm256_extract_epi32(pixels, 0), second = _mm256_extract_epi32(pixels, 4);
    memcpy(row, &first, sizeof first);
    memcpy(row + 3, &second, sizeof second);
}

struct sums {
    __m256i high, low;
};

static inline struct sums add_turn(struct sums sums, const struct turn *turn, const uint8_t *first,
                                   const uint8_t *second)
{
    const __m256i spread01 = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const __m256i spread23 = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
    __m256i pixels =
        _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const void *)first)),
                                _mm_loadu_si128((const void *)second), 1);
    __m256i taps01 = _mm256_shuffle_epi8(pixels, spread01);
    __m256i taps23 = _mm256_shuffle_epi8(pixels, spread23);
    __m256i high = _mm256_add_epi32(_mm256_madd_epi16(taps01, load(turn->high01)),
                                    _mm256_madd_epi16(taps23, load(turn->high23)));
    __m256i low = _mm256_add_epi32(_mm256_madd_epi16(taps01, load(turn->low01)),
                                   _mm256_madd_epi16(taps23, load(turn->low23)));
    return (struct sums){_mm256_add_epi32(sums.high, high), _mm256_add_epi32(sums.low, low)};
}

static void along(const struct resize_axis *axis, const void *weights, const uint8_t *source,
                  uint8_t *row)
{
    const struct packed *packed = weights;
    const uint32_t *offset = offsets_of(packed);
    const struct turn *turn = packed->weights;
    const uint32_t turns = packed->turns;
    const struct sums zero = {_mm256_setzero_si256(), _mm256_set1_epi32(RESIZE_HALF)};
    for (uint32_t pair = 0; pair < packed->pairs; pair++, offset += LANES) {
        const uint8_t *first = source + offset[0], *second = source + offset[1];
        struct sums sums = add_turn(zero, turn++, first, second);
        for (uint32_t i = 1; i < turns; i++)
            sums = add_turn(sums, turn++, first += TURN_BYTES, second += TURN_BYTES);
        store_pair(sums.high, sums.low, row + 3 * LANES * (size_t)pair);
    }
    resize_kernel_along_from(axis, packed->pairs * LANES, source, row);
}

/* Across rows: sixteen bytes in two registers of sums. */
enum { ACROSS_BYTES = 16 };

static __m256i products(const uint8_t *from, __m256i weight)
{
    return _mm256_mullo_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)from)), weight);
}

static void across_16(const struct resize_taps *taps, const uint8_t *const *rows, size_t at,
                      uint8_t *row)
{
    __m256i low = _mm256_set1_epi32(RESIZE_HALF), high = low;
    for (uint32_t t = 0; t < taps->count; t++) {
        __m256i weight = _mm256_set1_epi32(taps->weights[t]);
        low = _mm256_add_epi32(low, products(rows[t] + at, weight));
        high = _mm256_add_epi32(high, products(rows[t] + at + 8, weight));
    }
    low = _mm256_srai_epi32(low, RESIZE_WEIGHT_BITS);
    high = _mm256_srai_epi32(high, RESIZE_WEIGHT_BITS);
    /* The packs work in halves: quarters come out in the order 0, 2, 1, 3. */
    __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xD8);
    __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((void *)(row + at), bytes);
}

static void across(const struct resize_taps *taps, const uint8_t *const *rows, size_t bytes,
                   uint8_t *row)
{
    if (bytes < ACROSS_BYTES) {
        resize_kernel_across(taps, rows, bytes, row);
        return;
    }
    for (size_t at = 0; at + ACROSS_BYTES <= bytes; at += ACROSS_BYTES)
        across_16(taps, rows, at, row);
    /* The last sixteen once more where some are left over. */
    if (bytes % ACROSS_BYTES > 0)
        across_16(taps, rows, bytes - ACROSS_BYTES, row);
}

const struct resize_kernel resize_avx2 = {.name = "avx2",
                                          .is_supported = is_supported,
                                          .packed_bytes = packed_bytes,
                                          .pack = pack,
                                          .along = along,
                                          .across = across};
