/* EXIF's orientation: finding it in a block of metadata, and reading pixels the way it says.
 *
 * Metadata is judged as PIL judges it, except that what PIL gives up on is "upright" here. */
#ifndef CLASSIFYD_MODEL_IMAGE_ORIENTATION_H
#define CLASSIFYD_MODEL_IMAGE_ORIENTATION_H

#include <stdbool.h>

#include "model/base/span.h"
#include "model/image/image.h"

/* The orientation of upright pixels, and of files that say nothing. */
#define ORIENTATION_UPRIGHT 1U

/* Looks for the tag in an EXIF block: a TIFF header and its first directory, with or without
 * "Exif\0\0" before it, in either byte order. True where the tag is there; a value that is none of
 * 1..8 is ORIENTATION_UPRIGHT. Never reads outside the span. Any thread. */
bool orientation_read_exif(struct span exif, unsigned *ret_orientation);

/* The same for an XMP document: tiff:Orientation as attribute or element. */
bool orientation_read_xmp(struct span xmp, unsigned *ret_orientation);

/* How stored pixels become upright: first each axis may run backwards, then they may change places.
 */
struct orientation_way {
    bool flip_x, flip_y, transpose;
};

/* `orientation` is 1..8. Pure. */
struct orientation_way orientation_way(unsigned orientation);

#endif
