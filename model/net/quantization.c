#include "model/net/quantization.h"

#include <string.h>

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
