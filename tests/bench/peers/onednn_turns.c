/* oneDNN's side of a comparison: ResNet-50 as a list of its primitives, with the layouts that it
 * asks for. Weights are noise: this one is for its times, not for its answers.
 *
 * onednn_turns float32|bf16|int8 BATCH
 *
 * Prints "ready VERSION -", then answers "run MS" as engine_turns does. Threads are OpenMP's. */
#include <dnnl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/clock.h"

enum { MAX_OPERATIONS = 128, MAX_ARGUMENTS = 4, MAX_CHANNELS = 2048 };

/* One primitive with its memory; all live until the process ends. */
struct operation {
    dnnl_primitive_t primitive;
    int argument_count;
    dnnl_exec_arg_t arguments[MAX_ARGUMENTS];
};

struct network {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_data_type_t type, weight_type; /* of activations, of weights */
    dnnl_dim_t batch;
    size_t count;
    struct operation operations[MAX_OPERATIONS];
};

/* A tensor and its shape. */
struct value {
    dnnl_memory_t memory;
    dnnl_dim_t channels, side_px;
};

static void check(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return;
    (void)fprintf(stderr, "onednn_turns: %s: status %d\n", what, (int)status);
    exit(EXIT_FAILURE);
}

static const dnnl_memory_desc_t *describe(dnnl_memory_t memory)
{
    const dnnl_memory_desc_t *descriptor;
    check(dnnl_memory_get_memory_desc(memory, &descriptor), "a memory");
    return descriptor;
}

/* Small numbers of both signs, so that nothing overflows or becomes subnormal. */
static void fill(dnnl_memory_t memory)
{
    const dnnl_memory_desc_t *descriptor = describe(memory);
    size_t size = dnnl_memory_desc_get_size(descriptor);
    static uint32_t state = 2463534242u; /* xorshift32 (Marsaglia 2003) */
    void *data;
    check(dnnl_memory_get_data_handle(memory, &data), "a memory");
    memset(data, 0, size);
    for (size_t i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        float value = ((float)(state >> 8) / (float)(1 << 24) - 0.5f) / 50;
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        if (descriptor->data_type == dnnl_f32 && i < size / 4)
            ((float *)data)[i] = value;
        else if (descriptor->data_type == dnnl_bf16 && i < size / 2)
            ((uint16_t *)data)[i] = (uint16_t)(bits >> 16);
        else if (descriptor->data_type == dnnl_s8)
            ((int8_t *)data)[i] = (int8_t)(value * 1600);
        else if (descriptor->data_type == dnnl_u8)
            ((uint8_t *)data)[i] = (uint8_t)(state >> 24);
    }
}

static dnnl_memory_t allocate(struct network *network, const dnnl_memory_desc_t *descriptor)
{
    dnnl_memory_t memory;
    check(dnnl_memory_create(&memory, descriptor, network->engine, DNNL_MEMORY_ALLOCATE),
          "no memory");
    fill(memory);
    return memory;
}

/* Arguments are pairs of DNNL_ARG_* and memory. */
static void add(struct network *network, const_dnnl_primitive_desc_t descriptor, int count,
                const dnnl_exec_arg_t *arguments)
{
    if (network->count == MAX_OPERATIONS)
        check(dnnl_out_of_memory, "too many operations");
    struct operation *operation = &network->operations[network->count++];
    check(dnnl_primitive_create(&operation->primitive, descriptor), "a primitive");
    operation->argument_count = count;
    memcpy(operation->arguments, arguments, (size_t)count * sizeof *arguments);
}

/* Index 0 of weights is the weights, 1 the bias. */
static const dnnl_memory_desc_t *query(dnnl_primitive_desc_t descriptor, dnnl_query_t what,
                                       int index)
{
    return dnnl_primitive_desc_query_md(descriptor, what, index);
}

static dnnl_memory_desc_t any_layout(dnnl_data_type_t type, int count, const dnnl_dim_t *sides)
{
    dnnl_memory_desc_t descriptor;
    check(dnnl_memory_desc_init_by_tag(&descriptor, count, sides, type, dnnl_format_tag_any),
          "a descriptor");
    return descriptor;
}

/* What follows the products: a residual that is added where it lies, ReLU; scales of int8. */
static dnnl_primitive_attr_t make_attributes(const struct network *network, dnnl_dim_t channels,
                                             bool has_residual, bool has_relu)
{
    static float scales[MAX_CHANNELS];
    dnnl_primitive_attr_t attributes;
    dnnl_post_ops_t after;
    check(dnnl_primitive_attr_create(&attributes), "attributes");
    check(dnnl_post_ops_create(&after), "attributes");
    for (size_t i = 0; i < MAX_CHANNELS; i++)
        scales[i] = 0.001f;
    if (network->type == dnnl_u8) /* mask 2: one an output channel */
        check(dnnl_primitive_attr_set_output_scales(attributes, channels, 2, scales), "scales");
    if (has_residual)
        check(dnnl_post_ops_append_sum(after, 1), "a sum");
    if (has_relu)
        check(dnnl_post_ops_append_eltwise(after, 1, dnnl_eltwise_relu, 0, 0), "a ReLU");
    check(dnnl_primitive_attr_set_post_ops(attributes, after), "attributes");
    check(dnnl_post_ops_destroy(after), "attributes");
    return attributes;
}

