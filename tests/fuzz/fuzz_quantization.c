/* quantization_file: what is taken of a calibration is within its bounds. */
#include <math.h>
#include <stdlib.h>

#include "model/net/quantization_file.h"
#include "tests/fuzz/fuzz.h"

static struct graph_layer layers[] = {
    {.name = "conv1", .op = GRAPH_CONV, .out_channels = 2},
    {.name = "layer1.0.conv1", .op = GRAPH_CONV, .out_channels = 3},
};
static const struct graph graph = {.layer_count = 2, .layers = layers};

static void look_at(const struct quantization_layer *layer)
{
    if (!(layer->output_scale > 0) || !isfinite(layer->output_scale) || !layer->bias)
        abort();
    if ((layer->arithmetic == STEP_INT8) != (layer->scale != NULL))
        abort();
    for (size_t i = 0; i < layer->channels; i++)
        if (!isfinite(layer->bias[i]) || (layer->scale && !(layer->scale[i] > 0)))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weights *weights;
    struct quantization *quantization = NULL;
    struct error error = {0};
    if (weights_parse((struct span){data, size}, &weights, NULL) != STATUS_OK)
        return 0;
    enum status status = quantization_file_read(weights, &graph, &quantization, &error);
    if (status != STATUS_OK && (error.status != status || error.text[0] == 0 || quantization))
        abort();
    for (size_t i = 0; quantization && i < quantization->layer_count; i++)
        look_at(&quantization->layers[i]);
    quantization_destroy(quantization);
    weights_destroy(weights);
    return 0;
}
