#include "model/image/avx512/resize_vbmi.h"

#include <immintrin.h>

#include "model/image/avx512/resize_avx512.h"

/* Along a row: sixteen bytes of the result at once, whatever pixels they belong to, and four taps
 * of each a turn. The source bytes of a turn all lie in one load, from which a byte permutation
 * takes them. Where they do not, which is where rows shrink to a third or less, the kernel without
 * VBMI does the pass. */
enum {
    LANES = 16,
    LOAD_BYTES = 64,
    TURN_TAPS = RESIZE_AVX512_TURN_TAPS,
    TURN_BYTES = 3 * TURN_TAPS,
    DIGITS = RESIZE_AVX512_DIGITS,
    DIGIT_BITS = RESIZE_AVX512_DIGIT_BITS
};

/* Sixteen bytes of the result. */
struct group {
    uint8_t places[LANES][TURN_TAPS]; /* of the turn's taps, in the load */
    uint32_t first;                   /* byte of the first turn's load */
    uint32_t unused[15];
};

struct turn {
    int8_t digits[DIGITS][LANES][TURN_TAPS];
};

struct packed {
    uint32_t turns;     /* of every group */
    uint32_t groups;    /* the last may be shorter; 0: `others` are used */
    uint64_t unused[7]; /* what follows is aligned */
    uint8_t others[];   /* resize_avx512's, or [groups] and behind them turns [groups, turns] */
};

static bool is_supported(void)
{
    return resize_avx512.is_supported() && __builtin_cpu_supports("avx512vbmi");
}

static struct group *groups_of(const struct packed *packed)
{
    return (struct group *)(uintptr_t)packed->others;
}

static struct turn *turns_of(const struct packed *packed)
{
    return (struct turn *)(groups_of(packed) + packed->groups);
}

static uint32_t turn_count(const struct resize_axis *axis)
{
    return (axis->max_taps + TURN_TAPS - 1) / TURN_TAPS;
}

static uint32_t group_count(const struct resize_axis *axis)
{
    return (uint32_t)((3 * (uint64_t)axis->shown + LANES - 1) / LANES);
}

static uint32_t pixel_of(const struct resize_axis *axis, uint32_t group, uint32_t lane)
{
    uint32_t pixel = (uint32_t)(((uint64_t)group * LANES + lane) / 3);
    return pixel < axis->shown ? pixel : axis->shown - 1;
}

/* Source bytes before the one that a group's last pixel begins with. */
static uint32_t reach_of(const struct resize_axis *axis, uint32_t group)
{
    return 3 * (axis->taps[pixel_of(axis, group, LANES - 1)].first -
                axis->taps[pixel_of(axis, group, 0)].first);
}

static bool has_all_in_one_load(const struct resize_axis *axis)
{
    uint32_t groups = group_count(axis);
    for (uint32_t group = 0; group < groups; group++)
        if (reach_of(axis, group) > LOAD_BYTES - TURN_BYTES)
            return false;
    return true;
}

static size_t packed_bytes(const struct resize_axis *axis)
{
    if (!has_all_in_one_load(axis))
        return sizeof(struct packed) + resize_avx512.packed_bytes(axis);
    return sizeof(struct packed) +
           (size_t)group_count(axis) *
               (sizeof(struct group) + turn_count(axis) * sizeof(struct turn));
}

/* A lane beyond the row repeats its last pixel. */
static void pack_lane(const struct resize_axis *axis, uint32_t group, uint32_t lane, uint32_t turns,
                      struct group *to, struct turn *turn)
{
    const struct resize_taps *taps = &axis->taps[pixel_of(axis, group, lane)];
    uint32_t color = (group * LANES + lane) % 3, at = 3 * taps->first - to->first + color;
    for (uint32_t tap = 0; tap < TURN_TAPS; tap++)
        to->places[lane][tap] = (uint8_t)(at + 3 * tap);
    for (uint32_t tap = 0; tap < turns * TURN_TAPS; tap++) {
        int32_t weight = tap < taps->count ? taps->weights[tap] : 0;
        for (unsigned digit = 0; digit < DIGITS; digit++)
            turn[tap / TURN_TAPS].digits[digit][lane][tap % TURN_TAPS] =
                resize_avx512_take_digit(&weight);
    }
}

