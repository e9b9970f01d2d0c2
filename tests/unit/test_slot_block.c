#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "model/net/slot_block.h"
#include "tests/unit/engine_fixture.h"

static struct engine *make_engine(uint32_t input_px)
{
    const struct engine_options options = {
        .input_px = input_px, .std = {1, 1, 1}, .kernels = "generic"};
    return engine_fixture_create(&options, 2);
}

static void slots_are_apart_aligned_and_followed_by_slack(void **state)
{
    (void)state;
    struct engine *engine = make_engine(33);
    struct slot_block block = {0};
    assert_int_equal(slot_block_init(engine, 3, &block, NULL), STATUS_OK);
    assert_int_equal(block.memory.locked_bytes, 0); /* the engine did not ask for it */
    for (size_t i = 0; i < 3; i++) {
        uint8_t *pixels = slot_block_pixels(&block, i);
        assert_int_equal((uintptr_t)pixels % 64, 0);
        memset(pixels, (int)i + 1, engine_slot_bytes(engine, TENSOR_U8));
        struct step_slot slot = slot_block_slot(&block, i);
        assert_ptr_equal(slot.data, pixels);
        assert_int_equal(slot.type, TENSOR_U8);
    }
    for (size_t i = 0; i < 3; i++)
        for (size_t p = 0; p < engine_slot_bytes(engine, TENSOR_U8); p++)
            assert_int_equal(slot_block_pixels(&block, i)[p], i + 1);
    slot_block_fini(&block);
    slot_block_fini(&block);
    engine_destroy(engine);
}

static void too_many_slots_are_refused(void **state)
{
    (void)state;
    struct engine *engine = make_engine(33);
    struct slot_block block = {0};
    struct error error = {0};
    assert_int_equal(slot_block_init(engine, SIZE_MAX / 100, &block, &error), STATUS_NO_MEMORY);
    assert_null(block.memory.data);
    engine_destroy(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_apart_aligned_and_followed_by_slack),
        cmocka_unit_test(too_many_slots_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
