/* One convolution step with its memory, for the checks of kernels: what it reads and writes lies
 * between canaries, so that nothing around it is written unseen. */
#ifndef CLASSIFYD_TESTS_KERNELS_STEP_FIXTURE_H
#define CLASSIFYD_TESTS_KERNELS_STEP_FIXTURE_H

#include "model/kernels/kernels.h"

enum { STEP_FIXTURE_MARGIN = 256, STEP_FIXTURE_MAX_IMAGES = 4, STEP_FIXTURE_CANARY = 0xa5 };

enum step_fixture_buffer {
    STEP_FIXTURE_INPUT,
    STEP_FIXTURE_OUTPUT,
    STEP_FIXTURE_RESIDUAL,
    STEP_FIXTURE_PROJECTION,
    STEP_FIXTURE_BUFFERS
};

struct step_fixture {
    struct step step;
    struct tensor tensors[STEP_FIXTURE_BUFFERS];
    uint8_t *memory[STEP_FIXTURE_BUFFERS];  /* a margin, the buffer, a margin */
    uint8_t *buffers[STEP_FIXTURE_BUFFERS]; /* in them */
    size_t bytes[STEP_FIXTURE_BUFFERS];     /* without the margins */
    float *weight, *bias, *projection, *scale;
    struct step_slot slots[STEP_FIXTURE_MAX_IMAGES];
    void *pixels[STEP_FIXTURE_MAX_IMAGES];
};

/* A small generator of our own, so that a failing shape comes again: below `below`; from -1 to 1.
 */
uint32_t step_fixture_draw(uint32_t *state, uint32_t below);
float step_fixture_draw_value(uint32_t *state);

/* Zeroed memory, at a multiple of 64 bytes; free(). Fails the test where there is none. */
void *step_fixture_allocate(size_t bytes);

/* Makes the buffer of tensor `index`, with room for so many images: zeros between canaries. */
void step_fixture_add_buffer(struct step_fixture *fixture, enum step_fixture_buffer index,
                             size_t images);

/* Whether the canaries of a buffer are what they were. */
bool step_fixture_has_canaries(const struct step_fixture *fixture, enum step_fixture_buffer index);

/* Draws a slot for each of so many images of the input; `slack_bytes` behind each may be read. */
void step_fixture_draw_slots(struct step_fixture *fixture, size_t images, bool is_float,
                             size_t slack_bytes, uint32_t *state);

/* Takes over what `step` says of the arithmetic and the geometry, and connects it with input and
 * output. */
void step_fixture_set_step(struct step_fixture *fixture, const struct step *step);

/* Packs, and runs `images` images from `first_image` on, `piece` units a call, the last ones first,
 * as threads may. Fails the test where the kernel writes behind its packed weights or its scratch.
 */
void step_fixture_run(struct step_fixture *fixture, const struct kernel *kernel, size_t first_image,
                      size_t images, size_t piece);

/* Frees what the fixture holds; accepts a zeroed one. */
void step_fixture_fini(struct step_fixture *fixture);

#endif
