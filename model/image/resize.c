#include "model/image/resize.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "model/image/orientation.h"

enum { ALIGNMENT = 64 };

/* PIL's first pass runs along the rows of the upright image, the second across them. Upright rows
 * are stored rows, and each is taken through the first pass as it comes; the second needs the last
 * few. The rows of a turned image are stored columns: the first pass then runs across stored rows,
 * as soon as enough of them are there, and its result is a row for the second, which gives a column
 * of the crop. */
struct resize {
    struct resize_axis along, across; /* of the image as stored */
    bool is_turned;
    const struct resize_kernel *kernel;
    void *packed; /* along's weights for the kernel, in */
    void *packed_memory;
    uint8_t *crop;
    size_t crop_row_bytes;

    uint32_t put, made;     /* rows of across's source and pixels of its result so far */
    size_t row_bytes;       /* of a row in the ring */
    uint8_t *ring;          /* [across.max_taps, row_bytes]: the last rows */
    const uint8_t **rows;   /* [across.max_taps], of the ring, in order */
    uint8_t *line, *column; /* [row_bytes]; [along.shown, 3] */
};

/* The longer side after the resize: torchvision's int(size * long / short). Its quotient of floats
 * never rounds up to a whole number at these sizes, so integers give the same. */
static uint64_t longer_px(uint32_t resize_px, uint32_t longer, uint32_t shorter)
{
    return (uint64_t)resize_px * longer / shorter;
}

/* The stored sides after the resize. */
static void find_size(const struct resize_options *options, uint64_t *ret_width,
                      uint64_t *ret_height)
{
    uint32_t width = options->width_px, height = options->height_px;
    bool is_portrait = width <= height;
    *ret_width = is_portrait ? options->resize_px : longer_px(options->resize_px, width, height);
    *ret_height = is_portrait ? longer_px(options->resize_px, height, width) : options->resize_px;
}

static enum status plan_axes(const struct resize_options *options, struct resize *resize,
                             struct error *error)
{
    struct orientation_way way = orientation_way(options->orientation);
    struct resize_axis_options along = {options->width_px, options->crop_px, 0, way.flip_x},
                               across = {options->height_px, options->crop_px, 0, way.flip_y};
    find_size(options, &along.resized_px, &across.resized_px);
    resize->is_turned = way.transpose;
    enum status status = resize_axis_init(&along, &resize->along, error);
    if (status == STATUS_OK)
        status = resize_axis_init(&across, &resize->across, error);
    return status;
}

static enum status allocate(struct resize *resize, struct error *error)
{
    const struct resize_axis *along = &resize->along, *across = &resize->across;
    resize->row_bytes = 3 * (size_t)(resize->is_turned ? along->count : along->shown);
    resize->ring = alloc_array(across->max_taps, resize->row_bytes, SIZE_MAX);
    resize->rows = alloc_array(across->max_taps, sizeof *resize->rows, SIZE_MAX);
    resize->line = alloc_array(resize->row_bytes, 1, SIZE_MAX);
    resize->column = alloc_array(along->shown, 3, SIZE_MAX);
    bool is_there = resize->ring && resize->rows && resize->line && resize->column;
    if (is_there && resize->kernel->packed_bytes) {
        size_t bytes = resize->kernel->packed_bytes(along);
        resize->packed_memory = alloc_array(bytes + ALIGNMENT, 1, SIZE_MAX);
        is_there = resize->packed_memory != NULL;
    }
    if (!is_there)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a resize");
    if (resize->packed_memory) {
        uintptr_t address = (uintptr_t)resize->packed_memory;
        resize->packed = (uint8_t *)resize->packed_memory + (-address & (ALIGNMENT - 1));
        resize->kernel->pack(along, resize->packed);
    }
    return STATUS_OK;
}

enum status resize_create(const struct resize_options *options, uint8_t *crop,
                          struct image_window *ret_window, struct resize **ret_resize,
                          struct error *error)
{
    struct resize *resize = calloc(1, sizeof *resize);
    if (!resize)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a resize");
    resize->kernel = options->kernel ? options->kernel : resize_kernel_best();
    resize->crop = crop;
    resize->crop_row_bytes = 3 * (size_t)options->crop_px;
    enum status status = plan_axes(options, resize, error);
    if (status == STATUS_OK)
        status = allocate(resize, error);
    if (status != STATUS_OK) {
        resize_destroy(resize);
        return status;
    }
    const struct resize_axis *along = &resize->along, *across = &resize->across;
    if (along->shown < options->crop_px || across->shown < options->crop_px)
        memset(crop, 0, resize->crop_row_bytes * options->crop_px);
    *ret_window = (struct image_window){along->first, across->first, along->count, across->count};
    *ret_resize = resize;
    return STATUS_OK;
}

