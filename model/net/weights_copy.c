/* weights_copy_f32: stored elements of any floating type to dense float32. */
#include <assert.h>
#include <string.h>

#include "model/net/weights.h"

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE binary16: every value is a float32 too, NaN payloads kept. In integers, for the baseline has
 * no F16C. */
static float f32_of_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 31, fraction = half & 0x3ff;
    if (exponent == 31)
        return float_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent != 0)
        return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    /* Zero or subnormal: fraction times 2^-24, exact. */
    float magnitude = (float)fraction * 0x1p-24f;
    return sign ? -magnitude : magnitude;
}

/* One run of `count` elements, `stride_bytes` apart. Storage need not be aligned: memcpy. */
static void copy_f32(const uint8_t *from, size_t stride_bytes, uint64_t count, float *to)
{
    if (stride_bytes == sizeof *to) {
        memcpy(to, from, count * sizeof *to);
        return;
    }
    for (uint64_t i = 0; i < count; i++, from += stride_bytes)
        memcpy(&to[i], from, sizeof *to);
}

static void copy_f16(const uint8_t *from, size_t stride_bytes, uint64_t count, float *to)
{
    for (uint64_t i = 0; i < count; i++, from += stride_bytes) {
        uint16_t half;
        memcpy(&half, from, sizeof half);
        to[i] = f32_of_f16(half);
    }
}

static void copy_bf16(const uint8_t *from, size_t stride_bytes, uint64_t count, float *to)
{
    for (uint64_t i = 0; i < count; i++, from += stride_bytes) {
        uint16_t upper;
        memcpy(&upper, from, sizeof upper);
        to[i] = float_of_bits((uint32_t)upper << 16);
    }
}

static void copy_f64(const uint8_t *from, size_t stride_bytes, uint64_t count, float *to)
{
    for (uint64_t i = 0; i < count; i++, from += stride_bytes) {
        double value;
        memcpy(&value, from, sizeof value);
        to[i] = (float)value;
    }
}

static const struct {
    size_t bytes; /* an element's; 0: not a floating type */
    void (*copy)(const uint8_t *from, size_t stride_bytes, uint64_t count, float *to);
} types[WEIGHTS_OTHER + 1] = {
    [WEIGHTS_F32] = {4, copy_f32},
    [WEIGHTS_F16] = {2, copy_f16},
    [WEIGHTS_BF16] = {2, copy_bf16},
    [WEIGHTS_F64] = {8, copy_f64},
};

/* Elements that lie one behind another, `axes` axes around them, and how far apart they are. */
struct run {
    uint64_t count;
    size_t stride; /* in elements */
    unsigned axes;
};

/* As many of the last axes as lie dense; one, with its stride, where not even that does. An axis of
 * one element has any stride; a stride never leaves the storage otherwise. */
static struct run find_run(const struct weights_tensor *tensor)
{
    struct run run = {.count = 1, .stride = 1, .axes = tensor->rank};
    while (run.axes > 0 &&
           (tensor->shape[run.axes - 1] == 1 || tensor->strides[run.axes - 1] == run.count))
        run.count *= tensor->shape[--run.axes];
    if (run.count == 1 && run.axes > 0) {
        run.axes--;
        run.count = tensor->shape[run.axes];
        run.stride = (size_t)tensor->strides[run.axes];
    }
    return run;
}

/* The next run: counts `index` up over the first `axes` axes, the way an odometer does. */
static size_t step(const struct weights_tensor *tensor, unsigned axes, uint64_t *index,
                   size_t offset)
{
    for (unsigned axis = axes; axis-- > 0;) {
        if (++index[axis] < tensor->shape[axis])
            return offset + tensor->strides[axis];
        offset -= (tensor->shape[axis] - 1) * tensor->strides[axis];
        index[axis] = 0;
    }
    return offset;
}

enum status weights_copy_f32(const struct weights_tensor *tensor, float *ret_values,
                             struct error *error)
{
    size_t bytes = types[tensor->type].bytes;
    if (bytes == 0)
        return error_set(error, STATUS_BAD_MODEL, "tensor '%s': type %s, floating point is wanted",
                         tensor->name, weights_type_name(tensor->type));
    if (tensor->count == 0)
        return STATUS_OK;
    const struct run run = find_run(tensor);
    uint64_t index[WEIGHTS_MAX_RANK] = {0};
    size_t offset = 0;
    for (uint64_t done = 0; done < tensor->count; done += run.count) {
        types[tensor->type].copy(tensor->data.data + offset * bytes, run.stride * bytes, run.count,
                                 ret_values + done);
        offset = step(tensor, run.axes, index, offset);
    }
    return STATUS_OK;
}

enum status weights_copy_f32_at(const struct weights_tensor *tensor, uint64_t index,
                                float *ret_values, struct error *error)
{
    assert(tensor->rank > 0 && index < tensor->shape[0]);
    struct weights_tensor part = *tensor;
    size_t skipped = (size_t)(index * tensor->strides[0]) * types[tensor->type].bytes;
    part.shape[0] = 1;
    part.count = tensor->count / tensor->shape[0];
    if (part.count > 0)
        part.data = (struct span){tensor->data.data + skipped, tensor->data.size - skipped};
    return weights_copy_f32(&part, ret_values, error);
}
