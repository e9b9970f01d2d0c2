#include "model/kernels/amx/strip.h"

#include <immintrin.h>

#include "model/kernels/amx/image_rows.h"

static size_t round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

/* Whether every tap of every output pixel lies inside the tensor's halo. */
static bool is_covered(const struct strip_source *source, const struct tensor *output)
{
    const struct tensor *tensor = source->tensor;
    int64_t halo = tensor->halo_px;
    int64_t reach = (int64_t)source->kernel_px - 1 - source->pad_px;
    int64_t last_y = (int64_t)(output->height_px - 1) * source->stride_px + reach;
    int64_t last_x = (int64_t)(output->width_px - 1) * source->stride_px + reach;
    return source->pad_px <= halo && last_y < tensor->height_px + halo &&
           last_x < tensor->width_px + halo;
}

/* How far the taps of output pixels lie from each other. */
static void set_apart(struct strip_source *source, const struct tensor *output)
{
    const struct tensor *tensor = source->tensor;
    size_t element = tensor_element_bytes(tensor->type);
    size_t row_bytes = source->stride_px * tensor->row_stride * element;
    source->apart_bytes = source->stride_px * tensor->pixel_stride * element;
    source->goes_on_in_rows = row_bytes == output->width_px * source->apart_bytes;
    source->goes_on_in_images =
        source->goes_on_in_rows && tensor->image_stride * element == output->height_px * row_bytes;
}

static struct strip_source make_source(const struct strip_cut *cut, const struct tensor *tensor,
                                       uint32_t kernel_px, uint32_t stride_px, uint32_t pad_px)
{
    struct strip_source source = {
        .tensor = tensor, .kernel_px = kernel_px, .stride_px = stride_px, .pad_px = pad_px};
    size_t bytes = tensor->channels * cut->element_bytes;
    source.tap_bytes = round_up(bytes, STRIP_STEP_BYTES);
    source.steps = source.tap_bytes / STRIP_STEP_BYTES * kernel_px * kernel_px;
    source.is_widened = tensor_element_bytes(tensor->type) != cut->element_bytes;
    /* What lies behind a pixel's channels meets weights of zero, which is enough for integers. */
    bool may_read_behind = cut->element_bytes == 1 && tensor->pixel_stride >= source.tap_bytes;
    set_apart(&source, cut->step->output);
    source.is_direct = !source.is_widened && (bytes == source.tap_bytes || may_read_behind) &&
                       is_covered(&source, cut->step->output);
    return source;
}

/* The taps of a pixel follow each other without a gap, since each has but three channels. */
static struct strip_source make_slot_source(const struct strip_cut *cut)
{
    const struct step *step = cut->step;
    struct strip_source source = {.tensor = step->input,
                                  .kernel_px = step->kernel_px,
                                  .stride_px = step->stride_px,
                                  .pad_px = step->pad_px,
                                  .tap_bytes = step->input->channels * cut->element_bytes,
                                  .is_slot = true};
    size_t bytes = source.tap_bytes * step->kernel_px * step->kernel_px;
    source.steps = round_up(bytes, STRIP_STEP_BYTES) / STRIP_STEP_BYTES;
    return source;
}

struct strip_cut strip_cut_of(const struct step *step, size_t element_bytes)
{
    struct strip_cut cut = {.step = step, .element_bytes = element_bytes};
    cut.sources[cut.source_count++] =
        step->op == STEP_CONV_INPUT
            ? make_slot_source(&cut)
            : make_source(&cut, step->input, step->kernel_px, step->stride_px, step->pad_px);
    if (step->projection)
        cut.sources[cut.source_count++] =
            make_source(&cut, step->projection, 1, step->projection_stride_px, 0);
    for (size_t i = 0; i < cut.source_count; i++)
        cut.steps += cut.sources[i].steps;
    cut.panels = (step->output->channels + STRIP_PANEL - 1) / STRIP_PANEL;
    return cut;
}

static size_t image_pixels(const struct strip_cut *cut)
{
    return (size_t)cut->step->output->height_px * cut->step->output->width_px;
}

