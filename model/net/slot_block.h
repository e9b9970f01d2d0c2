/* Page-locked batch slots: where prepared pixels wait for the engine. */
#ifndef CLASSIFYD_MODEL_NET_SLOT_BLOCK_H
#define CLASSIFYD_MODEL_NET_SLOT_BLOCK_H

#include "model/base/region.h"
#include "model/net/engine.h"

/* `count` u8 slots of one engine's input, [h, w, 3] RGB each, with the slack behind that a kernel
 * may read. */
struct slot_block {
    struct region
        memory; /* locked where the engine's weights are asked to be, and the system allows it */
    size_t slot_bytes;
    size_t count;
};

/* Fails with STATUS_NO_MEMORY. Any thread. Ended with slot_block_fini. */
MUST_CHECK enum status slot_block_init(const struct engine *engine, size_t count,
                                       struct slot_block *ret_block, struct error *error);

/* Accepts a zeroed block. */
void slot_block_fini(struct slot_block *block);

/* Slot `index` < count, to be written. */
uint8_t *slot_block_pixels(const struct slot_block *block, size_t index);

/* The same as the engine takes it. */
struct step_slot slot_block_slot(const struct slot_block *block, size_t index);

#endif
