/* The wall around stb_image: one call, two formats. Why, and how far it is trusted:
 * vendor/README.md. */
#ifndef CLASSIFYD_VENDOR_STB_STB_LOADER_H
#define CLASSIFYD_VENDOR_STB_STB_LOADER_H

#include <stddef.h>
#include <stdint.h>

enum stb_loader_result {
    STB_LOADER_OK,
    STB_LOADER_NO_MEMORY,
    STB_LOADER_TOO_LARGE, /* for stb_image's own sizes, which are ints */
    STB_LOADER_UNUSUAL,   /* a GIF that stb_image cannot follow although it may be well-formed */
    STB_LOADER_BROKEN,
};

/* Decodes a BMP or GIF file into [height, width, channels] (3: RGB, 4: RGBA), returned owned, to be
 * freed with free(). The caller has checked the headers; a size other than the one it expects is
 * STB_LOADER_BROKEN. On failure `ret_pixels` is not written. Any thread. */
enum stb_loader_result stb_loader_load(const uint8_t *bytes, size_t size, uint32_t width_px,
                                       uint32_t height_px, unsigned channels, uint8_t **ret_pixels)
    __attribute__((warn_unused_result));

#endif
