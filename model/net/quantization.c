#include "model/net/quantization.h"

#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"

enum status quantization_create(size_t layers, struct quantization **ret_quantization,
                                struct error *error)
{
    struct quantization *quantization = calloc(1, sizeof *quantization);
    struct quantization_layer *array = alloc_array(layers, sizeof *array, SIZE_MAX / 2);
    if (!quantization || !array) {
        free(quantization);
        free(array);
        return error_set(error, STATUS_NO_MEMORY, "no memory for a quantization of %zu layers",
                         layers);
    }
    *quantization = (struct quantization){.layer_count = layers, .layers = array};
    *ret_quantization = quantization;
    return STATUS_OK;
}

void quantization_destroy(struct quantization *quantization)
{
    if (!quantization)
        return;
    for (size_t i = 0; i < quantization->layer_count; i++) {
        free(quantization->layers[i].scale);
        free(quantization->layers[i].bias);
    }
    free(quantization->layers);
    free(quantization);
}

const struct quantization_layer *quantization_find(const struct quantization *quantization,
                                                   const char *name)
{
    for (size_t i = 0; i < quantization->layer_count; i++)
        if (strcmp(quantization->layers[i].name, name) == 0)
            return &quantization->layers[i];
    return NULL;
}

const float *quantization_apply(const struct quantization *quantization, const char *name,
                                float *bias)
{
    const struct quantization_layer *layer =
        quantization ? quantization_find(quantization, name) : NULL;
    for (size_t o = 0; layer && layer->bias && o < layer->channels; o++)
        bias[o] += layer->bias[o];
    return layer ? layer->scale : NULL;
}
