/* classifyd bench: the engine alone, by batch and threads. */
#include <inttypes.h>
#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/base/clock.h"
#include "model/net/slot_block.h"
#include "server/commands/command_table.h"
#include "server/commands/library.h"
#include "server/commands/terminal.h"
#include "server/config/cpu_count.h"
#include "server/document.h"

enum { MAX_BATCH = 256, MAX_THREADS = 1024, MIN_RUNS = 3, MAX_RUNS = 1 << 20 };

/* One line of the table. */
struct measurement {
    size_t batch;
    unsigned threads;
    size_t runs;
    double images_per_second; /* of the median run */
    uint64_t p50_us, p99_us;  /* of a whole batch */
    double gmac_per_second;
};

/* What all measurements share. */
struct bench {
    const struct command_call *call;
    const struct model *model;
    uint64_t image_macs;
    uint64_t duration_us;
    struct slot_block block; /* a slot an image of the largest batch: noise, not zeros */
    struct step_slot *slots; /* [largest batch] */
    uint64_t *times_us;      /* [MAX_RUNS] */
};

static int compare_times(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* The smallest of the sorted times that `percent` of them do not exceed. */
static uint64_t percentile(const uint64_t *times_us, size_t count, size_t percent)
{
    return times_us[(count * percent + 99) / 100 - 1];
}

/* xorshift64 (Marsaglia 2003): any noise will do, the same every time. */
static void fill_noise(uint8_t *bytes, size_t size)
{
    uint64_t state = 88172645463325252U;
    for (size_t i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[i] = (uint8_t)(state >> 32);
    }
}

static uint64_t count_macs(const struct model *model)
{
    const struct graph *graph = model_graph(model);
    struct graph_layer_cost *costs = alloc_array(graph->layer_count, sizeof *costs, SIZE_MAX);
    uint64_t macs = 0;
    if (!costs)
        return 0;
    graph_costs(graph, model_recipe(model)->crop_px, costs);
    for (size_t i = 0; i < graph->layer_count; i++)
        macs += costs[i].macs;
    free(costs);
    return macs;
}

static size_t largest_batch(const struct command_call *call)
{
    const int64_t *batches;
    size_t count = command_list(call, "batch", &batches), largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = (size_t)batches[i] > largest ? (size_t)batches[i] : largest;
    return largest;
}

static enum status bench_init(struct bench *bench, const struct command_call *call,
                              const struct model *model, struct error *error)
{
    int64_t seconds = 0;
    (void)command_integer(call, "seconds", &seconds);
    *bench = (struct bench){.call = call,
                            .model = model,
                            .image_macs = count_macs(model),
                            .duration_us = (uint64_t)seconds * 1000000};
    size_t largest = largest_batch(call);
    bench->slots = alloc_array(largest, sizeof *bench->slots, SIZE_MAX);
    bench->times_us = alloc_array(MAX_RUNS, sizeof *bench->times_us, SIZE_MAX);
    if (!bench->slots || !bench->times_us)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu images", largest);
    enum status status = slot_block_init(model_engine(model), largest, &bench->block, error);
    if (status)
        return status;
    fill_noise(bench->block.memory.data, bench->block.memory.size_bytes);
    for (size_t i = 0; i < largest; i++)
        bench->slots[i] = slot_block_slot(&bench->block, i);
    return STATUS_OK;
}

static void bench_fini(struct bench *bench)
{
    free(bench->times_us);
    free(bench->slots);
    slot_block_fini(&bench->block);
}

/* Runs until the time is over, and not less than MIN_RUNS times; the first run, which touches the
 * memory, does not count. */
static size_t run_many(struct bench *bench, struct engine_scratch *scratch, size_t batch,
                       float *logits)
{
    const struct engine *engine = model_engine(bench->model);
    struct engine_outputs outputs = {.logits = logits};
    engine_run(engine, scratch, batch, bench->slots, &outputs);
    uint64_t start_us = clock_now_us(), now_us = start_us;
    size_t runs = 0;
    while (runs < MIN_RUNS || (runs < MAX_RUNS && now_us - start_us < bench->duration_us)) {
        uint64_t before_us = now_us;
        engine_run(engine, scratch, batch, bench->slots, &outputs);
        now_us = clock_now_us();
        bench->times_us[runs++] = now_us - before_us;
    }
    return runs;
}

static enum status measure(struct bench *bench, size_t batch, unsigned threads,
                           struct measurement *ret_measurement, struct error *error)
{
    const struct engine *engine = model_engine(bench->model);
    struct engine_scratch *scratch;
    enum status status = engine_scratch_create(engine, batch, threads, &scratch, error);
    if (status)
        return status;
    float *logits = alloc_array(batch, engine_classes(engine) * sizeof(float), SIZE_MAX);
    if (!logits) {
        engine_scratch_destroy(scratch);
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu images", batch);
    }
    size_t runs = run_many(bench, scratch, batch, logits);
    free(logits);
    engine_scratch_destroy(scratch);

    qsort(bench->times_us, runs, sizeof *bench->times_us, compare_times);
    uint64_t p50_us = percentile(bench->times_us, runs, 50);
    double rate = p50_us ? (double)batch * 1e6 / (double)p50_us : 0;
    *ret_measurement =
        (struct measurement){.batch = batch,
                             .threads = threads,
                             .runs = runs,
                             .images_per_second = rate,
                             .p50_us = p50_us,
                             .p99_us = percentile(bench->times_us, runs, 99),
                             .gmac_per_second = rate * (double)bench->image_macs / 1e9};
    return STATUS_OK;
}

static void print_head(const struct bench *bench)
{
    char title[256];
    library_title(bench->model, title, sizeof title);
    printf("model    %s, %.3f GMAC an image, %s\n", title, (double)bench->image_macs / 1e9,
           model_precision(bench->model));
    const struct kernel_set *set = engine_kernel_set(model_engine(bench->model));
    printf("kernels  %s: %s\n\n", set->name, kernels_description(set));
    printf("%5s  %7s  %9s  %9s  %9s  %9s  %6s\n", "batch", "threads", "images/s", "p50 ms",
           "p99 ms", "GMAC/s", "runs");
}

static void print_line(const struct measurement *measurement)
{
    printf("%5zu  %7u  %9.1f  %9.2f  %9.2f  %9.1f  %6zu\n", measurement->batch,
           measurement->threads, measurement->images_per_second, (double)measurement->p50_us / 1e3,
           (double)measurement->p99_us / 1e3, measurement->gmac_per_second, measurement->runs);
}

static void put_measurement(struct json_doc *doc, struct json_node *into,
                            const struct measurement *measurement)
{
    struct json_node *node = json_node_put_object(doc, into, NULL);
    json_node_put_integer(doc, node, "batch", (int64_t)measurement->batch);
    json_node_put_integer(doc, node, "threads", measurement->threads);
    json_node_put_integer(doc, node, "runs", (int64_t)measurement->runs);
    json_node_put_number(doc, node, "images_per_second", measurement->images_per_second);
    json_node_put_number(doc, node, "p50_ms", (double)measurement->p50_us / 1e3);
    json_node_put_number(doc, node, "p99_ms", (double)measurement->p99_us / 1e3);
    json_node_put_number(doc, node, "gmac_per_second", measurement->gmac_per_second);
}

/* Every batch size with every number of threads; into `results` where that is not NULL, else to the
 * table. */
static enum status measure_all(struct bench *bench, struct json_doc *doc, struct json_node *results,
                               struct error *error)
{
    const int64_t *batches, *thread_counts;
    const int64_t usable[] = {cpu_count_usable()};
    size_t batch_count = command_list(bench->call, "batch", &batches);
    size_t thread_count = command_list(bench->call, "threads", &thread_counts);
    if (thread_count == 0) {
        thread_counts = usable;
        thread_count = 1;
    }
    for (size_t i = 0; i < thread_count; i++)
        for (size_t j = 0; j < batch_count; j++) {
            struct measurement measurement = {0};
            enum status status =
                measure(bench, (size_t)batches[j], (unsigned)thread_counts[i], &measurement, error);
            if (status)
                return status;
            if (results)
                put_measurement(doc, results, &measurement);
            else
                print_line(&measurement);
            if (!command_flush())
                return STATUS_OK;
        }
    return STATUS_OK;
}

static enum status run_text(struct bench *bench, struct error *error)
{
    print_head(bench);
    return measure_all(bench, NULL, NULL, error);
}

static enum status run_json(struct bench *bench, struct error *error)
{
    struct json_doc *doc = json_doc_create();
    if (!doc)
        return command_print_json(NULL, error);
    struct json_node *root = json_doc_root(doc);
    document_put_model(doc, root, bench->model);
    document_put_kernels(doc, root, bench->model);
    json_node_put_integer(doc, root, "macs", (int64_t)bench->image_macs);
    enum status status = measure_all(bench, doc, json_node_put_array(doc, root, "results"), error);
    if (!status)
        return command_print_json(doc, error);
    json_doc_destroy(doc);
    return status;
}

static enum status load_and_run(const struct command_call *call, const struct library *library,
                                struct model **ret_model, struct bench *bench, struct error *error)
{
    enum status status = library_load(library, call, command_text(call, "model"), ret_model, error);
    if (!status)
        status = bench_init(bench, call, *ret_model, error);
    if (status)
        return status;
    return command_flag(call, "json") ? run_json(bench, error) : run_text(bench, error);
}

static int run(const struct command_call *call)
{
    struct library library;
    struct model *model = NULL;
    struct bench bench = {0};
    struct error error = {0};
    enum status status = library_init(&library, call, &error);
    if (!status)
        status = load_and_run(call, &library, &model, &bench, &error);
    if (status)
        command_complain(call, "%s", error.text);
    bench_fini(&bench);
    model_destroy(model);
    library_fini(&library);
    return status ? COMMAND_FAILED : COMMAND_OK;
}

const struct command bench_command = {
    .name = "bench",
    .summary = "measure the engine's speed by batch size and threads",
    .description =
        "Runs the network on images that are in memory, already decoded, and prints for each batch "
        "size and number of threads the images a second of the median run, and the median and the "
        "99th percentile of a batch's time.\n\nWith --json, one document: {\"model\", \"kernels\", "
        "\"macs\", \"results\": [{\"batch\", \"threads\", \"runs\", \"images_per_second\", "
        "\"p50_ms\", \"p99_ms\", \"gmac_per_second\"}]}.",
    .options =
        (const struct command_option[]){
            COMMAND_OPTION_MODEL,
            {COMMAND_LIST, "batch", 'b', COMMAND_HINT_NONE, .value = "N[,N...]", .preset = "1,8",
             .min = 1, .max = MAX_BATCH, .help = "batch sizes"},
            {COMMAND_LIST, "threads", 't', COMMAND_HINT_NONE, .value = "N[,N...]", .min = 1,
             .max = MAX_THREADS,
             .help = "numbers of threads; otherwise the CPUs that this process may use"},
            {COMMAND_INTEGER, "seconds", 's', COMMAND_HINT_NONE, .value = "S", .preset = "3",
             .min = 0, .max = 3600, .help = "how long to measure each; three runs at least"},
            COMMAND_OPTION_JSON("print a JSON document"),
            COMMAND_OPTION_KERNELS,
            COMMAND_OPTION_PRECISION,
            COMMAND_OPTION_NO_CACHE,
            COMMAND_OPTION_FOLDERS,
            COMMAND_OPTION_CATALOGUE,
            COMMAND_OPTION_END,
        },
    .exit_failed = "the model could not be loaded",
    .examples =
        (const struct command_example[]){
            {"classifyd bench --model random:resnet50 --threads 1,2", "No weight file is needed"},
            {NULL, NULL},
        },
    .run = run,
};