static void pack(const struct resize_axis *axis, void *into)
{
    struct packed *packed = into;
    packed->turns = turn_count(axis);
    packed->groups = has_all_in_one_load(axis) ? group_count(axis) : 0;
    if (packed->groups == 0) {
        resize_avx512.pack(axis, packed->others);
        return;
    }
    for (uint32_t group = 0; group < packed->groups; group++) {
        struct group *to = groups_of(packed) + group;
        to->first = 3 * axis->taps[pixel_of(axis, group, 0)].first;
        for (uint32_t lane = 0; lane < LANES; lane++)
            pack_lane(axis, group, lane, packed->turns, to,
                      turns_of(packed) + (size_t)group * packed->turns);
    }
}

/* Bytes that lie beyond the row are zero. */
static inline __m512i load(const uint8_t *from, const uint8_t *end)
{
    ptrdiff_t left = end - from;
    if (left >= LOAD_BYTES)
        return _mm512_loadu_si512(from);
    return _mm512_maskz_loadu_epi8(left > 0 ? UINT64_MAX >> (LOAD_BYTES - left) : 0, from);
}

struct sums {
    __m512i low, middle, high;
};

static inline struct sums add_turn(struct sums sums, const struct turn *turn, __m512i places,
                                   __m512i pixels)
{
    __m512i taps = _mm512_permutexvar_epi8(places, pixels);
    sums.low = _mm512_dpbusd_epi32(sums.low, taps, _mm512_load_si512(turn->digits[0]));
    sums.middle = _mm512_dpbusd_epi32(sums.middle, taps, _mm512_load_si512(turn->digits[1]));
    sums.high = _mm512_dpbusd_epi32(sums.high, taps, _mm512_load_si512(turn->digits[2]));
    return sums;
}

static inline __m128i bytes_of(struct sums sums)
{
    __m512i upper = _mm512_add_epi32(_mm512_slli_epi32(sums.high, DIGIT_BITS), sums.middle);
    __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(upper, DIGIT_BITS), sums.low);
    return _mm512_cvtusepi32_epi8(_mm512_srli_epi32(sum, RESIZE_WEIGHT_BITS));
}

static void along(const struct resize_axis *axis, const void *weights, const uint8_t *source,
                  uint8_t *row)
{
    const struct packed *packed = weights;
    if (packed->groups == 0) {
        resize_avx512.along(axis, packed->others, source, row);
        return;
    }
    const struct group *group = groups_of(packed), *end = group + packed->groups;
    const struct turn *turn = turns_of(packed);
    const uint8_t *source_end = source + 3 * (size_t)axis->count;
    const uint32_t turns = packed->turns;
    const struct sums zero = {_mm512_set1_epi32(RESIZE_HALF), _mm512_setzero_si512(),
                              _mm512_setzero_si512()};
    for (size_t left = 3 * (size_t)axis->shown; group < end; group++, row += LANES, left -= LANES) {
        const uint8_t *from = source + group->first;
        const __m512i places = _mm512_load_si512(group->places);
        struct sums sums = add_turn(zero, turn++, places, load(from, source_end));
        for (uint32_t i = 1; i < turns; i++)
            sums = add_turn(sums, turn++, places, load(from + (size_t)i * TURN_BYTES, source_end));
        if (left >= LANES)
            _mm_storeu_si128((void *)row, bytes_of(sums));
        else
            _mm_mask_storeu_epi8(row, (__mmask16)((1U << left) - 1), bytes_of(sums));
    }
}

/* Across rows there is nothing that VBMI would help with. */
static void across(const struct resize_taps *taps, const uint8_t *const *rows, size_t bytes,
                   uint8_t *row)
{
    resize_avx512.across(taps, rows, bytes, row);
}

const struct resize_kernel resize_vbmi = {.name = "avx512 vbmi",
                                          .is_supported = is_supported,
                                          .packed_bytes = packed_bytes,
                                          .pack = pack,
                                          .along = along,
                                          .across = across};
