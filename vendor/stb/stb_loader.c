#include "vendor/stb/stb_loader.h"

#include <limits.h>
#include <string.h>

/* Static, so that nothing else can call past the wall; no files, only the two formats. */
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_SIMD
#define STBI_NO_LINEAR
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_MAX_DIMENSIONS 65535
/* What is broken is told by the result; an assertion must not depend on a file's bytes. */
#define STBI_ASSERT(x) ((void)(x))
/* Most of stb_image is not called from here. */
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb_image.h>

/* stb_image tells its reasons in words only. */
static enum stb_loader_result failure(void)
{
    static const struct {
        const char *reason;
        enum stb_loader_result result;
    } known[] = {
        {"outofmem", STB_LOADER_NO_MEMORY},
        {"too large", STB_LOADER_TOO_LARGE},
        {"too many codes", STB_LOADER_UNUSUAL},
        {"no clear code", STB_LOADER_UNUSUAL},
    };
    const char *reason = stbi_failure_reason();
    for (size_t i = 0; reason && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(reason, known[i].reason) == 0)
            return known[i].result;
    return STB_LOADER_BROKEN;
}

enum stb_loader_result stb_loader_load(const uint8_t *bytes, size_t size, uint32_t width_px,
                                       uint32_t height_px, unsigned channels, uint8_t **ret_pixels)
{
    if (size > INT_MAX)
        return STB_LOADER_TOO_LARGE;
    int width = 0, height = 0, stored = 0;
    uint8_t *pixels =
        stbi_load_from_memory(bytes, (int)size, &width, &height, &stored, (int)channels);
    if (!pixels)
        return failure();
    if (width < 0 || height < 0 || (uint32_t)width != width_px || (uint32_t)height != height_px) {
        stbi_image_free(pixels);
        return STB_LOADER_BROKEN;
    }
    *ret_pixels = pixels;
    return STB_LOADER_OK;
}
