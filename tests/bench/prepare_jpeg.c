/* How long image_prepare takes for JPEG files, beside libjpeg-turbo's plain decoding of the same
 * files into whole images; the two take turns, file by file. Printed is the mean over the files of
 * each one's shortest time, and the median of the ratios of neighbouring turns.
 *
 * prepare_jpeg RESIZE CROP SECONDS FILE... */
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "model/base/clock.h"
#include "model/base/mapped_file.h"
#include "model/image/decode.h"
#include "model/image/prepare.h"
#include "model/image/resize_kernel.h"

enum { MAX_FILES = 4096, MAX_TURNS = 1 << 20, RUNS = 4 };

struct bench {
    size_t count;
    struct mapped_file files[MAX_FILES];
    uint8_t *slot, *pixels;
    struct image_prepare_options options;
    uint64_t shortest_us[MAX_FILES][RUNS];
    double *ratios[RUNS]; /* [MAX_TURNS] */
    size_t turns;
};

static const char *const names[RUNS] = {"libjpeg, whole image", "image_prepare", "of it resizing",
                                        "image_prepare, scaled DCT"};

static void need(bool is_met, const char *what)
{
    if (is_met)
        return;
    (void)fprintf(stderr, "prepare_jpeg: %s\n", what);
    exit(EXIT_FAILURE);
}

static void decode_whole(struct bench *bench, struct span bytes)
{
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, bytes.data, bytes.size);
    (void)jpeg_read_header(&jpeg, TRUE);
    jpeg.out_color_space = JCS_RGB;
    (void)jpeg_start_decompress(&jpeg);
    while (jpeg.output_scanline < jpeg.output_height) {
        JSAMPROW row = bench->pixels + 3 * (size_t)jpeg.output_width * jpeg.output_scanline;
        (void)jpeg_read_scanlines(&jpeg, &row, 1);
    }
    (void)jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
}

/* One turn of each. */
static void measure(struct bench *bench, size_t file)
{
    struct span bytes = bench->files[file].bytes;
    struct image_info info;
    struct image_prepare_times times = {0};
    uint64_t start_us = clock_now_us();
    decode_whole(bench, bytes);
    uint64_t whole_us = clock_now_us();
    bench->options.scale_dct = false;
    need(!image_prepare(&bench->options, bytes, bench->slot, &info, &times, NULL), "not prepared");
    uint64_t prepared_us = clock_now_us();
    bench->options.scale_dct = true;
    need(!image_prepare(&bench->options, bytes, bench->slot, &info, NULL, NULL), "not prepared");
    uint64_t took_us[RUNS] = {whole_us - start_us, prepared_us - whole_us, times.preprocess_us,
                              clock_now_us() - prepared_us};
    for (size_t i = 0; i < RUNS; i++) {
        uint64_t *shortest_us = &bench->shortest_us[file][i];
        if (*shortest_us == 0 || took_us[i] < *shortest_us)
            *shortest_us = took_us[i];
        if (bench->turns < MAX_TURNS)
            bench->ratios[i][bench->turns] = (double)took_us[i] / (double)took_us[0];
    }
    bench->turns += bench->turns < MAX_TURNS;
}

/* The files that are JPEGs of three components; memory for the largest. */
static void load(struct bench *bench, char **paths, size_t count)
{
    size_t most = 0;
    for (size_t i = 0; i < count && bench->count < MAX_FILES; i++) {
        struct mapped_file *file = &bench->files[bench->count];
        struct image_info info;
        need(!mapped_file_init(paths[i], (size_t)1 << 30, file, NULL), "a file cannot be read");
        if (decode_header(file->bytes, &image_prepare_default_limits, &info, NULL) ||
            info.format != IMAGE_FORMAT_JPEG)
            continue;
        size_t bytes = 3 * (size_t)info.width_px * info.height_px;
        most = bytes > most ? bytes : most;
        bench->count++;
    }
    need(bench->count > 0, "no JPEG among the files");
    bench->pixels = malloc(most);
    bench->slot = malloc(3 * (size_t)bench->options.crop_px * bench->options.crop_px);
    for (size_t i = 0; i < RUNS; i++)
        need((bench->ratios[i] = calloc(MAX_TURNS, sizeof(double))) != NULL, "no memory");
    need(bench->pixels && bench->slot, "no memory");
}

static int compare_ratios(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void print(struct bench *bench)
{
    printf("%zu files, %zu turns, %s resize\n", bench->count, bench->turns,
           resize_kernel_best()->name);
    for (size_t i = 0; i < RUNS; i++) {
        uint64_t sum_us = 0;
        for (size_t file = 0; file < bench->count; file++)
            sum_us += bench->shortest_us[file][i];
        qsort(bench->ratios[i], bench->turns, sizeof(double), compare_ratios);
        printf("%-28s %8.1f us %6.3f\n", names[i], (double)sum_us / (double)bench->count,
               bench->ratios[i][bench->turns / 2]);
    }
}

int main(int argc, char **argv)
{
    static struct bench bench;
    need(argc > 4, "RESIZE CROP SECONDS FILE...");
    bench.options =
        (struct image_prepare_options){.limits = image_prepare_default_limits,
                                       .resize_px = (uint32_t)strtoul(argv[1], NULL, 10),
                                       .crop_px = (uint32_t)strtoul(argv[2], NULL, 10),
                                       .orient = true};
    double seconds = strtod(argv[3], NULL);
    need(bench.options.resize_px > 0 && bench.options.crop_px > 0 && seconds > 0, "three numbers");
    load(&bench, argv + 4, (size_t)(argc - 4));
    uint64_t end_us = clock_now_us() + (uint64_t)(seconds * 1e6);
    do {
        for (size_t i = 0; i < bench.count; i++)
            measure(&bench, i);
    } while (clock_now_us() < end_us);
    print(&bench);
    return EXIT_SUCCESS;
}
