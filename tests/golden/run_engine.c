/* Runs a network on given inputs for the golden tests.
 *
 * run_engine WEIGHTS INPUTS.f32 INPUT_PX IMAGES BATCH THREADS KERNELS PASS FOLDER [LAYER...]
 * INPUTS.f32 holds [images, px, px, 3] normalised float32. Writes FOLDER/logits.f32 [images,
 * classes] and the output of each LAYER in the first batch, dense, to FOLDER/<layer>.f32 [batch, h,
 * w, c]. WEIGHTS is a file, or random:ARCHITECTURE?SEED (10 classes). PASS is the engine's
 * images_per_pass. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/mapped_file.h"
#include "model/net/architecture.h"
#include "model/net/engine.h"
#include "model/net/weights.h"
#include "model/net/weights_random.h"

static void check(enum status status, const struct error *error)
{
    if (status == STATUS_OK)
        return;
    fprintf(stderr, "run_engine: %s: %s\n", status_code(status), error->text);
    exit(1);
}

static FILE *open_output(const char *folder, const char *name, const char *mode)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.f32", folder, name);
    FILE *file = fopen(path, mode);
    if (!file) {
        perror(path);
        exit(1);
    }
    return file;
}

/* What to write of a run. */
struct dump {
    const char *folder;
    const char *const *layers; /* ends with NULL */
};

static void dump_step(void *user, const struct step_run *run, uint64_t elapsed_us)
{
    (void)elapsed_us;
    const struct dump *dump = user;
    const struct step *step = run->step;
    const struct tensor *tensor = step->output;
    const char *const *layer = dump->layers;
    while (*layer && strcmp(*layer, step->name) != 0)
        layer++;
    if (!*layer)
        return;
    FILE *file =
        open_output(dump->folder, step->name, run->first_image ? "ab" : "wb"); /* by passes */
    for (size_t i = 0; i < run->images; i++)
        for (size_t y = 0; y < tensor->height_px; y++)
            for (size_t x = 0; x < tensor->width_px; x++)
                for (size_t c = 0; c < tensor->channels; c++) {
                    const uint8_t *pixel =
                        tensor_pixel(tensor, run->buffers, run->first_image + i, y, x);
                    float value = tensor_value(tensor, pixel, c);
                    fwrite(&value, sizeof value, 1, file);
                }
    fclose(file);
}

static struct weights *load(const char *name, struct error *error)
{
    struct weights *weights = NULL;
    char architecture_name[64];
    unsigned long long seed;
    if (sscanf(name, "random:%63[^?]?%llu", architecture_name, &seed) != 2) {
        check(weights_open(name, &weights, error), error);
        return weights;
    }
    const struct architecture *architecture = architecture_find(architecture_name);
    if (!architecture)
        exit(2);
    struct weights_random_spec spec = {.is_bottleneck = architecture->is_bottleneck,
                                       .groups = architecture->groups,
                                       .width_per_group = architecture->width_per_group,
                                       .classes = 10,
                                       .seed = seed};
    memcpy(spec.blocks, architecture->blocks, sizeof spec.blocks);
    check(weights_random_create(&spec, &weights, error), error);
    return weights;
}

static void run(const struct engine *engine, const char *const *arguments, struct span inputs,
                struct dump *dump, struct error *error)
{
    size_t images = strtoul(arguments[0], NULL, 10), batch = strtoul(arguments[1], NULL, 10);
    size_t slot_bytes = engine_slot_bytes(engine, TENSOR_F32) - ENGINE_SLOT_SLACK_BYTES;
    struct engine_scratch *scratch;
    check(engine_scratch_create(engine, batch, (unsigned)strtoul(arguments[2], NULL, 10), &scratch,
                                error),
          error);
    struct step_slot *slots = calloc(batch, sizeof *slots);
    float *logits = calloc(batch * engine_classes(engine), sizeof *logits);
    FILE *file = open_output(dump->folder, "logits", "wb");
    if (!slots || !logits || inputs.size < images * slot_bytes)
        exit(2);
    for (size_t done = 0; done < images; done += batch) {
        size_t count = images - done < batch ? images - done : batch;
        for (size_t i = 0; i < count; i++)
            slots[i] = (struct step_slot){TENSOR_F32, inputs.data + (done + i) * slot_bytes};
        engine_scratch_observe(
            scratch, (struct engine_observer){.step_done = done ? NULL : dump_step, .user = dump});
        engine_run(engine, scratch, count, slots, &(struct engine_outputs){.logits = logits});
        fwrite(logits, sizeof *logits * engine_classes(engine), count, file);
    }
    fclose(file);
    free(logits);
    free(slots);
    engine_scratch_destroy(scratch);
}

int main(int argc, char **argv)
{
    if (argc < 10) {
        fprintf(stderr, "usage: run_engine WEIGHTS INPUTS.f32 INPUT_PX IMAGES BATCH THREADS "
                        "KERNELS[:PRECISION] PASS FOLDER [LAYER...]\n");
        return 2;
    }
    kernels_prepare_process();
    struct error error = {0};
    struct graph *graph;
    struct engine *engine;
    struct mapped_file inputs;
    struct weights *weights = load(argv[1], &error);
    check(mapped_file_init(argv[2], SIZE_MAX, &inputs, &error), &error);
    check(graph_create(weights, &graph, &error), &error);
    const char *precision = strchr(argv[7], ':');
    char *kernels = strndup(argv[7], strcspn(argv[7], ":"));
    struct engine_options options = {.input_px = (uint32_t)strtoul(argv[3], NULL, 10),
                                     .std = {1, 1, 1},
                                     .kernels = kernels,
                                     .precision = precision ? precision + 1 : "float32",
                                     .images_per_pass = (uint32_t)strtoul(argv[8], NULL, 10)};
    check(engine_create(graph, &options, &engine, &error), &error);
    free(kernels);
    const struct kernel_set *set = engine_kernel_set(engine);
    printf("%s %s: %s\n", graph->family, set->name, kernels_description(set));
    struct dump dump = {argv[9], (const char *const *)argv + 10};
    run(engine, (const char *const *)argv + 4, inputs.bytes, &dump, &error);
    engine_destroy(engine);
    graph_destroy(graph);
    weights_destroy(weights);
    mapped_file_fini(&inputs);
    return 0;
}
