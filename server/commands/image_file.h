/* An image file's bytes, read into memory: a mapped file that someone shortens would end us. */
#ifndef CLASSIFYD_SERVER_COMMANDS_IMAGE_FILE_H
#define CLASSIFYD_SERVER_COMMANDS_IMAGE_FILE_H

#include <stdbool.h>

#include "model/base/span.h"
#include "model/base/status.h"
#include "model/catalogue/recipe.h"

/* An image of 100 megapixels is smaller than this in every format that is read, but for pixels of
 * 16 bits that do not compress at all. */
#define IMAGE_FILE_MAX_BYTES ((size_t)512 << 20)

/* Reads the whole file; "-" is standard input. Fails with STATUS_NOT_FOUND, STATUS_IO (the reason),
 * STATUS_TOO_LARGE over IMAGE_FILE_MAX_BYTES, STATUS_NO_MEMORY; the text does not name the path.
 * May block. Any thread. `ret_data` is returned owned, free(). */
MUST_CHECK enum status image_file_read(const char *path, uint8_t **ret_data, size_t *ret_size,
                                       struct error *error);

/* Whether a file of that name is an image by its ending, in any case: .jpg, .jpeg, .png, .webp,
 * .bmp, .gif. Any thread. */
bool image_file_has_name(const char *name);

/* Reads an image into a batch slot as the recipe says, with the command line's limits. Fails as
 * image_file_read and image_prepare. May block. Any thread. */
MUST_CHECK enum status image_file_prepare(const char *path, const struct recipe *recipe,
                                          bool orient, bool scale_dct, uint8_t *slot,
                                          struct error *error);

#endif
