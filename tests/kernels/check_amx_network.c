/* A whole network on the AMX kernels, as a plan lays it out, against the same network on generic
 * ones: int8 logits to the last bit, bfloat16's within rounding. Where the CPU has no AMX the
 * kernels' machine code runs on the emulator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/kernels/amx/amx_set.h"
#include "model/kernels/cpu.h"
#include "model/net/plan.h"
#include "model/net/weights_random.h"
#include "tests/support/amx_emulator.h"

enum { IMAGES = 2, INPUT_PX = 48, CLASSES = 10, MAX_LAYERS = 32, MAX_CHANNELS = 2048 };

/* As kernels.c makes it, but for the set that it falls back to. */
static const struct kernel_set amx_set = {
    .name = "amx",
    .version = 1,
    .layout = {.image_pixel_multiple = 1, .has_halo = true, .pixel_multiple_bytes = 64},
    .kernels = amx_set_kernels,
};

struct network {
    struct weights *weights;
    struct graph *graph;
    uint8_t *slots[IMAGES];
};

static struct network make_network(void)
{
    struct network network = {0};
    const struct weights_random_spec spec = {.is_bottleneck = true,
                                             .blocks = {2, 1, 1, 1},
                                             .groups = 1,
                                             .width_per_group = 64,
                                             .classes = CLASSES,
                                             .seed = 3};
    assert_int_equal(weights_random_create(&spec, &network.weights, NULL), STATUS_OK);
    assert_int_equal(graph_create(network.weights, &network.graph, NULL), STATUS_OK);
    uint32_t random = 1;
    for (size_t image = 0; image < IMAGES; image++) {
        network.slots[image] = malloc((size_t)INPUT_PX * INPUT_PX * 3);
        assert_non_null(network.slots[image]);
        for (size_t i = 0; i < (size_t)INPUT_PX * INPUT_PX * 3; i++) {
            random = random * 1664525u + 1013904223u;
            network.slots[image][i] = (uint8_t)(random >> 24);
        }
    }
    return network;
}

static void drop_network(struct network *network)
{
    graph_destroy(network->graph);
    weights_destroy(network->weights);
    for (size_t i = 0; i < IMAGES; i++)
        free(network->slots[i]);
}

static void *zeroed(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
    assert_non_null(memory);
    memset(memory, 0, bytes);
    return memory;
}

/* Runs every step over both images, its last units first. */
static void run_plan(const struct plan *plan, const struct network *network,
                     float ret_logits[IMAGES][CLASSES])
{
    uint8_t *scratch = zeroed(plan->scratch_bytes);
    uint8_t **buffers = calloc(plan->buffer_count, sizeof *buffers);
    assert_non_null(buffers);
    for (size_t i = 0; i < plan->buffer_count; i++)
        buffers[i] = zeroed(plan->buffers[i].image_bytes * IMAGES);
    const struct step_slot slots[IMAGES] = {{TENSOR_U8, network->slots[0]},
                                            {TENSOR_U8, network->slots[1]}};
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];
        const struct step_run run = {
            .step = step, .buffers = buffers, .slots = slots, .images = IMAGES};
        for (size_t end = step->kernel->units(step, IMAGES); end > 0; end -= end < 3 ? end : 3)
            step->kernel->run(&run, end < 3 ? 0 : end - 3, end, scratch);
    }
    for (size_t image = 0; image < IMAGES; image++)
        memcpy(ret_logits[image], tensor_row_f32(plan->logits, buffers, image, 0),
               CLASSES * sizeof(float));
    for (size_t i = 0; i < plan->buffer_count; i++)
        free(buffers[i]);
    free(buffers);
    free(scratch);
}

