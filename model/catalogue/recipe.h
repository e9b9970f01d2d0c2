/* How an image becomes the network's input: the preprocessing that belongs to a set of weights. */
#ifndef CLASSIFYD_MODEL_CATALOGUE_RECIPE_H
#define CLASSIFYD_MODEL_CATALOGUE_RECIPE_H

#include <stdint.h>

#include "model/base/json_doc.h"
#include "model/base/status.h"

struct recipe {
    uint32_t resize_px;    /* shorter side */
    uint32_t crop_px;      /* square, the network's input */
    float mean[3], std[3]; /* RGB, of values scaled to 0..1 */
};

/* ImageNet's: resize 256, crop 224, mean .485 .456 .406, std .229 .224 .225. */
extern const struct recipe recipe_imagenet;

/* Takes over what the JSON object holds of "resize", "crop" (pixels), "mean", "std" (three numbers
 * each) and leaves the rest of `recipe`. Fails with STATUS_BAD_MODEL on a wrong type or range;
 * `recipe` is unchanged then. */
MUST_CHECK enum status recipe_read_json(const struct json_node *object, struct recipe *recipe,
                                        struct error *error);

/* One value of a safetensors metadata map ("resize" -> "142", "mean" -> "0.485,0.456,0.406"); keys
 * that are not a recipe's and a NULL value are passed over. Fails as above. */
MUST_CHECK enum status recipe_read_text(const char *key, const char *value, struct recipe *recipe,
                                        struct error *error);

#endif
