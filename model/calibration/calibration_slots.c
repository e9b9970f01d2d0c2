#include "model/calibration/calibration_slots.h"

#include <stdlib.h>

#include "model/base/alloc.h"

enum status calibration_slots_init(const struct engine *engine, size_t count,
                                   struct calibration_slots *ret_slots, struct error *error)
{
    struct calibration_slots slots = {.slots =
                                          alloc_array(count, sizeof *slots.slots, SIZE_MAX / 2)};
    if (!slots.slots)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu images", count);
    enum status status = slot_block_init(engine, count, &slots.block, error);
    if (status != STATUS_OK) {
        free(slots.slots);
        return status;
    }
    for (size_t i = 0; i < count; i++)
        slots.slots[i] = slot_block_slot(&slots.block, i);
    *ret_slots = slots;
    return STATUS_OK;
}

void calibration_slots_fini(struct calibration_slots *slots)
{
    slot_block_fini(&slots->block);
    free(slots->slots);
    *slots = (struct calibration_slots){0};
}

enum status calibration_slots_fill(struct calibration_slots *slots,
                                   const struct calibration_images *images, size_t from,
                                   size_t count, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = images->read(images->user, images->first + from + i,
                              slot_block_pixels(&slots->block, i), error);
    return status;
}
