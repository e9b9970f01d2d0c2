#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/net/weights_random.h"

static const struct weights_random_spec small = {
    .blocks = {1, 2, 1, 1}, .groups = 1, .width_per_group = 64, .classes = 10, .seed = 1};

static struct weights *create(struct weights_random_spec spec)
{
    struct weights *weights = NULL;
    assert_int_equal(weights_random_create(&spec, &weights, NULL), STATUS_OK);
    return weights;
}

static void assert_shape(const struct weights *weights, const char *name, unsigned rank,
                         const uint64_t *shape)
{
    const struct weights_tensor *tensor = weights_find(weights, name);
    assert_non_null(tensor);
    assert_int_equal(tensor->rank, rank);
    assert_memory_equal(tensor->shape, shape, rank * sizeof *shape);
}

static void tensors_are_torchvisions(void **state)
{
    (void)state;
    struct weights *weights = create(small);
    assert_string_equal(weights_format(weights), "random");
    assert_string_equal(weights_at(weights, 0)->name, "conv1.weight");
    assert_shape(weights, "conv1.weight", 4, (uint64_t[]){64, 3, 7, 7});
    assert_shape(weights, "layer2.0.downsample.0.weight", 4, (uint64_t[]){128, 64, 1, 1});
    assert_shape(weights, "layer4.0.bn2.running_var", 1, (uint64_t[]){512});
    assert_shape(weights, "fc.weight", 2, (uint64_t[]){10, 512});
    assert_null(weights_find(weights, "layer1.0.downsample.0.weight"));
    assert_null(weights_find(weights, "layer2.1.downsample.0.weight"));
    weights_destroy(weights);

    struct weights_random_spec grouped = small;
    grouped.is_bottleneck = true;
    grouped.groups = 32;
    grouped.width_per_group = 4;
    weights = create(grouped);
    assert_shape(weights, "layer1.0.conv2.weight", 4, (uint64_t[]){128, 4, 3, 3});
    assert_shape(weights, "layer1.0.downsample.0.weight", 4, (uint64_t[]){256, 64, 1, 1});
    assert_shape(weights, "layer4.0.conv3.weight", 4, (uint64_t[]){2048, 1024, 1, 1});
    assert_int_equal(weights_find(weights, "bn1.num_batches_tracked")->type, WEIGHTS_I64);
    weights_destroy(weights);
}

static void a_seed_decides_the_numbers(void **state)
{
    (void)state;
    struct weights_random_spec spec = small;
    struct weights *one = create(spec), *again = create(spec);
    spec.seed = 2;
    struct weights *two = create(spec);
    spec.seed = 1;
    spec.classes = 20;
    struct weights *wider = create(spec);
    struct span a = weights_find(one, "layer3.0.conv1.weight")->data;
    assert_memory_equal(a.data, weights_find(again, "layer3.0.conv1.weight")->data.data, a.size);
    assert_memory_not_equal(a.data, weights_find(two, "layer3.0.conv1.weight")->data.data, a.size);
    assert_memory_equal(a.data, weights_find(wider, "layer3.0.conv1.weight")->data.data, a.size);
    assert_memory_not_equal(a.data, weights_find(one, "layer3.0.conv2.weight")->data.data, a.size);
    weights_destroy(one);
    weights_destroy(again);
    weights_destroy(two);
    weights_destroy(wider);
}

/* Against the normal distribution's own shares: 68.27, 95.45 and 99.73 % inside 1, 2 and 3 sigma.
 */
static void convolutions_are_normal(void **state)
{
    (void)state;
    struct weights *weights = create(small);
    const struct weights_tensor *tensor = weights_find(weights, "layer4.0.conv2.weight");
    float *values = malloc(tensor->count * sizeof *values);
    assert_non_null(values);
    assert_int_equal(weights_copy_f32(tensor, values, NULL), STATUS_OK);
    double sigma = sqrt(2 / (512.0 * 9)), sum = 0, squares = 0, inside[3] = {0};
    for (uint64_t i = 0; i < tensor->count; i++) {
        sum += values[i];
        squares += (double)values[i] * values[i];
        for (int k = 0; k < 3; k++)
            inside[k] += fabs(values[i]) < (k + 1) * sigma;
    }
    double count = (double)tensor->count; /* 2.36 million: a share's error is around 3e-4 */
    assert_true(fabs(sum / count) < 0.005 * sigma);
    assert_true(fabs(sqrt(squares / count) / sigma - 1) < 0.003);
    assert_true(fabs(inside[0] / count - 0.682689) < 0.002);
    assert_true(fabs(inside[1] / count - 0.954500) < 0.001);
    assert_true(fabs(inside[2] / count - 0.997300) < 0.0003);
    free(values);
    weights_destroy(weights);
}

static void batch_norm_is_neutral_and_the_head_uniform(void **state)
{
    (void)state;
    struct weights *weights = create(small);
    float value[512];
    assert_int_equal(
        weights_copy_f32(weights_find(weights, "layer4.0.bn1.running_var"), value, NULL),
        STATUS_OK);
    assert_true(value[0] == 1 && value[511] == 1);
    assert_int_equal(weights_copy_f32(weights_find(weights, "layer4.0.bn1.bias"), value, NULL),
                     STATUS_OK);
    assert_true(value[0] == 0 && value[511] == 0);

    float head[5120];
    assert_int_equal(weights_copy_f32(weights_find(weights, "fc.weight"), head, NULL), STATUS_OK);
    double bound = 1 / sqrt(512.0), squares = 0, largest = 0;
    for (int i = 0; i < 5120; i++) {
        squares += (double)head[i] * head[i];
        largest = fmax(largest, fabs(head[i]));
    }
    assert_true(largest <= bound && largest > 0.99 * bound);
    assert_true(fabs(squares / 5120 / (bound * bound / 3) - 1) < 0.05);
    weights_destroy(weights);
}

static void too_many_bytes_are_no_memory(void **state)
{
    (void)state;
    struct weights_random_spec spec = small;
    spec.is_bottleneck = true;
    spec.width_per_group = spec.groups = 4096;
    spec.blocks[2] = 256;
    struct weights *weights = NULL;
    struct error error = {0};
    assert_int_equal(weights_random_create(&spec, &weights, &error), STATUS_NO_MEMORY);
    assert_null(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_torchvisions),
        cmocka_unit_test(a_seed_decides_the_numbers),
        cmocka_unit_test(convolutions_are_normal),
        cmocka_unit_test(batch_norm_is_neutral_and_the_head_uniform),
        cmocka_unit_test(too_many_bytes_are_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
