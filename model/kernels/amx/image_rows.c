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

enum {
    MAX_TAPS = IMAGE_ROWS_MAX_KERNEL_PX * IMAGE_ROWS_MAX_KERNEL_PX,
    MAX_LINE_BYTES = (MAX_TAPS * IMAGE_ROWS_RGB * 2 + 63) / 64 * 64, /* K of a pixel */
};

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
    if (cut->element_bytes == 2)
        memset(to, 0, count * cut->sources[0].tap_bytes);
    for (size_t i = 0; i < count * IMAGE_ROWS_RGB && cut->element_bytes == 1; i++)
        to[i] = requantize_pixel_padding(cut->step, i % IMAGE_ROWS_RGB);
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

/* K of one pixel: a run of each row. */
static void fill_line(const struct strip_cut *cut, const struct step_run *run,
                      const struct strip_place *place, struct image_rows *rows, uint8_t *line)
{
    const struct step *step = cut->step;
    size_t pixel = cut->sources[0].tap_bytes, bytes = step->kernel_px * pixel;
    int64_t top = (int64_t)place->y * step->stride_px - step->pad_px;
    for (uint32_t ky = 0; ky < step->kernel_px; ky++, line += bytes) {
        const uint8_t *row = find_row(cut, run, place->image, top + ky, rows);
        memcpy(line, row + (size_t)place->x * step->stride_px * pixel, bytes);
    }
}

void image_rows_gather(const struct strip_cut *cut, const struct step_run *run,
                       const struct strip_place *places, struct image_rows *rows, uint8_t *tile)
{
    _Alignas(64) uint8_t lines[STRIP_TILE_PX][MAX_LINE_BYTES];
    size_t steps = cut->sources[0].steps;
    for (size_t i = 0; i < STRIP_TILE_PX; i++) {
        _mm512_store_si512(lines[i] + (steps - 1) * STRIP_STEP_BYTES, _mm512_setzero_si512());
        fill_line(cut, run, &places[i], rows, lines[i]);
    }
    for (size_t k = 0; k < steps; k++)
        for (size_t i = 0; i < STRIP_TILE_PX; i++, tile += STRIP_STEP_BYTES)
            _mm512_store_si512(tile, _mm512_load_si512(lines[i] + k * STRIP_STEP_BYTES));
}