size_t strip_count(const struct strip_cut *cut, size_t images)
{
    return (images * image_pixels(cut) + STRIP_PX - 1) / STRIP_PX;
}

size_t strip_weight_offset(const struct strip_cut *cut, size_t source, size_t out, size_t byte)
{
    size_t panel = out / STRIP_PANEL, tile = out % STRIP_PANEL / 16, column = out % 16;
    size_t step = byte / STRIP_STEP_BYTES + (source ? cut->sources[0].steps : 0);
    size_t row = byte % STRIP_STEP_BYTES / 4;
    return (panel * cut->steps + step) * STRIP_WEIGHT_BYTES + tile * STRIP_TILE_BYTES +
           row * STRIP_STEP_BYTES + column * 4 + byte % 4;
}

size_t strip_weights_bytes(const struct strip_cut *cut)
{
    return cut->panels * cut->steps * STRIP_WEIGHT_BYTES;
}

/* Scratch: the strip, the offsets of steps in a tensor and in gathered tiles, the tiles, rows of
 * images. */
struct parts {
    struct strip *strip;
    size_t *direct, *gathered;
    uint8_t *tiles;
    struct image_rows *image_rows;
};

static struct parts parts_of(const struct strip_cut *cut, void *scratch)
{
    uint8_t *offsets = (uint8_t *)scratch + sizeof(struct strip);
    uint8_t *tiles = offsets + round_up(2 * cut->steps * sizeof(size_t), 64);
    uint8_t *rows = tiles + STRIP_TILES * cut->steps * STRIP_TILE_BYTES + IMAGE_ROWS_BEHIND;
    return (struct parts){.strip = scratch,
                          .direct = (size_t *)(void *)offsets,
                          .gathered = (size_t *)(void *)offsets + cut->steps,
                          .tiles = tiles,
                          .image_rows = (struct image_rows *)(void *)rows};
}

size_t strip_scratch_bytes(const struct strip_cut *cut)
{
    size_t rows = cut->sources[0].is_slot ? IMAGE_ROWS_BEHIND + image_rows_bytes(cut) : 0;
    return sizeof(struct strip) + round_up(2 * cut->steps * sizeof(size_t), 64) +
           STRIP_TILES * cut->steps * STRIP_TILE_BYTES + rows;
}

static void fill_offsets(const struct strip_source *source, size_t *offsets)
{
    const struct tensor *tensor = source->tensor;
    size_t element = tensor_element_bytes(tensor->type);
    for (size_t ky = 0; ky < source->kernel_px; ky++)
        for (size_t kx = 0; kx < source->kernel_px; kx++)
            for (size_t byte = 0; byte < source->tap_bytes; byte += STRIP_STEP_BYTES)
                *offsets++ = (ky * tensor->row_stride + kx * tensor->pixel_stride) * element + byte;
}

void strip_begin(const struct strip_cut *cut, void *scratch)
{
    struct parts parts = parts_of(cut, scratch);
    for (size_t s = 0, step = 0; s < cut->source_count; step += cut->sources[s].steps, s++)
        if (cut->sources[s].is_direct)
            fill_offsets(&cut->sources[s], parts.direct + step);
    size_t apart = cut->sources[0].is_slot ? STRIP_STEP_BYTES : STRIP_TILE_BYTES;
    for (size_t k = 0; k < cut->steps; k++)
        parts.gathered[k] = k * apart;
    if (cut->sources[0].is_slot)
        image_rows_begin(parts.image_rows);
}

/* Input pixel (y, x), which may lie outside the image. */
static const uint8_t *input_pixel(const struct tensor *tensor, uint8_t *const *buffers,
                                  size_t image, int64_t y, int64_t x)
{
    int64_t elements = (int64_t)(image * tensor->image_stride) + y * (int64_t)tensor->row_stride +
                       x * (int64_t)tensor->pixel_stride;
    return buffers[tensor->buffer] + tensor->offset_bytes +
           elements * (int64_t)tensor_element_bytes(tensor->type);
}

