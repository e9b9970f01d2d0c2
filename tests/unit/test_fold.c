#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "model/net/fold.h"

enum { OUT = 2, IN = 2, AREA = 9 };

static struct weights_tensor tensor_of(const char *name, const float *values, unsigned rank,
                                       const uint64_t *shape)
{
    struct weights_tensor tensor = {.name = name, .type = WEIGHTS_F32, .rank = rank, .count = 1};
    for (unsigned i = rank; i-- > 0;) {
        tensor.shape[i] = shape[i];
        tensor.strides[i] = tensor.count;
        tensor.count *= shape[i];
    }
    tensor.data = (struct span){(const uint8_t *)values, (size_t)tensor.count * sizeof *values};
    return tensor;
}

/* BatchNorm(conv(x)) by its definition, against the folded weights, for one pixel's patch. */
static void folding_is_batch_norm(void **state)
{
    (void)state;
    float weight[OUT * IN * AREA], patch[IN * AREA];
    for (int i = 0; i < OUT * IN * AREA; i++)
        weight[i] = (float)(i % 7 - 3) / 4.0f;
    for (int i = 0; i < IN * AREA; i++)
        patch[i] = (float)(i % 5 - 2) / 3.0f;
    const float gamma[] = {1.5f, -0.5f}, beta[] = {0.25f, 2.0f}, mean[] = {0.1f, -0.7f},
                variance[] = {0.3f, 4.0f};
    const uint64_t shape[] = {OUT, IN, 3, 3}, vector[] = {OUT};
    struct weights_tensor tensors[] = {
        tensor_of("w", weight, 4, shape), tensor_of("g", gamma, 1, vector),
        tensor_of("b", beta, 1, vector), tensor_of("m", mean, 1, vector),
        tensor_of("v", variance, 1, vector)};
    struct graph_layer layer = {.op = GRAPH_CONV,
                                .in_channels = IN,
                                .out_channels = OUT,
                                .kernel_px = 3,
                                .groups = 1,
                                .weight = &tensors[0],
                                .bn_weight = &tensors[1],
                                .bn_bias = &tensors[2],
                                .bn_mean = &tensors[3],
                                .bn_var = &tensors[4]};
    float folded[OUT * IN * AREA], bias[OUT];
    assert_int_equal(fold_layer(&layer, NULL, folded, bias, NULL), STATUS_OK);
    for (int o = 0; o < OUT; o++) {
        double sum = 0, folded_sum = (double)bias[o];
        for (int c = 0; c < IN; c++)
            for (int t = 0; t < AREA; t++) {
                sum += (double)weight[(o * IN + c) * AREA + t] * (double)patch[c * AREA + t];
                folded_sum += (double)folded[(o * AREA + t) * IN + c] * (double)patch[c * AREA + t];
            }
        double expected =
            (sum - (double)mean[o]) / sqrt((double)variance[o] + 1e-5) * (double)gamma[o] +
            (double)beta[o];
        assert_true(fabs(folded_sum - expected) < 1e-6);
    }
}

static void a_negative_variance_is_refused(void **state)
{
    (void)state;
    const float weight[] = {1}, one[] = {1}, negative[] = {-1};
    const uint64_t shape[] = {1, 1, 1, 1}, vector[] = {1};
    struct weights_tensor w = tensor_of("w", weight, 4, shape), g = tensor_of("g", one, 1, vector),
                          v = tensor_of("v", negative, 1, vector);
    struct graph_layer layer = {.name = "layer1.0.conv1",
                                .op = GRAPH_CONV,
                                .in_channels = 1,
                                .out_channels = 1,
                                .kernel_px = 1,
                                .groups = 1,
                                .weight = &w,
                                .bn_weight = &g,
                                .bn_bias = &g,
                                .bn_mean = &g,
                                .bn_var = &v};
    float folded[1], bias[1];
    struct error error = {0};
    assert_int_equal(fold_layer(&layer, NULL, folded, bias, &error), STATUS_BAD_MODEL);
    assert_string_equal(error.text,
                        "layer1.0.conv1: channel 0 of its BatchNorm has no finite scale");
}

/* What is not asked for is neither written nor read: not even a NaN is found there. */
static void channels_that_are_not_wanted_are_left(void **state)
{
    (void)state;
    const float weight[] = {1, 2, NAN, NAN, 5, 6};
    const uint64_t shape[] = {3, 2, 1, 1};
    struct weights_tensor w = tensor_of("w", weight, 4, shape);
    struct graph_layer layer = {.name = "conv",
                                .op = GRAPH_CONV,
                                .in_channels = 2,
                                .out_channels = 3,
                                .kernel_px = 1,
                                .groups = 1,
                                .weight = &w};
    float folded[] = {7, 7, 7, 7, 7, 7}, bias[3];
    const bool wanted[] = {false, false, true};
    assert_int_equal(fold_layer(&layer, wanted, folded, bias, NULL), STATUS_OK);
    assert_memory_equal(folded, ((float[]){7, 7, 7, 7, 5, 6}), sizeof folded);
    struct error error = {0};
    assert_int_equal(fold_layer(&layer, NULL, folded, bias, &error), STATUS_BAD_MODEL);
    assert_string_equal(error.text, "w: element 2 is not a finite number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folding_is_batch_norm),
        cmocka_unit_test(a_negative_variance_is_refused),
        cmocka_unit_test(channels_that_are_not_wanted_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
