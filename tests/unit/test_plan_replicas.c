/* Weights on two made-up nodes of this machine: both copies compute the same bits, each is read
 * where it is near, and everything goes back to how it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "model/net/plan_replicas.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/numa_fixture.h"

enum { PX = 64, IMAGES = 3, CLASSES = 7 };

static uint8_t pixels[IMAGES][PX * PX * 3 + ENGINE_SLOT_SLACK_BYTES];

static struct engine *make_engine(const struct numa_topology *numa)
{
    const struct engine_options options = {.input_px = PX,
                                           .mean = {0.485f, 0.456f, 0.406f},
                                           .std = {0.229f, 0.224f, 0.225f},
                                           .numa = numa};
    return engine_fixture_create(&options, CLASSES);
}

static void run(const struct engine *engine, struct engine_scratch *scratch,
                float ret_logits[IMAGES * CLASSES])
{
    struct step_slot slots[IMAGES];
    for (size_t i = 0; i < IMAGES; i++) {
        engine_fixture_draw(i, PX, pixels[i]);
        slots[i] = (struct step_slot){TENSOR_U8, pixels[i]};
    }
    memset(ret_logits, 0, IMAGES * CLASSES * sizeof *ret_logits);
    engine_run(engine, scratch, IMAGES, slots, &(struct engine_outputs){.logits = ret_logits});
}

static void run_with(const struct engine *engine, unsigned threads,
                     float ret_logits[IMAGES * CLASSES])
{
    struct engine_scratch *scratch = NULL;
    assert_int_equal(engine_scratch_create(engine, IMAGES, threads, &scratch, NULL), STATUS_OK);
    run(engine, scratch, ret_logits);
    engine_scratch_destroy(scratch);
}

static void every_copy_gives_the_same_bits(void **state)
{
    (void)state;
    const struct numa_topology *numa = numa_fixture_topology();
    if (!numa) {
        skip();
        return; /* for those who read it: skip() does not come back */
    }
    struct engine *plain = make_engine(NULL), *engine = make_engine(numa);
    float expected[IMAGES * CLASSES], found[IMAGES * CLASSES];
    size_t bytes, locked, all_bytes;
    struct numa_cpus before, after;
    engine_memory(plain, &bytes, &locked);
    engine_memory(engine, &all_bytes, &locked);
    assert_int_equal(all_bytes, 2 * bytes);
    assert_null(engine_numa(plain));
    run_with(plain, 1, expected);
    numa_affinity(&before);
    run_with(engine, 2, found); /* one member a node */
    assert_memory_equal(found, expected, sizeof found);
    for (size_t node = 0; node < 2; node++) {
        numa_bind(&numa->nodes[node].cpus);
        for (unsigned threads = 1; threads <= 2; threads++) {
            run_with(engine, threads, found);
            assert_memory_equal(found, expected, sizeof found);
        }
        numa_bind(&before);
    }
    numa_affinity(&after);
    assert_memory_equal(&after, &before, sizeof after);
    engine_destroy(engine);
    engine_destroy(plain);
}

/* Breaks the copy that the plan has, node 0's: who is there gets other answers, who is on node 1
 * does not, and of a team with one on each a part. */
static void each_node_reads_its_own_copy(void **state)
{
    (void)state;
    const struct numa_topology *numa = numa_fixture_topology();
    if (!numa) {
        skip();
        return; /* for those who read it: skip() does not come back */
    }
    struct engine *engine = make_engine(numa);
    const struct step *first = &engine_plan(engine)->steps[0];
    float expected[IMAGES * CLASSES], found[2][IMAGES * CLASSES], both[IMAGES * CLASSES];
    struct numa_cpus before;
    numa_affinity(&before);
    run_with(engine, 1, expected);
    memset((void *)(uintptr_t)first->packed, 0, first->packed_bytes);
    for (size_t node = 0; node < 2; node++) {
        numa_bind(&numa->nodes[node].cpus);
        run_with(engine, 2, found[node]);
    }
    numa_bind(&before);
    struct engine_scratch *scratch = NULL;
    assert_int_equal(engine_scratch_create(engine, IMAGES, 2, &scratch, NULL), STATUS_OK);
    numa_bind(&numa->nodes[0].cpus);
    run(engine, scratch, both);
    numa_bind(&before);
    assert_memory_not_equal(found[0], expected, sizeof expected);
    assert_memory_equal(found[1], expected, sizeof expected);
    assert_memory_not_equal(both, expected, sizeof expected);
    assert_memory_not_equal(both, found[0], sizeof both);
    engine_scratch_destroy(scratch);
    engine_destroy(engine);
}

static void without_nodes_nothing_is_copied(void **state)
{
    (void)state;
    const struct numa_topology none = {0};
    struct engine *plain = make_engine(NULL), *engine = make_engine(&none);
    size_t bytes, locked, all_bytes;
    engine_memory(plain, &bytes, &locked);
    engine_memory(engine, &all_bytes, &locked);
    assert_int_equal(all_bytes, bytes);
    assert_null(engine_numa(engine));
    engine_destroy(engine);
    engine_destroy(plain);
}

int main(void)
{
    kernels_prepare_process();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_copy_gives_the_same_bits),
        cmocka_unit_test(each_node_reads_its_own_copy),
        cmocka_unit_test(without_nodes_nothing_is_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