static const uint8_t *first_tap(const struct strip_source *source, uint8_t *const *buffers,
                                struct strip_place place)
{
    return input_pixel(source->tensor, buffers, place.image,
                       (int64_t)place.y * source->stride_px - source->pad_px,
                       (int64_t)place.x * source->stride_px - source->pad_px);
}

/* Whether the rows of a tile lie at one distance in the tensor. */
static bool is_even(const struct strip_source *source, const struct strip_place *places)
{
    const struct strip_place *first = &places[0], *last = &places[STRIP_TILE_PX - 1];
    if (first->image != last->image)
        return source->goes_on_in_images;
    return first->y == last->y || source->goes_on_in_rows;
}

/* 32 u8 as bfloat16, which holds them exactly. */
static __m512i widen(const uint8_t *at, __mmask32 mask)
{
    __m256i bytes = _mm256_maskz_loadu_epi8(mask, at);
    __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm256_castsi256_si128(bytes)));
    __m512 high = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm256_extracti128_si256(bytes, 1)));
    __m256i halves[2] = {_mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(low), 16)),
                         _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(high), 16))};
    return _mm512_inserti64x4(_mm512_castsi256_si512(halves[0]), halves[1], 1);
}

/* One tap of 16 pixels, a tile a step; a NULL is a pixel outside the image. */
static void gather_tap(const struct strip_source *source, const uint8_t *const *pixels,
                       uint8_t *tile)
{
    size_t element = tensor_element_bytes(source->tensor->type);
    size_t step_bytes = source->is_widened ? STRIP_STEP_BYTES / 2 : STRIP_STEP_BYTES;
    size_t left = source->tensor->channels * element;
    for (size_t i = 0; i < source->tap_bytes / STRIP_STEP_BYTES; i++, left -= step_bytes) {
        __mmask64 used = left < 64 ? ((__mmask64)1 << left) - 1 : ~(__mmask64)0;
        for (size_t row = 0; row < STRIP_TILE_PX; row++, tile += STRIP_STEP_BYTES) {
            const uint8_t *at = pixels[row] ? pixels[row] + i * step_bytes : tile;
            __mmask64 mask = pixels[row] ? used : 0;
            __m512i value =
                source->is_widened ? widen(at, (__mmask32)mask) : _mm512_maskz_loadu_epi8(mask, at);
            _mm512_store_si512(tile, value);
        }
    }
}

/* The same where the tensor's halo covers every tap. */
static void gather_covered(const struct strip_source *source, uint8_t *const *buffers,
                           const struct strip_place *places, const size_t *offsets, uint8_t *tile)
{
    const uint8_t *first[STRIP_TILE_PX];
    for (size_t i = 0; i < STRIP_TILE_PX; i++)
        first[i] = first_tap(source, buffers, places[i]);
    for (size_t k = 0; k < source->steps; k++, tile += STRIP_TILE_BYTES)
        for (size_t i = 0; i < STRIP_TILE_PX; i++)
            _mm512_store_si512(tile + i * STRIP_STEP_BYTES,
                               _mm512_loadu_si512(first[i] + offsets[k]));
}

static void gather(const struct strip_source *source, uint8_t *const *buffers,
                   const struct strip_place *places, uint8_t *tile)
{
    const struct tensor *tensor = source->tensor;
    for (uint32_t ky = 0; ky < source->kernel_px; ky++)
        for (uint32_t kx = 0; kx < source->kernel_px; kx++) {
            const uint8_t *pixels[STRIP_TILE_PX];
            for (size_t i = 0; i < STRIP_TILE_PX; i++) {
                int64_t y = (int64_t)places[i].y * source->stride_px + ky - source->pad_px;
                int64_t x = (int64_t)places[i].x * source->stride_px + kx - source->pad_px;
                bool is_inside = y >= 0 && y < tensor->height_px && x >= 0 && x < tensor->width_px;
                pixels[i] = is_inside ? input_pixel(tensor, buffers, places[i].image, y, x) : NULL;
            }
            gather_tap(source, pixels, tile);
            tile += source->tap_bytes / STRIP_STEP_BYTES * STRIP_TILE_BYTES;
        }
}

