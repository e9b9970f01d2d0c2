#include "model/net/slot_block.h"

#include <assert.h>

#include "model/base/alloc.h"

enum { SLOT_ALIGNMENT = 64 };

enum status slot_block_init(const struct engine *engine, size_t count, struct slot_block *ret_block,
                            struct error *error)
{
    size_t slot_bytes = engine_slot_bytes(engine, TENSOR_U8), total;
    slot_bytes = (slot_bytes + SLOT_ALIGNMENT - 1) / SLOT_ALIGNMENT * SLOT_ALIGNMENT;
    if (!checked_mul(slot_bytes, count, &total))
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu batch slots", count);
    struct slot_block block = {.slot_bytes = slot_bytes, .count = count};
    enum status status = region_init(total, engine_is_locked(engine), &block.memory, error);
    if (status == STATUS_OK)
        *ret_block = block;
    return status;
}

void slot_block_fini(struct slot_block *block)
{
    region_fini(&block->memory);
    *block = (struct slot_block){0};
}

uint8_t *slot_block_pixels(const struct slot_block *block, size_t index)
{
    assert(index < block->count);
    return (uint8_t *)block->memory.data + index * block->slot_bytes;
}

struct step_slot slot_block_slot(const struct slot_block *block, size_t index)
{
    return (struct step_slot){TENSOR_U8, slot_block_pixels(block, index)};
}