struct convolution {
    dnnl_dim_t channels, kernel_px, stride_px;
    bool has_relu;
    const struct value *residual; /* written over; NULL: none */
};

static struct value convolve(struct network *network, const struct value *input,
                             const struct convolution *what)
{
    dnnl_dim_t pad = what->kernel_px / 2;
    dnnl_dim_t side = (input->side_px + 2 * pad - what->kernel_px) / what->stride_px + 1;
    dnnl_memory_desc_t weights = any_layout(
        network->weight_type, 4,
        (dnnl_dims_t){what->channels, input->channels, what->kernel_px, what->kernel_px});
    dnnl_memory_desc_t bias = any_layout(dnnl_f32, 1, (dnnl_dims_t){what->channels});
    dnnl_memory_desc_t output =
        what->residual ? *describe(what->residual->memory)
                       : any_layout(network->type, 4,
                                    (dnnl_dims_t){network->batch, what->channels, side, side});
    const dnnl_dims_t strides = {what->stride_px, what->stride_px}, pads = {pad, pad};
    dnnl_convolution_desc_t forward;
    dnnl_primitive_desc_t descriptor = NULL;
    dnnl_primitive_attr_t attributes =
        make_attributes(network, what->channels, what->residual != NULL, what->has_relu);
    /* It chooses the algorithm; where it has none for that, directly. */
    const dnnl_alg_kind_t algorithms[] = {dnnl_convolution_auto, dnnl_convolution_direct};
    for (int i = 0; i < 2 && !descriptor; i++) {
        check(dnnl_convolution_forward_desc_init(&forward, dnnl_forward_inference, algorithms[i],
                                                 describe(input->memory), &weights, &bias, &output,
                                                 strides, pads, pads),
              "a convolution");
        if (dnnl_primitive_desc_create(&descriptor, &forward, attributes, network->engine, NULL) !=
            dnnl_success)
            descriptor = NULL;
    }
    check(descriptor ? dnnl_success : dnnl_unimplemented, "a convolution");
    dnnl_memory_t memory = what->residual
                               ? what->residual->memory
                               : allocate(network, query(descriptor, dnnl_query_dst_md, 0));
    const dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, input->memory},
        {DNNL_ARG_WEIGHTS, allocate(network, query(descriptor, dnnl_query_weights_md, 0))},
        {DNNL_ARG_BIAS, allocate(network, query(descriptor, dnnl_query_weights_md, 1))},
        {DNNL_ARG_DST, memory}};
    add(network, descriptor, 4, arguments);
    check(dnnl_primitive_attr_destroy(attributes), "attributes");
    check(dnnl_primitive_desc_destroy(descriptor), "a convolution");
    return (struct value){memory, what->channels, side};
}

static struct value pool(struct network *network, const struct value *input, dnnl_alg_kind_t kind,
                         dnnl_dim_t kernel_px, dnnl_dim_t stride_px, dnnl_dim_t pad)
{
    dnnl_dim_t side = (input->side_px + 2 * pad - kernel_px) / stride_px + 1;
    /* Behind the last row only as far as a window reaches. */
    dnnl_dim_t behind = (side - 1) * stride_px + kernel_px - input->side_px - pad;
    dnnl_memory_desc_t output =
        any_layout(network->type, 4, (dnnl_dims_t){network->batch, input->channels, side, side});
    const dnnl_dims_t strides = {stride_px, stride_px}, kernel = {kernel_px, kernel_px};
    const dnnl_dims_t before = {pad, pad}, after = {behind, behind};
    dnnl_pooling_desc_t forward;
    dnnl_primitive_desc_t descriptor;
    check(dnnl_pooling_forward_desc_init(&forward, dnnl_forward_inference, kind,
                                         describe(input->memory), &output, strides, kernel, before,
                                         after),
          "a pooling");
    check(dnnl_primitive_desc_create(&descriptor, &forward, NULL, network->engine, NULL),
          "a pooling");
    dnnl_memory_t memory = allocate(network, query(descriptor, dnnl_query_dst_md, 0));
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, input->memory}, {DNNL_ARG_DST, memory}};
    add(network, descriptor, 2, arguments);
    check(dnnl_primitive_desc_destroy(descriptor), "a pooling");
    return (struct value){memory, input->channels, side};
}

