/* In place of jpeg_shortcut.c where libjpeg is not one whose insides it knows: there is no
 * shortcut, and libjpeg decodes alone, to the same pixels. meson.build chooses. */
#include <assert.h>
#include <stddef.h>

#include "model/image/jpeg_shortcut.h"

bool jpeg_shortcut_take(struct jpeg_decompress_struct *jpeg, struct jpeg_client *client,
                        struct span scan, const struct image_window *window, uint32_t *ret_x_px)
{
    (void)jpeg;
    (void)client;
    (void)scan;
    (void)window;
    *ret_x_px = 0;
    return true;
}

/* The rest is for who has taken one. */

void jpeg_shortcut_want(struct jpeg_decompress_struct *jpeg, bool is_wanted)
{
    (void)jpeg;
    (void)is_wanted;
    assert(false);
}

void jpeg_shortcut_finish(struct jpeg_decompress_struct *jpeg)
{
    (void)jpeg;
    assert(false);
}

void jpeg_shortcut_destroy(struct jpeg_shortcut *shortcut)
{
    assert(shortcut == NULL);
    (void)shortcut;
}
