#include "model/net/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "model/net/plan_pack.h"

/* A plan in the making: which tensor each layer writes. */
struct builder {
    const struct graph *graph;
    const struct plan_options *options;
    struct plan *plan;
    struct tensor *
        *layer_tensor; /* [layer_count]; NULL for a projection, which is no step of its own */
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

static bool is_read_after(const struct graph *graph, int tensor_layer, size_t index)
{
    for (size_t i = index + 1; i < graph->layer_count; i++)
        if (graph->layers[i].input == tensor_layer || graph->layers[i].residual == tensor_layer)
            return true;
    return false;
}

/* A float tensor laid out as the set wants it; a vector (`is_vector`) is never a GEMM's matrix. */
static struct tensor *add_tensor(struct builder *builder, uint32_t side_px, uint32_t channels,
                                 bool is_vector)
{
    struct plan *plan = builder->plan;
    const struct kernel_layout *layout = &plan->set->layout;
    size_t halo = is_vector ? 0 : layout->halo_px, interleave = is_vector ? 1 : layout->interleave;
    bool is_power_of_two = (channels & (channels - 1)) == 0;
    size_t pixel_stride =
        channels * interleave + (is_power_of_two && !is_vector ? layout->pixel_padding : 0);
    size_t row_px = side_px + 2 * halo;
    size_t pixels = round_up(row_px * row_px, is_vector ? 1 : layout->image_pixel_multiple);
    struct tensor *tensor = &plan->tensors[plan->tensor_count++];
    *tensor =
        (struct tensor){.type = TENSOR_F32,
                        .height_px = side_px,
                        .width_px = side_px,
                        .channels = channels,
                        .halo_px = (uint32_t)halo,
                        .interleave = (uint32_t)interleave,
                        .scale = 1.0f,
                        .pixel_stride = pixel_stride,
                        .row_stride = row_px * pixel_stride,
                        .image_stride = pixels * pixel_stride,
                        .offset_bytes = (halo * row_px + halo) * pixel_stride * sizeof(float)};
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
                        .interleave = 1,
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
    const struct graph_layer *layer = &graph->layers[index];
    int residual = layer->residual;
    bool is_vector = layer->op == GRAPH_AVERAGE_POOL || layer->op == GRAPH_LINEAR;
    if (residual != GRAPH_NO_LAYER && is_projection(graph, (size_t)residual)) {
        step->projection = layer_input(builder, &graph->layers[residual]);
        step->projection_stride_px = graph->layers[residual].stride_px;
    } else if (residual != GRAPH_NO_LAYER) {
        step->residual = builder->layer_tensor[residual];
    }
    if (step->residual && !is_read_after(graph, residual, index))
        builder->layer_tensor[index] = builder->layer_tensor[residual];
    else
        builder->layer_tensor[index] = add_tensor(builder, out_px, layer->out_channels, is_vector);
    step->output = builder->layer_tensor[index];
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
    memcpy(step->name, layer->name, sizeof step->name);
    memcpy(step->mean, builder->options->mean, sizeof step->mean);
    memcpy(step->std, builder->options->std, sizeof step->std);
    connect(builder, index, out_px, step);
    step->kernel = kernels_for_step(builder->plan->set, step);
    step->scratch_bytes = step->kernel->scratch_bytes(step);
    step->packed_bytes = step->kernel->packed_bytes(step);
    if (step->scratch_bytes > builder->plan->scratch_bytes)
        builder->plan->scratch_bytes = round_up(step->scratch_bytes, PLAN_ALIGNMENT);
    return STATUS_OK;
}

static bool reads(const struct step *step, const struct tensor *tensor)
{
    return step->input == tensor || step->residual == tensor || step->projection == tensor;
}

static bool is_kept(const struct plan *plan, const struct tensor *tensor)
{
    return tensor == plan->feature_map || tensor == plan->pooled || tensor == plan->logits;
}

/* The last step that reads `tensor`; SIZE_MAX where it is kept, 0 where nobody reads it. */
static size_t last_use(const struct plan *plan, const struct tensor *tensor)
{
    if (is_kept(plan, tensor))
        return SIZE_MAX;
    size_t step = plan->step_count - 1;
    while (step > 0 && !reads(&plan->steps[step], tensor))
        step--;
    return step;
}

static bool is_placed(const struct plan *plan, const struct tensor *tensor, size_t step)
{
    for (size_t i = 0; i < step; i++)
        if (plan->steps[i].output == tensor)
            return true;
    return false;
}

static size_t image_bytes(const struct tensor *tensor)
{
    return round_up(tensor->image_stride * sizeof(float), PLAN_ALIGNMENT);
}

/* Gives each tensor the first buffer that nobody needs any more; buffers grow to their largest
 * tenant. */
static enum status place_tensors(struct builder *builder)
{
    struct plan *plan = builder->plan;
    size_t busy_until[PLAN_MAX_BUFFERS] = {0}; /* the last step that reads the buffer's tenant */
    for (size_t i = 0; i < plan->step_count; i++) {
        struct tensor *output = builder->layer_tensor[plan->steps[i].layer];
        if (is_placed(plan, output, i))
            continue;
        uint32_t buffer = 0;
        while (buffer < plan->buffer_count && busy_until[buffer] >= i)
            buffer++;
        if (buffer == PLAN_MAX_BUFFERS)
            return error_set(builder->error, STATUS_INTERNAL,
                             "more than %d tensors alive at layer %s", PLAN_MAX_BUFFERS,
                             plan->steps[i].name);
        if (buffer == plan->buffer_count)
            plan->buffer_count++;
        output->buffer = buffer;
        busy_until[buffer] = last_use(plan, output);
        if (image_bytes(output) > plan->buffer_image_bytes[buffer])
            plan->buffer_image_bytes[buffer] = image_bytes(output);
    }
    return STATUS_OK;
}

static enum status build(struct builder *builder)
{
    const struct graph *graph = builder->graph;
    struct plan *plan = builder->plan;
    add_slot_tensor(builder);
    for (size_t i = 0; i < graph->layer_count; i++) {
        enum status status = is_projection(graph, i) ? STATUS_OK : add_step(builder, i);
        if (status != STATUS_OK)
            return status;
    }
    plan->logits = plan->steps[plan->step_count - 1].output;
    plan->pooled = plan->steps[plan->step_count - 1].input;
    plan->feature_map = plan->steps[plan->step_count - 2].input;
    plan->root = (struct plan_segment){.step_count = plan->step_count,
                                       .images_per_pass = builder->options->images_per_pass};
    return place_tensors(builder);
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
    enum status status = STATUS_OK;
    if (!plan.tensors || !plan.steps || !builder.layer_tensor)
        status = error_set(&why, STATUS_NO_MEMORY, "no memory for a plan of %zu layers",
                           graph->layer_count);
    if (status == STATUS_OK)
        status = build(&builder);
    if (status == STATUS_OK)
        status = plan_pack(graph, options->lock_memory, &plan, &why);
    free(builder.layer_tensor);
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
    free(plan->tensors);
    free(plan->steps);
    *plan = (struct plan){0};
}

const struct plan_packed_header *plan_header(const struct plan *plan)
{
    return plan->packed.data;
}
