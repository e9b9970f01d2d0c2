#include "tests/kernels/step_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* What packed weights and scratch hold before: a large number as a float. */
enum { OLD = 0x7f };

uint32_t step_fixture_draw(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

float step_fixture_draw_value(uint32_t *state)
{
    return (float)step_fixture_draw(state, 20001) / 10000.0f - 1.0f;
}

void *step_fixture_allocate(size_t bytes)
{
    size_t rounded = (bytes + 63) / 64 * 64;
    void *memory = aligned_alloc(64, rounded ? rounded : 64);
    assert_non_null(memory);
    memset(memory, 0, bytes);
    return memory;
}

void step_fixture_add_buffer(struct step_fixture *fixture, enum step_fixture_buffer index,
                             size_t images)
{
    const struct tensor *tensor = &fixture->tensors[index];
    size_t bytes = images * tensor->image_stride * tensor_element_bytes(tensor->type);
    uint8_t *memory = step_fixture_allocate(bytes + 2 * STEP_FIXTURE_MARGIN);
    memset(memory, STEP_FIXTURE_CANARY, bytes + 2 * STEP_FIXTURE_MARGIN);
    memset(memory + STEP_FIXTURE_MARGIN, 0, bytes);
    fixture->memory[index] = memory;
    fixture->buffers[index] = memory + STEP_FIXTURE_MARGIN;
    fixture->bytes[index] = bytes;
}

static bool holds_only(const uint8_t *bytes, uint8_t value)
{
    for (size_t i = 0; i < STEP_FIXTURE_MARGIN; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

bool step_fixture_has_canaries(const struct step_fixture *fixture, enum step_fixture_buffer index)
{
    return holds_only(fixture->memory[index], STEP_FIXTURE_CANARY) &&
           holds_only(fixture->buffers[index] + fixture->bytes[index], STEP_FIXTURE_CANARY);
}

void step_fixture_draw_slots(struct step_fixture *fixture, size_t images, bool is_float,
                             size_t slack_bytes, uint32_t *state)
{
    const struct tensor *input = &fixture->tensors[STEP_FIXTURE_INPUT];
    size_t values = (size_t)input->height_px * input->width_px * 3;
    for (size_t image = 0; image < images; image++) {
        void *pixels = malloc(values * (is_float ? sizeof(float) : 1) + slack_bytes);
        assert_non_null(pixels);
        for (size_t i = 0; i < values; i++)
            if (is_float)
                ((float *)pixels)[i] = 2.5f * step_fixture_draw_value(state);
            else
                ((uint8_t *)pixels)[i] = (uint8_t)step_fixture_draw(state, 256);
        fixture->pixels[image] = pixels;
        fixture->slots[image] = (struct step_slot){is_float ? TENSOR_F32 : TENSOR_U8, pixels};
    }
}

void step_fixture_set_step(struct step_fixture *fixture, const struct step *step)
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};
    fixture->step = *step;
    fixture->step.input = &fixture->tensors[STEP_FIXTURE_INPUT];
    fixture->step.output = &fixture->tensors[STEP_FIXTURE_OUTPUT];
    memcpy(fixture->step.mean, mean, sizeof mean);
    memcpy(fixture->step.std, std, sizeof std);
}

static uint8_t *allocate_old(size_t bytes)
{
    uint8_t *memory = step_fixture_allocate(bytes + STEP_FIXTURE_MARGIN);
    memset(memory, OLD, bytes + STEP_FIXTURE_MARGIN);
    return memory;
}

void step_fixture_run(struct step_fixture *fixture, const struct kernel *kernel, size_t first_image,
                      size_t images, size_t piece)
{
    struct step *step = &fixture->step;
    step->kernel = kernel;
    step->packed_bytes = kernel->packed_bytes(step);
    size_t scratch_bytes = kernel->scratch_bytes(step);
    uint8_t *packed = allocate_old(step->packed_bytes), *scratch = allocate_old(scratch_bytes);
    const struct step_weights weights = {fixture->weight, fixture->bias,
                                         step->projection ? fixture->projection : NULL,
                                         fixture->scale};
    kernel->pack(step, &weights, packed);
    step->packed = packed;
    const struct step_run run = {.step = step,
                                 .buffers = fixture->buffers,
                                 .slots = fixture->slots + first_image,
                                 .first_image = first_image,
                                 .images = images};
    for (size_t end = kernel->units(step, images); end > 0;) {
        size_t begin = end > piece ? end - piece : 0;
        kernel->run(&run, begin, end, scratch);
        end = begin;
    }
    if (!holds_only(packed + step->packed_bytes, OLD))
        fail_msg("%s wrote behind its packed weights", kernel->name);
    if (!holds_only(scratch + scratch_bytes, OLD))
        fail_msg("%s wrote behind its scratch", kernel->name);
    free(packed);
    free(scratch);
}

void step_fixture_fini(struct step_fixture *fixture)
{
    for (unsigned i = 0; i < STEP_FIXTURE_BUFFERS; i++)
        free(fixture->memory[i]);
    for (unsigned i = 0; i < STEP_FIXTURE_MAX_IMAGES; i++)
        free(fixture->pixels[i]);
    free(fixture->weight);
    free(fixture->bias);
    free(fixture->projection);
    free(fixture->scale);
    *fixture = (struct step_fixture){0};
}
