/* A BMP file's header, read as PIL reads it, and the plain file that stb_image gets instead. */
#ifndef CLASSIFYD_MODEL_IMAGE_BMP_HEADER_H
#define CLASSIFYD_MODEL_IMAGE_BMP_HEADER_H

#include <stdbool.h>

#include "model/base/span.h"
#include "model/base/status.h"

struct bmp_header {
    uint32_t width_px, height_px;
    bool is_top_down;
    unsigned bits;           /* a pixel: 1, 4, 8 (an index), 16, 24, 32 */
    uint32_t masks[3];       /* red, green, blue bits of a pixel of 16 or 32 */
    uint8_t palette[256][4]; /* blue, green, red, 0; beyond the file's colours a ramp of greys */
    struct span pixels;      /* from the first row to the end of the file; borrowed */
};

/* Whether the bytes begin like a BMP file of a header that is known. */
bool bmp_header_sniff(struct span file);

/* Reads the header. STATUS_UNSUPPORTED for run-length coding and odd layouts, STATUS_NOT_DECODABLE
 * where it is broken. Does not look at the size of the image. Any thread. */
MUST_CHECK enum status bmp_header_parse(struct span file, struct bmp_header *ret_header,
                                        struct error *error);

/* The file once more in a plain form: a header of 40 bytes, 256 colours or the masks, the rows.
 * Returned owned, free(). STATUS_NOT_DECODABLE where rows are missing, STATUS_NO_MEMORY. The size
 * of the image has been checked. Any thread. */
MUST_CHECK enum status bmp_header_rewrite(const struct bmp_header *header, uint8_t **ret_bytes,
                                          size_t *ret_size, struct error *error);

#endif
