/* Images to calibrate with, read a few at a time: there may be more than memory has room for. */
#ifndef CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_SLOTS_H
#define CLASSIFYD_MODEL_CALIBRATION_CALIBRATION_SLOTS_H

#include "model/net/slot_block.h"

/* Some images of a source, in a row. */
struct calibration_images {
    size_t first, count;
    /* Writes image `index` of the source, u8 RGB [h, w, 3] of the network's input; the same pixels
     * each time. Called on the caller's thread. Fails with what keeps it from that. */
    enum status (*read)(void *user, size_t index, uint8_t *ret_pixels, struct error *error);
    void *user;
};

/* Room for some of them, as the engine takes them. */
struct calibration_slots {
    struct slot_block block;
    struct step_slot *slots; /* [block.count] */
};

/* Fails with STATUS_NO_MEMORY. Ended with calibration_slots_fini, which accepts a zeroed one. */
MUST_CHECK enum status calibration_slots_init(const struct engine *engine, size_t count,
                                              struct calibration_slots *ret_slots,
                                              struct error *error);
void calibration_slots_fini(struct calibration_slots *slots);

/* Reads the images from `from` (of images->count) into the first `count` slots. Fails as the
 * images' read. */
MUST_CHECK enum status calibration_slots_fill(struct calibration_slots *slots,
                                              const struct calibration_images *images, size_t from,
                                              size_t count, struct error *error);

#endif
