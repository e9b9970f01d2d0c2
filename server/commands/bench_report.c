#include "server/commands/bench_report.h"

#include <stdio.h>
#include <string.h>

#include "server/commands/library.h"
#include "server/document.h"

static void format_input(const struct bench_engine *bench, char *ret_text, size_t size)
{
    if (bench->photograph_count > 0)
        (void)snprintf(ret_text, size, "%zu photograph%s", bench->photograph_count,
                       bench->photograph_count == 1 ? "" : "s");
    else
        (void)snprintf(ret_text, size, "noise");
}

void bench_report_print_head(const struct bench_engine *bench)
{
    const struct model *model = bench->options.model;
    char title[256], input[64];
    library_title(model, title, sizeof title);
    format_input(bench, input, sizeof input);
    printf("model    %s, %.3f GMAC an image, %s\n", title, (double)bench->image_macs / 1e9,
           model_precision(model));
    const struct kernel_set *set = engine_kernel_set(model_engine(model));
    printf("kernels  %s: %s\n", set->name, kernels_description(set));
    printf("input    %s\n\n", input);
    printf("%5s  %7s  %9s  %9s  %9s  %9s  %6s\n", "batch", "threads", "images/s", "p50 ms",
           "p99 ms", "GMAC/s", "runs");
}

void bench_report_print_result(const struct bench_engine_result *result)
{
    printf("%5zu  %7u  %9.1f  %9.2f  %9.2f  %9.1f  %6zu\n", result->batch, result->threads,
           result->images_per_second, (double)result->p50_us / 1e3, (double)result->p99_us / 1e3,
           result->gmac_per_second, result->runs);
}

static void print_peaks(const struct bench_peaks *peaks)
{
    printf("\npeaks of %u thread%s, measured: ", peaks->threads, peaks->threads == 1 ? "" : "s");
    for (int i = 0; i < BURST_ARITHMETIC_COUNT; i++)
        if (peaks->operations_per_second[i] > 0)
            printf("%s %.1f G%s/s, ", burst_arithmetic_name((enum burst_arithmetic)i),
                   peaks->operations_per_second[i] / 1e9, i == BURST_INT8 ? "OP" : "FLOP");
    printf("reading");
    for (size_t i = 0; i < peaks->level_count; i++)
        printf(" %s %.1f GB/s%s", peaks->levels[i].name, peaks->levels[i].bytes_per_second / 1e9,
               i + 1 < peaks->level_count ? "," : "\n\n");
}

static int longest_name(const struct bench_profile *profile)
{
    size_t longest = strlen("layer");
    for (size_t i = 0; i < profile->layer_count; i++) {
        size_t length = strlen(profile->layers[i].step->name);
        longest = length > longest ? length : longest;
    }
    return (int)longest;
}

static int longest_kernel(const struct bench_profile *profile)
{
    size_t longest = strlen("kernel");
    for (size_t i = 0; i < profile->layer_count; i++) {
        size_t length = strlen(profile->layers[i].step->kernel->name);
        longest = length > longest ? length : longest;
    }
    return (int)longest;
}

static double giga_per_second(uint64_t count, double time_us)
{
    return time_us > 0 ? (double)count / time_us / 1e3 : 0;
}

void bench_report_print_profile(const struct bench_profile *profile)
{
    int names = longest_name(profile), kernels = longest_kernel(profile);
    print_peaks(&profile->peaks);
    printf("%-*s  %-*s  %-22s  %7s  %9s  %6s  %7s  %7s  %7s  bound\n", names, "layer", kernels,
           "kernel", "shape", "GMAC", "ms", "time", "GFLOP/s", "of peak", "MB");
    for (size_t i = 0; i < profile->layer_count; i++) {
        const struct bench_profile_layer *layer = &profile->layers[i];
        printf("%-*s  %-*s  %-22s  %7.3f  %9.3f  %4.1f %%  %7.1f  %5.0f %%  %7.2f  %s\n", names,
               layer->step->name, kernels, layer->step->kernel->name, layer->shape,
               (double)layer->macs / 1e9, layer->time_us / 1e3, 100 * layer->share,
               giga_per_second(layer->operations, layer->time_us), 100 * layer->peak_share,
               (double)layer->bytes / 1e6, layer->bound);
    }
    printf("\n%-8s  %7s  %9s  %6s  %7s\n", "stage", "GMAC", "ms", "time", "GFLOP/s");
    for (size_t i = 0; i < profile->stage_count; i++) {
        const struct bench_profile_stage *stage = &profile->stages[i];
        printf("%-8s  %7.3f  %9.3f  %4.1f %%  %7.1f\n", stage->name, (double)stage->macs / 1e9,
               stage->time_us / 1e3, 100 * stage->share,
               giga_per_second(2 * stage->macs, stage->time_us));
    }
    printf("%-8s  %7s  %9.3f  %zu layers, medians of %zu runs of a batch of %zu\n\n", "total", "",
           profile->time_us / 1e3, profile->layer_count, profile->runs, profile->batch);
}

