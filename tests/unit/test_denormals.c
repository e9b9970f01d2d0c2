/* Steps take denormals for zero on whatever thread they run; whoever runs them does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fenv.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "model/base/denormals.h"
#include "model/net/engine.h"
#include "model/net/weights_random.h"

#if defined(__x86_64__) || defined(__aarch64__)
enum { CAN_FLUSH = true };
#else
enum { CAN_FLUSH = false };
#endif

enum { PX = 64, VALUES = PX * PX * 3, MAX_THREADS = 4 };

/* Volatile: to be computed here and now. */
static volatile float denormal = 1e-39f, small = 1e-30f, smaller = 1e-9f, large = 1e10f,
                      third = 3.0f;

static bool has_denormal_results(void)
{
    volatile float product = small * smaller;
    return product != 0;
}

static bool has_denormal_operands(void)
{
    volatile float product = denormal * large;
    return product != 0;
}

static bool is_plain(void)
{
    return has_denormal_results() && has_denormal_operands();
}

static bool is_flushing(void)
{
    return !has_denormal_results() && !has_denormal_operands();
}

static void state_is_set_and_restored(void **state)
{
    (void)state;
    if (!CAN_FLUSH)
        skip();
    assert_true(is_plain());
    uint64_t before = denormals_flush();
    assert_true(is_flushing());
    uint64_t within = denormals_flush();
    denormals_restore(within);
    assert_true(is_flushing());
    denormals_restore(before);
    assert_true(is_plain());
}

/* What else the register holds stays: how to round, and that nothing inexact was seen. */
static void rounding_and_flags_are_the_callers(void **state)
{
    (void)state;
    assert_int_equal(fesetround(FE_UPWARD), 0);
    assert_int_equal(feclearexcept(FE_ALL_EXCEPT), 0);
    uint64_t before = denormals_flush();
    assert_int_equal(fegetround(), FE_UPWARD);
    volatile float inexact = large / third;
    (void)inexact;
    denormals_restore(before);
    assert_int_equal(fegetround(), FE_UPWARD);
#if defined(__x86_64__)
    assert_int_equal(fetestexcept(FE_INEXACT), 0);
    assert_int_equal(__builtin_ia32_stmxcsr(), before);
#endif
    assert_int_equal(fesetround(FE_TONEAREST), 0);
}

static struct engine *make_engine(const char *kernels)
{
    const struct engine_options options = {.input_px = PX,
                                           .mean = {0.485f, 0.456f, 0.406f},
                                           .std = {0.229f, 0.224f, 0.225f},
                                           .kernels = kernels,
                                           .precision = "float32"};
    const struct weights_random_spec spec = {
        .blocks = {1, 1, 1, 1}, .groups = 1, .width_per_group = 64, .classes = 10, .seed = 3};
    struct weights *weights = NULL;
    struct graph *graph = NULL;
    struct engine *engine = NULL;
    struct error error = {0};
    assert_int_equal(weights_random_create(&spec, &weights, NULL), STATUS_OK);
    assert_int_equal(graph_create(weights, &graph, NULL), STATUS_OK);
    enum status status = engine_create(graph, &options, &engine, &error);
    if (status != STATUS_OK)
        print_message("%s\n", error.text);
    graph_destroy(graph);
    weights_destroy(weights);
    return engine;
}

static float values[VALUES + ENGINE_SLOT_SLACK_BYTES];

/* The largest of the feature map for an image of `value` and -`value`. The network has no bias
 * before it, so that it shrinks with its image. */
static float run_on(const struct engine *engine, unsigned threads, float value)
{
    static float map[512 * 4];
    struct engine_scratch *scratch = NULL;
    for (size_t i = 0; i < VALUES; i++)
        values[i] = i % 7 < 4 ? value : -value;
    size_t px = engine_feature_px(engine), count = px * px * engine_features(engine);
    assert_true(count <= sizeof map / sizeof *map);
    assert_int_equal(engine_scratch_create(engine, 1, threads, &scratch, NULL), STATUS_OK);
    engine_run(engine, scratch, 1, &(struct step_slot){TENSOR_F32, values},
               &(struct engine_outputs){.feature_map = map});
    engine_scratch_destroy(scratch);
    uint32_t largest = 0, bits;
    for (size_t i = 0; i < count; i++) {
        memcpy(&bits, &map[i], sizeof bits);
        bits &= 0x7fffffff; /* magnitudes in their order */
        largest = bits > largest ? bits : largest;
    }
    float result;
    memcpy(&result, &largest, sizeof result);
    return result;
}

static void an_image_of_denormals_is_black(void **state)
{
    (void)state;
    if (!CAN_FLUSH)
        skip();
    for (size_t i = 0; kernels_name(i); i++) {
        struct engine *engine = make_engine(kernels_name(i));
        for (unsigned threads = 1; engine && threads <= MAX_THREADS; threads++) {
            assert_true(run_on(engine, threads, 1.0f) > 1e-3f);
            assert_true(run_on(engine, threads, 1e-39f) == 0.0f);
            assert_true(is_plain());
        }
        engine_destroy(engine);
    }
}

/* A step that each member has to take part in. */
static const struct kernel *real;
static pthread_barrier_t all_are_here;
static _Thread_local bool has_come;
static atomic_uint came, flushing;

static void run_and_look(const struct step_run *run, size_t first, size_t last, void *scratch)
{
    if (!has_come) {
        has_come = true;
        pthread_barrier_wait(&all_are_here);
        atomic_fetch_add(&came, 1);
        atomic_fetch_add(&flushing, is_flushing());
    }
    real->run(run, first, last, scratch);
}

static void look_at_caller(void *user, const struct step_run *run, uint64_t elapsed_us)
{
    (void)run;
    (void)elapsed_us;
    *(bool *)user &= is_plain();
}

static void every_thread_flushes_and_no_observer(void **state)
{
    (void)state;
    if (!CAN_FLUSH)
        skip();
    struct engine *engine = make_engine("auto");
    /* The plan is immutable for everyone else. */
    struct step *step = (struct step *)(uintptr_t)&engine_plan(engine)->steps[0];
    real = step->kernel;
    struct kernel looking = *real;
    looking.run = run_and_look;
    step->kernel = &looking;
    for (unsigned threads = 1; threads <= MAX_THREADS; threads++) {
        assert_true(real->units(step, 1) >= threads);
        struct engine_scratch *scratch = NULL;
        bool is_observer_plain = true;
        pthread_barrier_init(&all_are_here, NULL, threads);
        came = flushing = 0;
        has_come = false;
        assert_int_equal(engine_scratch_create(engine, 1, threads, &scratch, NULL), STATUS_OK);
        engine_scratch_observe(scratch, (struct engine_observer){.step_done = look_at_caller,
                                                                 .user = &is_observer_plain});
        engine_run(engine, scratch, 1, &(struct step_slot){TENSOR_F32, values},
                   &(struct engine_outputs){0});
        engine_scratch_destroy(scratch);
        pthread_barrier_destroy(&all_are_here);
        assert_int_equal(came, threads);
        assert_int_equal(flushing, threads);
        assert_true(is_observer_plain && is_plain());
    }
    step->kernel = real;
    engine_destroy(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_is_set_and_restored),
        cmocka_unit_test(rounding_and_flags_are_the_callers),
        cmocka_unit_test(an_image_of_denormals_is_black),
        cmocka_unit_test(every_thread_flushes_and_no_observer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
