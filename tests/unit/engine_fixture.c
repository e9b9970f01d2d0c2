#include "tests/unit/engine_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/net/weights_random.h"

struct engine *engine_fixture_create(const struct engine_options *options, uint32_t classes)
{
    const struct weights_random_spec spec = {
        .blocks = {1, 1, 1, 1}, .groups = 1, .width_per_group = 64, .classes = classes, .seed = 3};
    struct weights *weights = NULL;
    struct graph *graph = NULL;
    struct engine *engine = NULL;
    assert_int_equal(weights_random_create(&spec, &weights, NULL), STATUS_OK);
    assert_int_equal(graph_create(weights, &graph, NULL), STATUS_OK);
    assert_int_equal(engine_create(graph, options, &engine, NULL), STATUS_OK);
    graph_destroy(graph);
    weights_destroy(weights);
    return engine;
}

void engine_fixture_draw(size_t index, size_t px, uint8_t *ret_pixels)
{
    for (size_t p = 0; p < px * px * 3; p++)
        ret_pixels[p] = (uint8_t)(p * (index + 3) / 5 + p / 7);
}