static struct plan make_plan(const struct network *network, const struct kernel_set *set,
                             const struct quantization *quantization)
{
    struct plan plan;
    struct error error = {0};
    const struct plan_options options = {.input_px = INPUT_PX,
                                         .arithmetic = quantization ? STEP_INT8 : STEP_BF16,
                                         .quantization = quantization,
                                         .mean = {0.485f, 0.456f, 0.406f},
                                         .std = {0.229f, 0.224f, 0.225f}};
    if (plan_init(network->graph, set, &options, &plan, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return plan;
}

static bool is_convolution(const struct step *step)
{
    return step->op == STEP_CONV || step->op == STEP_CONV_INPUT;
}

static void run_on(const struct network *network, const struct kernel_set *set,
                   const struct quantization *quantization, float ret_logits[IMAGES][CLASSES])
{
    struct plan plan = make_plan(network, set, quantization);
    for (size_t i = 0; i < plan.step_count; i++)
        if (is_convolution(&plan.steps[i]) && set == &amx_set)
            assert_non_null(strstr(plan.steps[i].kernel->name, "_amx"));
    run_plan(&plan, network, ret_logits);
    plan_fini(&plan);
}

static const struct kernel_set *generic_set_of_the_machine(void)
{
    const struct kernel_set *generic = NULL;
    assert_int_equal(kernels_choose("generic", &generic, NULL), STATUS_OK);
    return generic;
}

static void install(void)
{
    struct cpu_features cpu = cpu_probe();
    if (!cpu.has_avx512_bf16 || amx_emulator_install() == AMX_EMULATOR_UNSUPPORTED) {
        print_message("skipped: what is around the tiles needs AVX-512 with BF16\n");
        skip();
    }
}

static void a_bf16_network_agrees(void **state)
{
    (void)state;
    install();
    struct network network = make_network();
    float found[IMAGES][CLASSES], expected[IMAGES][CLASSES], largest = 0;
    run_on(&network, &amx_set, NULL, found);
    run_on(&network, generic_set_of_the_machine(), NULL, expected);
    for (size_t i = 0; i < IMAGES * CLASSES; i++)
        largest = fmaxf(largest, fabsf(expected[i / CLASSES][i % CLASSES]));
    assert_true(largest > 0.01f);
    for (size_t i = 0; i < IMAGES * CLASSES; i++) {
        float off = fabsf(found[i / CLASSES][i % CLASSES] - expected[i / CLASSES][i % CLASSES]);
        if (!(off <= largest / 64)) /* roundings of 2^-9, layer upon layer */
            fail_msg("logit %zu is off by %g of %g", i, (double)off, (double)largest);
    }
    drop_network(&network);
}

/* Scales that saturate some values and use most levels. */
static void quantize(const struct plan *plan, float *scales, struct quantization_layer *ret_layers,
                     size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];
        if (!is_convolution(step))
            continue;
        assert_in_range(count, 0, MAX_LAYERS - 1);
        struct quantization_layer *layer = &ret_layers[count++];
        *layer = (struct quantization_layer){.arithmetic = STEP_INT8,
                                             .output_scale = 0.011f,
                                             .channels = step->output->channels,
                                             .scale = scales};
        memcpy(layer->name, step->name, sizeof layer->name);
    }
    *ret_count = count;
}

static void an_int8_network_has_the_same_bits(void **state)
{
    (void)state;
    install();
    struct network network = make_network();
    static float scales[MAX_CHANNELS];
    for (size_t i = 0; i < MAX_CHANNELS; i++)
        scales[i] = 1.5e-5f * (float)(1 + i % 3);
    struct quantization_layer layers[MAX_LAYERS];
    struct quantization quantization = {.layers = layers};
    struct plan plan = make_plan(&network, generic_set_of_the_machine(), NULL);
    quantize(&plan, scales, layers, &quantization.layer_count);
    plan_fini(&plan);
    float found[IMAGES][CLASSES], expected[IMAGES][CLASSES];
    run_on(&network, &amx_set, &quantization, found);
    run_on(&network, generic_set_of_the_machine(), &quantization, expected);
    assert_memory_equal(found, expected, sizeof found);
    /* and that it is no network of zeros, or of one image */
    assert_memory_not_equal(found[0], found[1], sizeof found[0]);
    for (size_t i = 0; i < CLASSES; i++)
        assert_true(isfinite(found[0][i]));
    drop_network(&network);
}

int main(void)
{
    kernels_prepare_process();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bf16_network_agrees),
        cmocka_unit_test(an_int8_network_has_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