/* Pixels `at` to `at + count` - 1 of the strip, which lie in one row from `place` on. */
static void fill_run(const struct step_run *run, struct strip_place place, size_t at, size_t count,
                     struct strip_place *places, struct strip *strip)
{
    const struct tensor *output = run->step->output, *residual = run->step->residual;
    size_t apart = output->pixel_stride * tensor_element_bytes(output->type);
    uint8_t *pixel = tensor_pixel(output, run->buffers, place.image, place.y, place.x);
    for (size_t i = 0; i < count; i++)
        strip->output[at + i] = pixel + i * apart;
    if (residual) {
        apart = residual->pixel_stride * tensor_element_bytes(residual->type);
        pixel = tensor_pixel(residual, run->buffers, place.image, place.y, place.x);
        for (size_t i = 0; i < count; i++)
            strip->residual[at + i] = pixel + i * apart;
    }
    for (size_t i = 0; i < count; i++, place.x++)
        places[at + i] = place;
}

/* The strip's pixels, from `first` of the run on; behind the last one it comes again, so that every
 * tile is whole. */
static void fill_pixels(const struct strip_cut *cut, const struct step_run *run, size_t first,
                        struct strip_place *places, struct strip *strip)
{
    const struct tensor *output = cut->step->output;
    size_t image = first / image_pixels(cut), at = first % image_pixels(cut);
    struct strip_place place = {.image = run->first_image + image,
                                .y = (uint32_t)(at / output->width_px),
                                .x = (uint32_t)(at % output->width_px)};
    for (size_t i = 0, count; i < strip->pixels; i += count) {
        size_t left = output->width_px - place.x;
        count = left < strip->pixels - i ? left : strip->pixels - i;
        fill_run(run, place, i, count, places, strip);
        place.x = 0;
        if (++place.y == output->height_px) {
            place.y = 0;
            place.image++;
        }
    }
    for (size_t i = strip->pixels; i % STRIP_TILE_PX != 0; i++)
        places[i] = places[i - 1];
}

/* The rows of tile `t` of source `s`, whose first step is `step`. */
static struct strip_rows lay_tile(const struct strip_cut *cut, const struct step_run *run,
                                  const struct parts *parts, const struct strip_place *places,
                                  size_t s, size_t step, size_t t)
{
    const struct strip_source *source = &cut->sources[s];
    bool is_whole = (t + 1) * STRIP_TILE_PX <= parts->strip->pixels;
    places += t * STRIP_TILE_PX;
    if (is_whole && source->is_direct && is_even(source, places))
        return (struct strip_rows){first_tap(source, run->buffers, places[0]), source->apart_bytes,
                                   parts->direct + step};
    uint8_t *tile = parts->tiles + (t * cut->steps + step) * STRIP_TILE_BYTES;
    if (source->is_slot) {
        image_rows_gather(cut, run, places, parts->image_rows, tile);
        return (struct strip_rows){tile, cut->steps * STRIP_STEP_BYTES, parts->gathered};
    }
    if (source->is_direct)
        gather_covered(source, run->buffers, places, parts->direct + step, tile);
    else
        gather(source, run->buffers, places, tile);
    return (struct strip_rows){tile, STRIP_STEP_BYTES, parts->gathered};
}

struct strip *strip_open(const struct strip_cut *cut, const struct step_run *run, size_t index,
                         void *scratch)
{
    struct parts parts = parts_of(cut, scratch);
    struct strip *strip = parts.strip;
    size_t first = index * STRIP_PX, all = run->images * image_pixels(cut);
    struct strip_place places[STRIP_PX];
    strip->pixels = all - first < STRIP_PX ? all - first : STRIP_PX;
    fill_pixels(cut, run, first, places, strip);
    for (size_t t = 0; t * STRIP_TILE_PX < strip->pixels; t++)
        for (size_t s = 0, step = 0; s < cut->source_count; step += cut->sources[s].steps, s++)
            strip->rows[s][t] = lay_tile(cut, run, &parts, places, s, step, t);
    return strip;
}
