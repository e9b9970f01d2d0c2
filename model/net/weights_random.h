/* Seeded random weights of a named architecture, for tests and benchmarks (torchvision's
 * weights=None). */
#ifndef CLASSIFYD_MODEL_NET_WEIGHTS_RANDOM_H
#define CLASSIFYD_MODEL_NET_WEIGHTS_RANDOM_H

#include "model/net/weights.h"

/* What torchvision's constructors are given: resnet50 is {true, {3, 4, 6, 3}, 1, 64}. All are at
 * least 1; at most 256 blocks a stage, 4096 groups and channels a group, 2^24 classes. */
struct weights_random_spec {
    bool is_bottleneck;
    uint32_t blocks[4]; /* a stage */
    uint32_t groups, width_per_group;
    uint32_t classes;
    uint64_t seed;
};

/* Kaiming-normal (fan out) convolutions, BatchNorm 1 and 0, uniform head, the distributions that
 * torchvision's ResNet draws from; names, shapes and order are those of its state dict. The numbers
 * are our own generator's, the same on every machine; each tensor's depend on the seed and its name
 * alone. Returns owned. Fails with STATUS_NO_MEMORY (also where they would take over 8 GiB). */
MUST_CHECK enum status weights_random_create(const struct weights_random_spec *spec,
                                             struct weights **ret_weights, struct error *error);

#endif