static void connect(struct network *network, const struct value *input, dnnl_dim_t classes)
{
    dnnl_memory_desc_t weights =
        any_layout(network->weight_type, 4, (dnnl_dims_t){classes, input->channels, 1, 1});
    dnnl_memory_desc_t bias = any_layout(dnnl_f32, 1, (dnnl_dims_t){classes});
    dnnl_memory_desc_t output = any_layout(dnnl_f32, 2, (dnnl_dims_t){network->batch, classes});
    dnnl_inner_product_desc_t forward;
    dnnl_primitive_desc_t descriptor;
    check(dnnl_inner_product_forward_desc_init(&forward, dnnl_forward_inference,
                                               describe(input->memory), &weights, &bias, &output),
          "a linear layer");
    check(dnnl_primitive_desc_create(&descriptor, &forward, NULL, network->engine, NULL),
          "a linear layer");
    const dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, input->memory},
        {DNNL_ARG_WEIGHTS, allocate(network, query(descriptor, dnnl_query_weights_md, 0))},
        {DNNL_ARG_BIAS, allocate(network, query(descriptor, dnnl_query_weights_md, 1))},
        {DNNL_ARG_DST, allocate(network, query(descriptor, dnnl_query_dst_md, 0))}};
    add(network, descriptor, 4, arguments);
    check(dnnl_primitive_desc_destroy(descriptor), "a linear layer");
}

static dnnl_memory_t allocate_tagged(struct network *network, dnnl_data_type_t type)
{
    dnnl_memory_desc_t descriptor;
    const dnnl_dims_t sides = {network->batch, 3, 224, 224};
    check(dnnl_memory_desc_init_by_tag(&descriptor, 4, sides, type, dnnl_nhwc), "a descriptor");
    return allocate(network, &descriptor);
}

/* float32 NHWC pixels in, as the others get them; turned into the network's type first. */
static struct value take_pixels(struct network *network)
{
    dnnl_memory_t pixels = allocate_tagged(network, dnnl_f32);
    dnnl_memory_t input = allocate_tagged(network, network->type);
    dnnl_primitive_desc_t descriptor;
    check(dnnl_reorder_primitive_desc_create(&descriptor, describe(pixels), network->engine,
                                             describe(input), network->engine, NULL),
          "a reorder");
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, pixels}, {DNNL_ARG_TO, input}};
    add(network, descriptor, 2, arguments);
    check(dnnl_primitive_desc_destroy(descriptor), "a reorder");
    return (struct value){input, 3, 224};
}

static struct value add_bottleneck(struct network *network, const struct value *input,
                                   dnnl_dim_t width, dnnl_dim_t stride_px)
{
    struct value shortcut = *input;
    if (input->channels != 4 * width)
        shortcut =
            convolve(network, input, &(struct convolution){4 * width, 1, stride_px, false, NULL});
    struct value first = convolve(network, input, &(struct convolution){width, 1, 1, true, NULL});
    struct value second =
        convolve(network, &first, &(struct convolution){width, 3, stride_px, true, NULL});
    return convolve(network, &second, &(struct convolution){4 * width, 1, 1, true, &shortcut});
}

static void build(struct network *network)
{
    static const int blocks[] = {3, 4, 6, 3};
    struct value value = take_pixels(network);
    value = convolve(network, &value, &(struct convolution){64, 7, 2, true, NULL});
    value = pool(network, &value, dnnl_pooling_max, 3, 2, 1);
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < blocks[stage]; i++)
            value = add_bottleneck(network, &value, 64 << stage, stage > 0 && i == 0 ? 2 : 1);
    value = pool(network, &value, dnnl_pooling_avg_exclude_padding, 7, 7, 0);
    connect(network, &value, 1000);
}

static void run(struct network *network)
{
    for (size_t i = 0; i < network->count; i++) {
        struct operation *operation = &network->operations[i];
        check(dnnl_primitive_execute(operation->primitive, network->stream,
                                     operation->argument_count, operation->arguments),
              "a run");
    }
    check(dnnl_stream_wait(network->stream), "a run");
}

int main(int argc, char **argv)
{
    static struct network network;
    if (argc != 3)
        check(dnnl_invalid_arguments, "float32|bf16|int8 BATCH");
    bool is_int8 = strcmp(argv[1], "int8") == 0, is_bf16 = strcmp(argv[1], "bf16") == 0;
    network.type = is_int8 ? dnnl_u8 : is_bf16 ? dnnl_bf16 : dnnl_f32;
    network.weight_type = is_int8 ? dnnl_s8 : network.type;
    network.batch = strtol(argv[2], NULL, 10);
    check(dnnl_engine_create(&network.engine, dnnl_cpu, 0), "no CPU");
    check(dnnl_stream_create(&network.stream, network.engine, dnnl_stream_default_flags),
          "no stream");
    build(&network);
    run(&network);
    const dnnl_version_t *version = dnnl_version();
    printf("ready %d.%d.%d -\n", version->major, version->minor, version->patch);
    (void)fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        uint64_t wanted_us = strtoul(line + 4, NULL, 10) * 1000, took_us = 0;
        uint64_t start_us = clock_now_us();
        size_t runs = 0;
        do {
            run(&network);
            runs++;
            took_us = clock_now_us() - start_us;
        } while (took_us < wanted_us);
        printf("%zu %" PRIu64 "\n", runs, took_us);
        (void)fflush(stdout);
    }
    return EXIT_SUCCESS;
}
