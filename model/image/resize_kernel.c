#include "model/image/resize_kernel.h"

#if defined(__x86_64__)
#include "model/image/avx2/resize_avx2.h"
#include "model/image/avx512/resize_avx512.h"
#include "model/image/avx512/resize_vbmi.h"
#endif

/* Bytes of a row whose sums are kept together. */
enum { STRIPE_BYTES = 256 };

static uint8_t clipped(int32_t sum)
{
    int32_t value = sum >> RESIZE_WEIGHT_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

void resize_kernel_along_from(const struct resize_axis *axis, uint32_t from, const uint8_t *source,
                              uint8_t *row)
{
    for (uint32_t i = from; i < axis->shown; i++) {
        const struct resize_taps *taps = &axis->taps[i];
        const uint8_t *pixel = source + 3 * (size_t)taps->first;
        int32_t red = RESIZE_HALF, green = RESIZE_HALF, blue = RESIZE_HALF;
        for (uint32_t t = 0; t < taps->count; t++, pixel += 3) {
            red += pixel[0] * taps->weights[t];
            green += pixel[1] * taps->weights[t];
            blue += pixel[2] * taps->weights[t];
        }
        row[3 * (size_t)i] = clipped(red);
        row[3 * (size_t)i + 1] = clipped(green);
        row[3 * (size_t)i + 2] = clipped(blue);
    }
}

/* The loops run along the row so that the compiler can make vectors of them. */
static void across_stripe(const struct resize_taps *taps, const uint8_t *const *rows, size_t at,
                          size_t bytes, uint8_t *restrict row)
{
    int32_t sums[STRIPE_BYTES];
    for (size_t i = 0; i < bytes; i++)
        sums[i] = RESIZE_HALF;
    for (uint32_t t = 0; t < taps->count; t++) {
        const uint8_t *source = rows[t] + at;
        int32_t weight = taps->weights[t];
        for (size_t i = 0; i < bytes; i++)
            sums[i] += source[i] * weight;
    }
    for (size_t i = 0; i < bytes; i++)
        row[i] = clipped(sums[i]);
}

void resize_kernel_across(const struct resize_taps *taps, const uint8_t *const *rows, size_t bytes,
                          uint8_t *row)
{
    for (size_t at = 0; at < bytes; at += STRIPE_BYTES)
        across_stripe(taps, rows, at, bytes - at < STRIPE_BYTES ? bytes - at : STRIPE_BYTES,
                      row + at);
}

static bool is_always_supported(void)
{
    return true;
}

static void along(const struct resize_axis *axis, const void *packed, const uint8_t *source,
                  uint8_t *row)
{
    (void)packed;
    resize_kernel_along_from(axis, 0, source, row);
}

static const struct resize_kernel plain = {.name = "generic",
                                           .is_supported = is_always_supported,
                                           .along = along,
                                           .across = resize_kernel_across};

static const struct resize_kernel *const kernels[] = {
    &plain,
#if defined(__x86_64__)
    &resize_avx2, &resize_avx512, &resize_vbmi,
#endif
    NULL,
};

const struct resize_kernel *resize_kernel_at(size_t index)
{
    return kernels[index];
}

const struct resize_kernel *resize_kernel_best(void)
{
    const struct resize_kernel *best = &plain;
    for (size_t i = 0; kernels[i]; i++)
        if (kernels[i]->is_supported())
            best = kernels[i];
    return best;
}
