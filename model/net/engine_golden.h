/* Golden values: some logits that another framework computed with the same weights from an image
 * that a formula draws. A model may carry them, as "golden" in safetensors metadata or in the JSON
 * beside the file; MODEL.md describes the keys, config/demo/golden.py makes them with torch. */
#ifndef CLASSIFYD_MODEL_NET_ENGINE_GOLDEN_H
#define CLASSIFYD_MODEL_NET_ENGINE_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

#include "model/base/json_doc.h"

enum { ENGINE_GOLDEN_MAX_LOGITS = 64 };

struct engine_golden {
    size_t count; /* 1..ENGINE_GOLDEN_MAX_LOGITS */
    struct {
        uint32_t class_id;
        float logit;
    } logits[ENGINE_GOLDEN_MAX_LOGITS];
    float tolerance; /* > 0; how far each may be off */
};

/* {"logits": [[class_id, logit], ...], "tolerance": 0.001}; the tolerance may be left out and is
 * that then. Fails with STATUS_BAD_MODEL. Any thread. */
MUST_CHECK enum status engine_golden_read(const struct json_node *node,
                                          struct engine_golden *ret_golden, struct error *error);

/* Draws the image [px, px, 3]: (y * (c + 1) + x * (3 - c) + x * y / 16) % 256, whole numbers, for
 * row y, column x, channel c. */
void engine_golden_draw(uint32_t px, uint8_t *ret_pixels);

#endif