void resize_destroy(struct resize *resize)
{
    if (!resize)
        return;
    resize_axis_fini(&resize->along);
    resize_axis_fini(&resize->across);
    free(resize->packed_memory);
    free(resize->ring);
    free(resize->rows);
    free(resize->line);
    free(resize->column);
    free(resize);
}

/* Writes `count` pixels `step_bytes` apart. */
static void scatter(const uint8_t *pixels, uint32_t count, uint8_t *to, ptrdiff_t step_bytes)
{
    for (uint32_t i = 0; i < count; i++, pixels += 3, to += step_bytes) {
        to[0] = pixels[0];
        to[1] = pixels[1];
        to[2] = pixels[2];
    }
}

/* Pixel `at` of the second axis is made, and with it a row of the crop. */
static void make_row(struct resize *resize, const struct resize_taps *taps, uint32_t at)
{
    const struct resize_axis *along = &resize->along;
    uint8_t *row = resize->crop + resize->crop_row_bytes * resize_axis_place(&resize->across, at);
    if (!along->is_backwards) {
        resize->kernel->across(taps, resize->rows, resize->row_bytes,
                               row + 3 * (size_t)along->before);
        return;
    }
    resize->kernel->across(taps, resize->rows, resize->row_bytes, resize->line);
    scatter(resize->line, along->shown, row + 3 * (size_t)resize_axis_place(along, 0), -3);
}

/* The same of a turned image, and a column. */
static void make_column(struct resize *resize, const struct resize_taps *taps, uint32_t at)
{
    const struct resize_axis *along = &resize->along;
    resize->kernel->across(taps, resize->rows, resize->row_bytes, resize->line);
    resize->kernel->along(along, resize->packed, resize->line, resize->column);
    ptrdiff_t step_bytes = (ptrdiff_t)resize->crop_row_bytes;
    scatter(resize->column, along->shown,
            resize->crop + resize->crop_row_bytes * resize_axis_place(along, 0) +
                3 * (size_t)resize_axis_place(&resize->across, at),
            along->is_backwards ? -step_bytes : step_bytes);
}

/* All that the rows so far are enough for. */
static void make_what_is_ready(struct resize *resize)
{
    const struct resize_axis *across = &resize->across;
    for (; resize->made < across->shown; resize->made++) {
        const struct resize_taps *taps = &across->taps[resize->made];
        if (taps->first + taps->count > resize->put)
            return;
        for (uint32_t i = 0; i < taps->count; i++)
            resize->rows[i] =
                resize->ring + resize->row_bytes * ((taps->first + i) % across->max_taps);
        if (resize->is_turned)
            make_column(resize, taps, resize->made);
        else
            make_row(resize, taps, resize->made);
    }
}

void resize_put(struct resize *resize, const uint8_t *rows, size_t stride_bytes, uint32_t count)
{
    assert(count <= resize->across.count - resize->put);
    for (uint32_t i = 0; i < count; i++, rows += stride_bytes) {
        uint8_t *row = resize->ring + resize->row_bytes * (resize->put % resize->across.max_taps);
        if (resize->is_turned)
            memcpy(row, rows, resize->row_bytes);
        else
            resize->kernel->along(&resize->along, resize->packed, rows, row);
        resize->put++;
        make_what_is_ready(resize);
    }
}

/* Of one axis: taps, weights, those of a pixel in the kernel's order, and the rows of the ring,
 * which are as long as either crop or image. */
static uint64_t axis_bytes(const struct resize_options *options, uint32_t source_px,
                           uint64_t resized_px, uint32_t other_px)
{
    uint64_t taps = resize_axis_most_taps(source_px, resized_px);
    uint32_t most = taps > UINT32_MAX ? UINT32_MAX : (uint32_t)taps;
    uint32_t row_px = other_px > options->crop_px ? other_px : options->crop_px;
    uint64_t bytes = image_decode_bytes(options->crop_px, 1, 2 * sizeof(struct resize_taps), 0);
    bytes = image_decode_bytes(options->crop_px, most, sizeof(int32_t) + 32, bytes);
    return image_decode_bytes(row_px, most, 3, bytes);
}

uint64_t resize_bytes(const struct resize_options *options)
{
    uint64_t width, height;
    find_size(options, &width, &height);
    uint64_t along = axis_bytes(options, options->width_px, width, options->height_px),
             across = axis_bytes(options, options->height_px, height, options->width_px);
    return along > UINT64_MAX - across ? UINT64_MAX : along + across;
}
