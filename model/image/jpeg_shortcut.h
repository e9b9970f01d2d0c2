/* What libjpeg does of a plain JPEG, done with less work and to the same bits: entropy decoding by
 * jpeg_huffman.h, and neither IDCT nor colours where nobody looks. The rest stays libjpeg's.
 *
 * Reaches into libjpeg where jpegint.h shows it: the functions of its modules are pointers, some of
 * which are replaced. Those are not the same in every version; where it is not one that is known,
 * jpeg_shortcut_none.c takes its place. */
#ifndef CLASSIFYD_MODEL_IMAGE_JPEG_SHORTCUT_H
#define CLASSIFYD_MODEL_IMAGE_JPEG_SHORTCUT_H

#include <stdbool.h>

#include "model/base/span.h"
#include "model/image/image.h"

struct jpeg_decompress_struct;
struct jpeg_shortcut;

/* What libjpeg's client_data points to, or begins with, once a shortcut is taken. */
struct jpeg_client {
    struct jpeg_shortcut *shortcut; /* owned by the client; NULL: none is taken */
    /* Called in the midst of libjpeg where the file is not as plain as it looked; does not return.
     * The file has to be decoded again from its start, without a shortcut. */
    void (*give_up)(struct jpeg_client *client);
};

/* Takes a shortcut to the pixels of `window` where the file is of a kind that allows it, else
 * leaves `client->shortcut` NULL. After jpeg_start_decompress, before the first row; `scan` are the
 * bytes from there on. Makes rows narrower: `*ret_x_px` is where they begin. False where there is
 * no memory; libjpeg's errors go its own way. */
MUST_CHECK bool jpeg_shortcut_take(struct jpeg_decompress_struct *jpeg, struct jpeg_client *client,
                                   struct span scan, const struct image_window *window,
                                   uint32_t *ret_x_px);

/* Whether the rows that are read next have to have colours. */
void jpeg_shortcut_want(struct jpeg_decompress_struct *jpeg, bool is_wanted);

/* Instead of reading the rows behind the window: only that the file holds them. May give up. */
void jpeg_shortcut_finish(struct jpeg_decompress_struct *jpeg);

/* Frees; accepts NULL. */
void jpeg_shortcut_destroy(struct jpeg_shortcut *shortcut);

#endif
