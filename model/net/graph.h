/* The network that a set of weights describes: layers and shapes, read off the tensors.
 *
 * Any torchvision ResNet, WideResNet or ResNeXt: a 7x7 stem, max-pooling, stages of basic or
 * bottleneck blocks (v1.5: the stride sits in the 3x3), global average pooling, one linear layer.
 * Depth, width, groups and classes come from the shapes; the stride of a stage is 1 in the first
 * and 2 in the others, as in torchvision/models/resnet.py (ResNet._make_layer). */
#ifndef CLASSIFYD_MODEL_NET_GRAPH_H
#define CLASSIFYD_MODEL_NET_GRAPH_H

#include "model/net/weights.h"

enum graph_op { GRAPH_CONV, GRAPH_MAX_POOL, GRAPH_AVERAGE_POOL, GRAPH_LINEAR };

enum { GRAPH_NO_LAYER = -1 };

/* One layer. Its BatchNorm is part of a convolution, and so are the addition and ReLU that follow
 * it. */
struct graph_layer {
    char name[64]; /* the module's name: "layer1.0.conv1", "maxpool" */
    enum graph_op op;
    int input;    /* index of the layer it reads; GRAPH_NO_LAYER: the image */
    int residual; /* index of the layer whose output is added before the ReLU, or GRAPH_NO_LAYER */
    bool has_relu;
    uint32_t in_channels, out_channels;
    uint32_t kernel_px, stride_px, pad_px, groups;
    const struct weights_tensor *weight; /* [out, in/groups, k, k] or [out, in]; NULL for pooling */
    const struct weights_tensor *bias; /* the linear layer's, or a convolution's own; may be NULL */
    const struct weights_tensor *bn_weight, *bn_bias, *bn_mean,
        *bn_var; /* NULL without BatchNorm */
};

struct graph {
    char family[48]; /* "resnet50", "resnext50_32x4d", "wide_resnet101_2", or e.g. "resnet basic
                        1-1-1-1" */
    bool is_bottleneck;
    uint32_t stage_count;
    uint32_t stage_blocks[8];
    uint32_t classes;
    size_t layer_count;
    struct graph_layer *layers; /* in execution order; the last is the linear layer */
};

/* The side of the layer's square output for a square input; 0 where the input is too small for it.
 */
uint32_t graph_out_px(const struct graph_layer *layer, uint32_t in_px);

/* What one layer costs at an input of `input_px` square. */
struct graph_layer_cost {
    uint32_t out_height_px, out_width_px;
    uint64_t parameters; /* as torchvision counts: weights, biases, BatchNorm's weight and bias */
    uint64_t macs;
    uint64_t weight_bytes, output_bytes; /* float32 */
};

/* Reads the network; borrows `weights` for as long as the graph lives. Fails with STATUS_BAD_MODEL:
 * the tensor's name, the shape found, the shape expected (or the tensor that is missing, or one too
 * many), or STATUS_UNSUPPORTED for something that is clearly another network. Returns owned. */
MUST_CHECK enum status graph_create(const struct weights *weights, struct graph **ret_graph,
                                    struct error *error);
void graph_destroy(struct graph *graph);

/* Writes graph->layer_count costs. */
void graph_costs(const struct graph *graph, uint32_t input_px, struct graph_layer_cost *ret_costs);

#endif
