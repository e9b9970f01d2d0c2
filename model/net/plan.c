#include "model/net/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "model/net/plan_levels.h"
#include "model/net/plan_pack.h"
#include "model/net/plan_place.h"

/* A plan in the making: which tensor each layer writes. */
struct builder {
    const struct graph *graph;
    const struct plan_options *options;
    struct plan *plan;
    struct tensor *
        *layer_tensor; /* [layer_count]; NULL for a projection, which is no step of its own */
    enum tensor_type *layer_type; /* [layer_count]: of its output */
    struct error *error;
};

static size_t round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

static struct tensor *layer_input(const struct builder *builder, const struct graph_layer *layer)
{
    return layer->input == GRAPH_NO_LAYER ? &builder->plan->tensors[0]
                                          : builder->layer_tensor[layer->input];
}

/* Whether layer `index` is only ever added by one other: a block's projection shortcut. */
static bool is_projection(const struct graph *graph, size_t index)
{
    const struct graph_layer *layer = &graph->layers[index];
    unsigned added = 0, read = 0;
    for (size_t i = 0; i < graph->layer_count; i++) {
        added += graph->layers[i].residual == (int)index;
        read += graph->layers[i].input == (int)index;
    }
    return layer->op == GRAPH_CONV && layer->kernel_px == 1 && layer->groups == 1 &&
           !layer->has_relu && added == 1 && read == 0;
}

/* Activations have the type that the arithmetic reads; what only the pooling reads stays float32.
 */
static void choose_types(struct builder *builder)
{
    const struct graph *graph = builder->graph;
    for (size_t i = 0; i < graph->layer_count; i++) {
        bool is_vector =
            graph->layers[i].op == GRAPH_AVERAGE_POOL || graph->layers[i].op == GRAPH_LINEAR;
        bool is_pooled = false;
        for (size_t k = i + 1; k < graph->layer_count; k++)
            is_pooled = is_pooled || (graph->layers[k].op == GRAPH_AVERAGE_POOL &&
                                      graph->layers[k].input == (int)i);
        builder->layer_type[i] =
            is_vector || is_pooled ? TENSOR_F32 : step_tensor_type(builder->options->arithmetic);
    }
}

/* Zeros that the convolutions which read layer `index` want around it. */
static uint32_t halo_of(const struct builder *builder, size_t index)
{
    const struct graph *graph = builder->graph;
    uint32_t halo = 0;
    for (size_t i = 0; i < graph->layer_count && builder->plan->set->layout.has_halo; i++)
        if (graph->layers[i].op == GRAPH_CONV && graph->layers[i].input == (int)index &&
            graph->layers[i].pad_px > halo)
            halo = graph->layers[i].pad_px;
    return halo;
}

/* Elements from one pixel to the next. */
static size_t pixel_stride(const struct kernel_layout *layout, uint32_t channels,
                           enum tensor_type type)
{
    size_t multiple = layout->pixel_multiple_bytes, element = tensor_element_bytes(type);
    if (multiple == 0)
        return channels;
    size_t bytes = round_up(channels * element, multiple);
    bool is_power_of_two = (bytes & (bytes - 1)) == 0;
    if (is_power_of_two && bytes >= KERNELS_POWER_OF_TWO_BYTES)
        bytes += multiple;
    return bytes / element;
}

/* A tensor laid out as the set wants it; a vector (a side of one, behind the pooling) is dense. */
static struct tensor *add_tensor(struct builder *builder, size_t index, uint32_t side_px)
{
    struct plan *plan = builder->plan;
    const struct graph_layer *layer = &builder->graph->layers[index];
    const struct kernel_layout *layout = &plan->set->layout;
    bool is_vector = layer->op == GRAPH_AVERAGE_POOL || layer->op == GRAPH_LINEAR;
    enum tensor_type type = builder->layer_type[index];
    size_t halo = is_vector ? 0 : halo_of(builder, index);
    size_t stride =
        is_vector ? layer->out_channels : pixel_stride(layout, layer->out_channels, type);
    size_t row_px = side_px + 2 * halo;
    size_t pixels = round_up(row_px * row_px, is_vector ? 1 : layout->image_pixel_multiple);
    struct tensor *tensor = &plan->tensors[plan->tensor_count++];
    *tensor = (struct tensor){.type = type,
                              .height_px = side_px,
                              .width_px = side_px,
                              .channels = layer->out_channels,
                              .halo_px = (uint32_t)halo,
                              .scale = 1.0f,
                              .pixel_stride = stride,
                              .row_stride = row_px * stride,
                              .image_stride = pixels * stride,
                              .padding = (pixels - row_px * row_px) * stride,
                              .offset_bytes =
                                  (halo * row_px + halo) * stride * tensor_element_bytes(type)};
    return tensor;
}

static void add_slot_tensor(struct builder *builder)
{
    uint32_t side = builder->options->input_px;
    builder->plan->tensors[builder->plan->tensor_count++] =
        (struct tensor){.type = TENSOR_U8,
                        .height_px = side,
                        .width_px = side,
                        .channels = 3,
                        .scale = 1.0f,
                        .pixel_stride = 3,
                        .row_stride = (size_t)side * 3,
                        .image_stride = (size_t)side * side * 3};
}

static enum step_op step_op_of(const struct graph_layer *layer)
{
    switch (layer->op) {
    case GRAPH_CONV:
        return layer->input == GRAPH_NO_LAYER ? STEP_CONV_INPUT : STEP_CONV;
    case GRAPH_MAX_POOL:
        return STEP_MAX_POOL;
    case GRAPH_AVERAGE_POOL:
        return STEP_AVERAGE_POOL;
    case GRAPH_LINEAR:
        break;
    }
    return STEP_LINEAR;
}

