/* A small network with seeded random weights, and images for it. */
#ifndef CLASSIFYD_TESTS_UNIT_ENGINE_FIXTURE_H
#define CLASSIFYD_TESTS_UNIT_ENGINE_FIXTURE_H

#include "model/net/engine.h"

/* Four stages of one basic block each. Fails the test where it cannot be made. Returns owned,
 * engine_destroy. */
struct engine *engine_fixture_create(const struct engine_options *options, uint32_t classes);

/* Image `index` of `px` square: each another, the same every time. `ret_pixels` [px, px, 3]. */
void engine_fixture_draw(size_t index, size_t px, uint8_t *ret_pixels);

#endif
