#include "model/kernels/amx/image_rows.h"

#include <immintrin.h>
#include <string.h>

#include "model/kernels/requantize.h"

/* As many rows as a kernel spans, each at its number modulo that. */
struct image_rows {
    struct {
        bool is_made;
        size_t image;
        int64_t y;
    } tags[IMAGE_ROWS_MAX_KERNEL_PX];
    _Alignas(64) uint8_t elements[];
};

enum { USUAL_KERNEL_PX = 7 }; /* has code of its own */

bool image_rows_has(const struct step *step)
{
    return step->op == STEP_CONV_INPUT && step->input->channels == IMAGE_ROWS_RGB &&
           step->kernel_px <= IMAGE_ROWS_MAX_KERNEL_PX && !step->projection;
}

static size_t row_bytes(const struct strip_cut *cut)
{
    size_t pixels = cut->step->input->width_px + 2 * (size_t)cut->step->pad_px;
    return (pixels * cut->sources[0].tap_bytes + 63) / 64 * 64;
}

size_t image_rows_bytes(const struct strip_cut *cut)
{
    return sizeof(struct image_rows) + cut->step->kernel_px * row_bytes(cut);
}

void image_rows_begin(struct image_rows *rows)
{
    memset(rows->tags, 0, sizeof rows->tags);
}

void image_rows_fill_values(const struct step *step, uint16_t *ret_values)
{
    for (size_t level = 0; level < IMAGE_ROWS_LEVELS; level++)
        for (size_t c = 0; c < IMAGE_ROWS_RGB; c++)
            *ret_values++ = bfloat16_of_f32(((float)level / 255.0f - step->mean[c]) / step->std[c]);
}

/* `count` pixels from outside the image. */
static void pad_row(const struct strip_cut *cut, size_t count, uint8_t *to)
{
    if (cut->element_bytes == 2) {
        memset(to, 0, count * cut->sources[0].tap_bytes);
        return;
    }
    uint8_t padding[IMAGE_ROWS_RGB] = {0};
    for (size_t c = 0; c < IMAGE_ROWS_RGB; c++)
        padding[c] = requantize_pixel_padding(cut->step, c);
    for (size_t i = 0; i < count; i++, to += IMAGE_ROWS_RGB)
        memcpy(to, padding, IMAGE_ROWS_RGB);
}

/* The pixels of a row, [width, 3]. */
static void convert_row(const struct strip_cut *cut, const struct step_slot *slot, size_t y,
                        uint8_t *to)
{
    const struct step *step = cut->step;
    size_t count = (size_t)step->input->width_px * IMAGE_ROWS_RGB;
    const uint8_t *levels = (const uint8_t *)slot->data + y * count;
    const float *values = (const float *)slot->data + (slot->type == TENSOR_F32 ? y * count : 0);
    uint16_t *halves = (uint16_t *)(void *)to;
    if (cut->element_bytes == 1 && slot->type == TENSOR_U8)
        memcpy(to, levels, count);
    else if (cut->element_bytes == 1)
        for (size_t i = 0; i < count; i++)
            to[i] = requantize_pixel(step, values[i], i % IMAGE_ROWS_RGB);
    else if (slot->type == TENSOR_F32)
        for (size_t i = 0; i < count; i++)
            halves[i] = bfloat16_of_f32(values[i]);
    else
        for (size_t i = 0; i < count; i += IMAGE_ROWS_RGB)
            for (size_t c = 0; c < IMAGE_ROWS_RGB; c++)
                halves[i + c] = cut->pixel_values[levels[i + c] * IMAGE_ROWS_RGB + c];
}

