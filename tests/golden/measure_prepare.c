/* Prints what image_prepare takes in memory, for test_prepare_memory.py: "SAID TAKEN", what
 * image_prepare_bytes says from the header and by how much the process grew at most, in bytes.
 *
 *   measure_prepare FILE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/mapped_file.h"
#include "model/image/decode.h"
#include "model/image/prepare.h"

enum { RESIZE_PX = 232, CROP_PX = 224 };

/* Not getrusage: its maximum is handed down from the program that started this one. */
static size_t peak_bytes(void)
{
    char line[128];
    size_t kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoul(line + 6, NULL, 10);
    if (status)
        (void)fclose(status);
    return kib * 1024;
}

int main(int argc, char **argv)
{
    static uint8_t slot[CROP_PX * CROP_PX * 3];
    const struct image_prepare_options options = {.limits = image_prepare_default_limits,
                                                  .resize_px = RESIZE_PX,
                                                  .crop_px = CROP_PX,
                                                  .orient = true};
    struct mapped_file file = {0};
    struct image_info info;
    struct error error = {0};
    if (argc != 2 || mapped_file_init(argv[1], (size_t)1 << 30, &file, &error))
        return EXIT_FAILURE;
    /* Its pages are there already when the counting begins. */
    uint8_t sum = 0;
    for (size_t i = 0; i < file.bytes.size; i++)
        sum ^= file.bytes.data[i];
    slot[0] = sum;
    if (decode_header(file.bytes, &options.limits, &info, &error))
        return EXIT_FAILURE;
    size_t before = peak_bytes();
    if (image_prepare(&options, file.bytes, slot, &info, NULL, &error))
        return EXIT_FAILURE;
    printf("%zu %zu\n", image_prepare_bytes(&options, &info), peak_bytes() - before);
    mapped_file_fini(&file);
    return EXIT_SUCCESS;
}
