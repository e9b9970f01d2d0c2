/* The first frame of a GIF file, found as PIL finds it, and the plain file that stb_image gets
 * instead. */
#ifndef CLASSIFYD_MODEL_IMAGE_GIF_FRAME_H
#define CLASSIFYD_MODEL_IMAGE_GIF_FRAME_H

#include <stdbool.h>

#include "model/base/span.h"
#include "model/base/status.h"

struct gif_frame {
    uint32_t screen_width_px, screen_height_px; /* grown where the frame reaches beyond */
    uint32_t x_px, y_px, width_px, height_px;   /* the frame on the screen; not empty */
    bool is_interlaced;
    uint8_t background;      /* index that shows where the frame does not */
    uint8_t palette[256][3]; /* RGB; beyond the file's colours a ramp of greys */
    uint8_t code_bits;       /* LZW's smallest code */
    struct span blocks;      /* the complete data blocks, each with its length; borrowed */
};

/* Whether the bytes begin like a GIF file. */
bool gif_frame_sniff(struct span file);

/* Finds the first frame. STATUS_NOT_DECODABLE where there is none or the file ends in its header.
 * Does not look at the size of the image. Any thread. */
MUST_CHECK enum status gif_frame_parse(struct span file, struct gif_frame *ret_frame,
                                       struct error *error);

/* A GIF file of this frame alone: the screen is the frame, 256 colours, nothing transparent.
 * Returned owned, free(). STATUS_NO_MEMORY. Any thread. */
MUST_CHECK enum status gif_frame_rewrite(const struct gif_frame *frame, uint8_t **ret_bytes,
                                         size_t *ret_size, struct error *error);

#endif
