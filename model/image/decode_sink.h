/* Who takes decoded pixels row by row. */
#ifndef CLASSIFYD_MODEL_IMAGE_DECODE_SINK_H
#define CLASSIFYD_MODEL_IMAGE_DECODE_SINK_H

#include "model/image/image.h"

struct decode_sink {
    void *user;
    /* The image has that many pixels, as stored but perhaps scaled (see decode_rows). Answers which
     * are wanted, at least one, inside the image. Called a second time where the rows so far do not
     * count: they come again. What it fails with ends the decoding. */
    enum status (*begin)(void *user, const struct image_info *info, uint32_t width_px,
                         uint32_t height_px, struct image_window *ret_window, struct error *error);
    /* The next `count` rows of the window, RGB [width_px, 3], `stride_bytes` apart; borrowed for
     * the call. Does not fail. */
    void (*put)(void *user, const uint8_t *rows, size_t stride_bytes, uint32_t count);
};

#endif