/* Sets residual, projection and output of the step of layer `index`. */
static void connect(struct builder *builder, size_t index, uint32_t out_px, struct step *step)
{
    const struct graph *graph = builder->graph;
    int residual = graph->layers[index].residual;
    if (residual != GRAPH_NO_LAYER && is_projection(graph, (size_t)residual)) {
        step->projection = layer_input(builder, &graph->layers[residual]);
        step->projection_stride_px = graph->layers[residual].stride_px;
    } else if (residual != GRAPH_NO_LAYER) {
        step->residual = builder->layer_tensor[residual];
    }
    builder->layer_tensor[index] = add_tensor(builder, index, out_px);
    step->output = builder->layer_tensor[index];
}

/* Takes the step's arithmetic and its output's scale from the quantization, where there is one. */
static enum status quantize(struct builder *builder, struct step *step)
{
    struct tensor *output = builder->layer_tensor[step->layer];
    bool is_conv = step->op == STEP_CONV || step->op == STEP_CONV_INPUT;
    step->arithmetic = is_conv ? builder->options->arithmetic : STEP_FLOAT32;
    if (step->op == STEP_MAX_POOL)
        output->scale = step->input->scale;
    if (step->arithmetic != STEP_INT8)
        return STATUS_OK;
    const struct quantization_layer *layer =
        quantization_find(builder->options->quantization, step->name);
    if (!layer || layer->channels != output->channels)
        return error_set(builder->error, STATUS_BAD_MODEL,
                         "the calibration is of another network: layer %s with %u channels is not "
                         "among its layers; calibrate this one with classifyd quantize",
                         step->name, output->channels);
    step->arithmetic = layer->arithmetic;
    if (output->type == TENSOR_U8)
        output->scale = layer->output_scale;
    return STATUS_OK;
}

static enum status add_step(struct builder *builder, size_t index)
{
    const struct graph_layer *layer = &builder->graph->layers[index];
    const struct tensor *input = layer_input(builder, layer);
    uint32_t out_px = graph_out_px(layer, input->height_px);
    if (out_px == 0)
        return error_set(builder->error, STATUS_BAD_MODEL,
                         "an input of %u px is too small for layer %s", builder->options->input_px,
                         layer->name);
    struct step *step = &builder->plan->steps[builder->plan->step_count++];
    *step = (struct step){.op = step_op_of(layer),
                          .layer = index,
                          .input = input,
                          .kernel_px = layer->kernel_px,
                          .stride_px = layer->stride_px,
                          .pad_px = layer->pad_px,
                          .groups = layer->groups,
                          .has_relu = layer->has_relu};
    if (step->op == STEP_LINEAR)
        step->kernel_px = step->stride_px = step->groups = 1;
    memcpy(step->name, layer->name, sizeof step->name);
    memcpy(step->mean, builder->options->mean, sizeof step->mean);
    memcpy(step->std, builder->options->std, sizeof step->std);
    connect(builder, index, out_px, step);
    enum status status = quantize(builder, step);
    if (status != STATUS_OK)
        return status;
    step->kernel = kernels_for_step(builder->plan->set, step);
    step->scratch_bytes = step->kernel->scratch_bytes(step);
    step->packed_bytes = step->kernel->packed_bytes(step);
    if (step->scratch_bytes > builder->plan->scratch_bytes)
        builder->plan->scratch_bytes = round_up(step->scratch_bytes, PLAN_ALIGNMENT);
    return STATUS_OK;
}

static enum status build(struct builder *builder)
{
    const struct graph *graph = builder->graph;
    struct plan *plan = builder->plan;
    choose_types(builder);
    add_slot_tensor(builder);
    for (size_t i = 0; i < graph->layer_count; i++) {
        enum status status = is_projection(graph, i) ? STATUS_OK : add_step(builder, i);
        if (status != STATUS_OK)
            return status;
    }
    plan->logits = plan->steps[plan->step_count - 1].output;
    plan->pooled = plan->steps[plan->step_count - 1].input;
    plan->feature_map = plan->steps[plan->step_count - 2].input;
    plan_levels_choose(builder->options->images_per_pass, plan);
    return plan_place(plan, builder->error);
}

enum status plan_init(const struct graph *graph, const struct kernel_set *set,
                      const struct plan_options *options, struct plan *ret_plan,
                      struct error *error)
{
    struct plan plan = {.set = set};
    struct error why = {0};
    struct builder builder = {.graph = graph, .options = options, .plan = &plan, .error = &why};
    plan.tensors = calloc(graph->layer_count + 1, sizeof *plan.tensors);
    plan.steps = calloc(graph->layer_count, sizeof *plan.steps);
    builder.layer_tensor = calloc(graph->layer_count, sizeof *builder.layer_tensor);
    builder.layer_type = calloc(graph->layer_count, sizeof *builder.layer_type);
    enum status status = STATUS_OK;
    if (!plan.tensors || !plan.steps || !builder.layer_tensor || !builder.layer_type)
        status = error_set(&why, STATUS_NO_MEMORY, "no memory for a plan of %zu layers",
                           graph->layer_count);
    if (status == STATUS_OK)
        status = build(&builder);
    if (status == STATUS_OK)
        status = plan_pack(graph, options, &plan, &why);
    free(builder.layer_tensor);
    free(builder.layer_type);
    if (status != STATUS_OK) {
        plan_fini(&plan);
        return error_set(error, status, "%s", why.text);
    }
    *ret_plan = plan;
    return STATUS_OK;
}

void plan_fini(struct plan *plan)
{
    region_fini(&plan->packed);
    free(plan->buffers);
    free(plan->tensors);
    free(plan->steps);
    *plan = (struct plan){0};
}

const struct packed_cache_header *plan_header(const struct plan *plan)
{
    return plan->packed.data;
}
