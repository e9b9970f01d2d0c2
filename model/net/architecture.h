/* torchvision's ten ResNets by name: what their constructors are given
 * (torchvision/models/resnet.py). */
#ifndef CLASSIFYD_MODEL_NET_ARCHITECTURE_H
#define CLASSIFYD_MODEL_NET_ARCHITECTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ARCHITECTURE_STAGES = 4 };

struct architecture {
    const char *name; /* "resnext50_32x4d" */
    bool is_bottleneck;
    uint32_t blocks[ARCHITECTURE_STAGES]; /* a stage */
    uint32_t groups, width_per_group;     /* of a bottleneck's 3x3; 1 and 64 otherwise */
};

size_t architecture_count(void);
const struct architecture *architecture_at(size_t index);

/* NULL where there is none of that name. */
const struct architecture *architecture_find(const char *name);

#endif