void bench_report_put_head(struct json_doc *doc, struct json_node *root,
                           const struct bench_engine *bench)
{
    char input[64];
    format_input(bench, input, sizeof input);
    document_put_model(doc, root, bench->options.model);
    document_put_kernels(doc, root, bench->options.model);
    json_node_put_integer(doc, root, "macs", (int64_t)bench->image_macs);
    json_node_put_string(doc, root, "input", input);
}

static void put_peaks(struct json_doc *doc, struct json_node *into, const struct bench_peaks *peaks)
{
    struct json_node *node = json_node_put_object(doc, into, "peaks");
    json_node_put_integer(doc, node, "threads", peaks->threads);
    struct json_node *operations = json_node_put_object(doc, node, "gop_per_second");
    for (int i = 0; i < BURST_ARITHMETIC_COUNT; i++)
        if (peaks->operations_per_second[i] > 0)
            json_node_put_number(doc, operations, burst_arithmetic_name((enum burst_arithmetic)i),
                                 peaks->operations_per_second[i] / 1e9);
    struct json_node *bandwidth = json_node_put_object(doc, node, "gb_per_second");
    for (size_t i = 0; i < peaks->level_count; i++)
        json_node_put_number(doc, bandwidth, peaks->levels[i].name,
                             peaks->levels[i].bytes_per_second / 1e9);
}

static void put_layer(struct json_doc *doc, struct json_node *layers,
                      const struct bench_profile_layer *layer)
{
    struct json_node *node = json_node_put_object(doc, layers, NULL);
    document_put_text(doc, node, "name", layer->step->name);
    json_node_put_string(doc, node, "stage", layer->stage);
    json_node_put_string(doc, node, "kernel", layer->step->kernel->name);
    json_node_put_string(doc, node, "arithmetic", burst_arithmetic_name(layer->arithmetic));
    json_node_put_string(doc, node, "shape", layer->shape);
    json_node_put_integer(doc, node, "macs", (int64_t)layer->macs);
    json_node_put_number(doc, node, "time_ms", layer->time_us / 1e3);
    json_node_put_number(doc, node, "share", layer->share);
    json_node_put_number(doc, node, "gop_per_second",
                         giga_per_second(layer->operations, layer->time_us));
    json_node_put_number(doc, node, "peak_share", layer->peak_share);
    json_node_put_integer(doc, node, "bytes", (int64_t)layer->bytes);
    json_node_put_string(doc, node, "bound", layer->bound);
}

static void put_profile(struct json_doc *doc, struct json_node *into,
                        const struct bench_profile *profile)
{
    struct json_node *node = json_node_put_object(doc, into, "profile");
    put_peaks(doc, node, &profile->peaks);
    json_node_put_number(doc, node, "time_ms", profile->time_us / 1e3);
    json_node_put_number(doc, node, "run_ms", profile->run_us_median / 1e3);
    struct json_node *layers = json_node_put_array(doc, node, "layers");
    for (size_t i = 0; i < profile->layer_count; i++)
        put_layer(doc, layers, &profile->layers[i]);
    struct json_node *stages = json_node_put_array(doc, node, "stages");
    for (size_t i = 0; i < profile->stage_count; i++) {
        struct json_node *stage = json_node_put_object(doc, stages, NULL);
        json_node_put_string(doc, stage, "name", profile->stages[i].name);
        json_node_put_integer(doc, stage, "macs", (int64_t)profile->stages[i].macs);
        json_node_put_number(doc, stage, "time_ms", profile->stages[i].time_us / 1e3);
        json_node_put_number(doc, stage, "share", profile->stages[i].share);
    }
}

void bench_report_put_result(struct json_doc *doc, struct json_node *results,
                             const struct bench_engine_result *result,
                             const struct bench_profile *profile)
{
    struct json_node *node = json_node_put_object(doc, results, NULL);
    json_node_put_integer(doc, node, "batch", (int64_t)result->batch);
    json_node_put_integer(doc, node, "threads", result->threads);
    json_node_put_integer(doc, node, "runs", (int64_t)result->runs);
    json_node_put_number(doc, node, "images_per_second", result->images_per_second);
    struct json_node *latency = json_node_put_object(doc, node, "latency_ms");
    json_node_put_number(doc, latency, "p50", (double)result->p50_us / 1e3);
    json_node_put_number(doc, latency, "p99", (double)result->p99_us / 1e3);
    json_node_put_number(doc, node, "gmac_per_second", result->gmac_per_second);
    if (profile)
        put_profile(doc, node, profile);
}
