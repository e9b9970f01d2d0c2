/* Images that have no room in memory are prepared again for each run, and nothing comes out
 * otherwise for it; one that cannot be read any more is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/commands/quantizer.h"
#include "server/web/assets.h"
#include "tests/unit/photograph_fixture.h"

enum { IMAGES = 7, BROKEN = 3 };

static char folder[64];
static struct labels *labels;
static struct catalogue *catalogue;
static struct model *model;

static void name_image(unsigned index, char *ret_path, size_t size)
{
    (void)snprintf(ret_path, size, "%s/%u.bmp", folder, index);
}

static void write_image(unsigned index)
{
    char path[128];
    name_image(index, path, sizeof path);
    photograph_fixture_write(path, index, index == BROKEN ? 20 : PHOTOGRAPH_FIXTURE_BYTES);
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_quantizer.XXXXXX");
    assert_non_null(mkdtemp(folder));
    for (unsigned i = 0; i <= IMAGES; i++) /* one of them is broken */
        write_image(i);
    assert_int_equal(catalogue_parse(assets_catalogue(), &catalogue, NULL), STATUS_OK);
    assert_int_equal(labels_parse_tsv(assets_labels(), &labels, NULL), STATUS_OK);
    const struct model_library library = {.catalogue = catalogue,
                                          .imagenet_labels = labels,
                                          .demo_weights = assets_demo_weights(),
                                          .folders = ""};
    const struct model_options options = {.engine = {.precision = "float32"}};
    assert_int_equal(model_load(&library, "demo", &options, &model, NULL), STATUS_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char path[128];
    for (unsigned i = 0; i <= IMAGES; i++) {
        name_image(i, path, sizeof path);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
    model_destroy(model);
    labels_destroy(labels);
    catalogue_destroy(catalogue);
    return 0;
}

static void count_complaint(void *user, const char *path, const struct error *error)
{
    (void)error;
    char expected[128];
    name_image(BROKEN, expected, sizeof expected);
    assert_string_equal(path, expected);
    ++*(size_t *)user;
}

/* With room for `kept` images. */
static struct quantizer_options options_for(size_t kept, size_t *complaints)
{
    const struct recipe *recipe = model_recipe(model);
    struct quantizer_options options = {
        .calibration = {.engine = {.input_px = recipe->crop_px},
                        .threads = 1,
                        .weights = CALIBRATION_WEIGHTS_MAX,
                        .activations = CALIBRATION_ACTIVATIONS_MAX,
                        .has_bias_correction = true,
                        .search_images = 1},
        .is_checked = true,
        .kept_bytes = kept * engine_slot_bytes(model_engine(model), TENSOR_U8),
        .complain = count_complaint,
        .user = complaints};
    memcpy(options.calibration.engine.mean, recipe->mean, sizeof recipe->mean);
    memcpy(options.calibration.engine.std, recipe->std, sizeof recipe->std);
    return options;
}

static void assert_same(const struct quantizer *found, const struct quantizer *expected)
{
    const struct quantization *one = found->calibration.quantization;
    const struct quantization *other = expected->calibration.quantization;
    assert_int_equal(found->images, expected->images);
    assert_memory_equal(&found->int8, &expected->int8, sizeof found->int8);
    assert_memory_equal(&found->bf16, &expected->bf16, sizeof found->bf16);
    assert_int_equal(one->layer_count, other->layer_count);
    for (size_t i = 0; i < one->layer_count; i++) {
        size_t bytes = one->layers[i].channels * sizeof(float);
        assert_memory_equal(&one->layers[i].output_scale, &other->layers[i].output_scale,
                            sizeof(float));
        assert_memory_equal(one->layers[i].scale, other->layers[i].scale, bytes);
        assert_memory_equal(one->layers[i].bias, other->layers[i].bias, bytes);
    }
}

static void what_is_kept_changes_nothing(void **state)
{
    (void)state;
    static const size_t kept[] = {100, 3, 0};
    struct dataset dataset;
    struct quantizer quantizers[3];
    size_t complaints[3] = {0};
    struct quantizer_options options[3];
    assert_int_equal(dataset_init_folder(&dataset, folder, NULL), STATUS_OK);
    for (size_t i = 0; i < 3; i++) {
        struct error error = {0};
        options[i] = options_for(kept[i], &complaints[i]);
        assert_int_equal(quantizer_init(&quantizers[i], model, &dataset, &options[i], NULL),
                         STATUS_OK);
        /* No more room than for the images that there are, and one that is being read. */
        assert_int_equal(quantizers[i].pixels.size_bytes,
                         ((kept[i] < IMAGES + 1 ? kept[i] : IMAGES + 1) + 1) *
                             engine_slot_bytes(model_engine(model), TENSOR_U8));
        if (quantizer_run(&quantizers[i], &error) != STATUS_OK)
            fail_msg("%s", error.text);
        assert_int_equal(quantizers[i].images, IMAGES);
        assert_int_equal(complaints[i], 1);
        assert_same(&quantizers[i], &quantizers[0]);
    }
    assert_int_equal(quantizers[0].int8.images, IMAGES);
    for (size_t i = 0; i < 3; i++)
        quantizer_fini(&quantizers[i]);
    dataset_fini(&dataset);
}

static void an_image_that_goes_away_is_named(void **state)
{
    (void)state;
    struct dataset dataset;
    struct quantizer quantizer;
    struct error error = {0};
    char path[128];
    size_t complaints = 0;
    const struct quantizer_options options = options_for(0, &complaints);
    assert_int_equal(dataset_init_folder(&dataset, folder, NULL), STATUS_OK);
    assert_int_equal(quantizer_init(&quantizer, model, &dataset, &options, NULL), STATUS_OK);
    name_image(5, path, sizeof path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(quantizer_run(&quantizer, &error), STATUS_NOT_FOUND);
    assert_int_equal(strncmp(error.text, path, strlen(path)), 0);
    quantizer_fini(&quantizer);
    dataset_fini(&dataset);
    write_image(5);
}

int main(void)
{
    kernels_prepare_process();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_changes_nothing),
        cmocka_unit_test(an_image_that_goes_away_is_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