/* Row `y` of an image, which may lie outside it; begins with its padding. */
static const uint8_t *find_row(const struct strip_cut *cut, const struct step_run *run,
                               size_t image, int64_t y, struct image_rows *rows)
{
    const struct step *step = cut->step;
    size_t index = (size_t)(y + step->pad_px) % step->kernel_px;
    uint8_t *row = rows->elements + index * row_bytes(cut);
    if (rows->tags[index].is_made && rows->tags[index].image == image && rows->tags[index].y == y)
        return row;
    size_t width = step->input->width_px, pad = step->pad_px, pixel = cut->sources[0].tap_bytes;
    if (y < 0 || y >= step->input->height_px) {
        pad_row(cut, pad + width + pad, row);
    } else {
        pad_row(cut, pad, row);
        convert_row(cut, &run->slots[image - run->first_image], (size_t)y, row + pad * pixel);
        pad_row(cut, pad, row + (pad + width) * pixel);
    }
    rows->tags[index].is_made = true;
    rows->tags[index].image = image;
    rows->tags[index].y = y;
    return row;
}

/* Copies a run in whole vectors, zeros behind it: up to 63 bytes more than it has. Masked stores
 * would cost several times as much. */
static inline void copy_run(const uint8_t *from, size_t bytes, uint8_t *to)
{
    if (bytes <= 32) {
        __mmask32 mask = ~(__mmask32)0 >> (32 - bytes);
        _mm256_storeu_si256((__m256i *)to, _mm256_maskz_loadu_epi8(mask, from));
        return;
    }
    for (; bytes > 64; bytes -= 64, from += 64, to += 64)
        _mm512_storeu_si512(to, _mm512_loadu_si512(from));
    __mmask64 mask = ~(__mmask64)0 >> (64 - bytes);
    _mm512_storeu_si512(to, _mm512_maskz_loadu_epi8(mask, from));
}

/* The rows under the kernel of the output pixels at `place`'s height. */
static void find_rows(const struct strip_cut *cut, const struct step_run *run,
                      const struct strip_place *place, struct image_rows *rows,
                      const uint8_t *ret_found[IMAGE_ROWS_MAX_KERNEL_PX])
{
    int64_t top = (int64_t)place->y * cut->step->stride_px - cut->step->pad_px;
    for (uint32_t ky = 0; ky < cut->step->kernel_px; ky++)
        ret_found[ky] = find_row(cut, run, place->image, top + ky, rows);
}

/* K of a pixel: a run of each row. */
static inline __attribute__((always_inline)) void
fill_line(const uint8_t *const *rows, size_t at, size_t kernel_px, size_t bytes, uint8_t *line)
{
    for (size_t ky = 0; ky < kernel_px; ky++)
        copy_run(rows[ky] + at, bytes, line + ky * bytes);
}

void image_rows_gather(const struct strip_cut *cut, const struct step_run *run,
                       const struct strip_place *places, struct image_rows *rows, uint8_t *lines)
{
    const uint8_t *found[IMAGE_ROWS_MAX_KERNEL_PX];
    const struct step *step = cut->step;
    size_t pixel = cut->sources[0].tap_bytes, bytes = step->kernel_px * pixel;
    size_t line_bytes = cut->sources[0].steps * STRIP_STEP_BYTES;
    bool is_usual = step->kernel_px == USUAL_KERNEL_PX;
    for (size_t i = 0; i < STRIP_TILE_PX; i++, lines += line_bytes) {
        if (i == 0 || places[i].y != places[i - 1].y || places[i].image != places[i - 1].image)
            find_rows(cut, run, &places[i], rows, found);
        size_t at = (size_t)places[i].x * step->stride_px * pixel;
        _mm512_storeu_si512(lines + line_bytes - STRIP_STEP_BYTES, _mm512_setzero_si512());
        if (is_usual && cut->element_bytes == 1)
            fill_line(found, at, USUAL_KERNEL_PX, USUAL_KERNEL_PX * IMAGE_ROWS_RGB, lines);
        else if (is_usual)
            fill_line(found, at, USUAL_KERNEL_PX, USUAL_KERNEL_PX * IMAGE_ROWS_RGB * 2, lines);
        else
            fill_line(found, at, step->kernel_px, bytes, lines);
    }
}
