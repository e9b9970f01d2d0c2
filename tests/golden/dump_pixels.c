/* Prints what image_prepare makes of files, for test_preprocess.py.
 *
 *   dump_pixels RESIZE CROP ORIENT(0|1) SCALE_DCT(0|1) FILE...
 *
 * For each file one line, "ok FORMAT WIDTH HEIGHT ORIENTATION" followed by CROP * CROP * 3 bytes,
 * or "error CODE TEXT" and nothing. */
#include <stdio.h>
#include <stdlib.h>

#include "model/base/mapped_file.h"
#include "model/image/decode.h"
#include "model/image/prepare.h"

static void dump(const struct image_prepare_options *options, const char *path, uint8_t *slot)
{
    struct error error = {0};
    struct mapped_file file = {0};
    struct image_info info;
    enum status status = mapped_file_init(path, (size_t)1 << 30, &file, &error);
    if (status == STATUS_OK)
        status = image_prepare(options, file.bytes, slot, &info, NULL, &error);
    mapped_file_fini(&file);
    if (status != STATUS_OK) {
        printf("error %s %s\n", status_code(status), error.text);
        return;
    }
    printf("ok %s %u %u %u\n", decode_format_name(info.format), info.width_px, info.height_px,
           info.orientation);
    (void)fwrite(slot, 3, (size_t)options->crop_px * options->crop_px, stdout);
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return EXIT_FAILURE;
    struct image_prepare_options options = {
        .limits = image_prepare_default_limits,
        .resize_px = (uint32_t)strtoul(argv[1], NULL, 10),
        .crop_px = (uint32_t)strtoul(argv[2], NULL, 10),
        .orient = argv[3][0] == '1',
        .scale_dct = argv[4][0] == '1',
    };
    if (options.resize_px == 0 || options.crop_px == 0 || options.crop_px > 4096)
        return EXIT_FAILURE;
    uint8_t *slot = calloc((size_t)options.crop_px * options.crop_px, 3);
    if (!slot)
        return EXIT_FAILURE;
    for (int i = 5; i < argc; i++)
        dump(&options, argv[i], slot);
    free(slot);
    return ferror(stdout) || fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
