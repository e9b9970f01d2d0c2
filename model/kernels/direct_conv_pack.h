/* How a direct convolution's weights are packed: for direct_conv.c and direct_conv_input.c alone.
 */
#ifndef CLASSIFYD_MODEL_KERNELS_DIRECT_CONV_PACK_H
#define CLASSIFYD_MODEL_KERNELS_DIRECT_CONV_PACK_H

#include "model/kernels/direct_conv.h"

/* Packed: multiplier and offset of every panel's channels, then for each panel its weights.
 *
 * Narrow groups are merged until they fill the narrowest panel, with zeros for the channels of
 * others; a panel never reaches over a (merged) group. */
struct direct_conv_layout {
    uint32_t group_in, group_out; /* channels of a merged group */
    uint32_t groups;              /* after merging */
    uint32_t merged;              /* groups of the step in one of these */
    uint32_t panel_channels;
    uint32_t group_panels; /* panels of a group */
    size_t panels;         /* of the step */
    size_t tap_steps;      /* K steps of one tap (of one input row: the input convolution) */
    size_t projection_steps;
    size_t panel_steps; /* of all segments */
    void (*run)(const struct direct_conv_panel *panel);
};

/* Elements of one K step: 1, 2 or 4. */
size_t direct_conv_pack_elements(const struct direct_conv *conv);

/* `taps` of `tap_elements` each make K, beside the projection. */
struct direct_conv_layout direct_conv_pack_layout(const struct direct_conv *conv,
                                                  const struct step *step, size_t taps,
                                                  size_t tap_elements);

size_t direct_conv_pack_bytes(const struct direct_conv_layout *layout);

/* Output channels [first, first + count) that panel `panel` holds. */
void direct_conv_pack_channels(const struct direct_conv_layout *layout, size_t panel,
                               size_t *ret_first, size_t *ret_count);

float *direct_conv_pack_multiplier(const struct direct_conv_layout *layout, void *packed);
float *direct_conv_pack_offset(const struct direct_conv_layout *layout, void *packed);
uint8_t *direct_conv_pack_weights(const struct direct_conv_layout *layout, void *packed,
                                  size_t panel);

/* The real value of one step of output channel `o`'s sum. */
float direct_conv_pack_scale(const struct direct_conv *conv, const struct step_weights *weights,
                             size_t o);

/* Writes one weight as element `element` of K step `step_index` of a panel's channel. `weight` is
 * multiplied by the input's scale, and for int8 divided by `scale`. Returns the s8 level (0 for
 * floats). */
int8_t direct_conv_pack_put(const struct direct_conv *conv, const struct direct_conv_layout *layout,
                            uint8_t *weights, size_t channel, size_t step_index, size_t element,
                            float weight, float input_scale, float scale);

/* `count` weights of a panel's channel that lie one behind another, from element `first` of K step
 * `step_index` on (it may be in a later one): direct_conv_pack_put of each. */
void direct_conv_pack_put_run(const struct direct_conv *conv,
                              const struct direct_conv_layout *layout, uint8_t *weights,
                              size_t channel, size_t step_index, size_t first, const float *run,
                              size_t count, float input_scale, float scale);

/* Fills `panel` with what of it a panel's index alone decides. */
void direct_conv_pack_open(const struct direct_conv *conv, const struct direct_conv_layout *layout,
                           const struct step *step, size_t index, struct direct_conv_panel *panel);

#endif
