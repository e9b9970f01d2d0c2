#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "model/image/prepare.h"
#include "model/model.h"
#include "model/net/engine_check.h"
#include "server/web/assets.h"

struct fixture {
    struct catalogue *catalogue;
    struct labels *labels;
    struct model_library library;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    assert_int_equal(catalogue_parse(assets_catalogue(), &fixture->catalogue, NULL), STATUS_OK);
    assert_int_equal(labels_parse_tsv(assets_labels(), &fixture->labels, NULL), STATUS_OK);
    fixture->library = (struct model_library){
        .catalogue = fixture->catalogue,
        .imagenet_labels = fixture->labels,
        .demo_weights = assets_demo_weights(),
        .folders = "/nonexistent",
    };
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    catalogue_destroy(fixture->catalogue);
    labels_destroy(fixture->labels);
    free(fixture);
    return 0;
}

static struct model *loaded(const struct fixture *fixture, const char *name)
{
    struct model_options options = {0};
    struct model *model = NULL;
    struct error error = {0};
    if (model_load(&fixture->library, name, &options, &model, &error) != STATUS_OK)
        fail_msg("%s: %s", name, error.text);
    return model;
}

static struct topk_entry classify(const struct model *model, struct span image)
{
    const struct engine *engine = model_engine(model);
    const struct recipe *recipe = model_recipe(model);
    uint8_t *slot = calloc(1, engine_slot_bytes(engine, TENSOR_U8));
    float *logits = calloc(engine_classes(engine), sizeof *logits);
    struct image_prepare_options options = {.limits = image_prepare_default_limits,
                                            .resize_px = recipe->resize_px,
                                            .crop_px = recipe->crop_px,
                                            .orient = true};
    struct image_info info;
    struct engine_scratch *scratch = NULL;
    struct topk_entry best = {0};
    assert_true(slot && logits);
    assert_int_equal(image_prepare(&options, image, slot, &info, NULL, NULL), STATUS_OK);
    assert_int_equal(engine_scratch_create(engine, 1, 1, &scratch, NULL), STATUS_OK);
    engine_run(engine, scratch, 1, &(struct step_slot){TENSOR_U8, slot},
               &(struct engine_outputs){.logits = logits});
    assert_int_equal(topk_select(logits, engine_classes(engine), 1, &best), 1);
    engine_scratch_destroy(scratch);
    free(logits);
    free(slot);
    return best;
}

static void demo_knows_the_sample(void **state)
{
    struct model *model = loaded(*state, "demo");
    struct topk_entry best = classify(model, assets_sample_image());
    assert_string_equal(labels_at(model_labels(model), best.class_id).text, "golf ball");
    /* torchvision on the same file: 0.66534 */
    assert_float_equal(best.probability, 0.66534F, 1e-4F);
    assert_string_equal(model_name(model), "demo");
    assert_string_equal(model_weights(model), "demo");
    assert_string_equal(model_precision(model), "float32");
    assert_string_equal(model_source(model), "embedded");
    assert_non_null(strstr(model_note(model), "demo model"));
    assert_int_equal(engine_input_px(model_engine(model)), 128);
    assert_int_equal(model_graph(model)->classes, 1000);
    model_destroy(model);
}

/* What torch computed with the demo model's weights, and a batch that is checked all over: with
 * each kernel set of this machine. */
static void demo_passes_its_check(void **state)
{
    enum { BATCH = 4 };
    const struct fixture *fixture = *state;
    static const char *const kernels[] = {"auto", "generic"};
    for (size_t i = 0; i < 2; i++) {
        struct model_options options = {.engine = {.kernels = kernels[i]}};
        struct model *model = NULL;
        struct engine_scratch *scratch = NULL;
        struct engine_check_report report = {0};
        struct error error = {0};
        assert_int_equal(model_load(&fixture->library, "demo", &options, &model, NULL), STATUS_OK);
        assert_int_equal(engine_scratch_create(model_engine(model), BATCH, 2, &scratch, NULL),
                         STATUS_OK);
        if (engine_check(model_engine(model), model_graph(model), scratch, BATCH,
                         model_golden(model), &report, &error) != STATUS_OK)
            fail_msg("%s: %s", kernels[i], error.text);
        assert_int_equal(report.golden_logits, 16);
        assert_true(report.worst_golden < 1e-4);
        engine_scratch_destroy(scratch);
        model_destroy(model);
    }
}

static void head_decides_the_labels(void **state)
{
    struct model *model = loaded(*state, "random:resnet18?classes=10&seed=3");
    assert_int_equal(engine_classes(model_engine(model)), 10);
    assert_int_equal(labels_count(model_labels(model)), 10);
    assert_null(model_golden(model));
    assert_string_equal(labels_at(model_labels(model), 4).text, "class 4");
    model_destroy(model);
}

static void failures_name_the_file(void **state)
{
    const struct fixture *fixture = *state;
    struct model_options options = {0};
    struct model *model = NULL;
    struct error error = {0};
    assert_int_equal(model_load(&fixture->library, "resnet50", &options, &model, &error),
                     STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "resnet50-11ad3fa6.pth"));

    /* One tensor, and no network. */
    char path[] = "/tmp/classifyd_test_XXXXXX.safetensors";
    int fd = mkstemps(path, 12);
    assert_true(fd >= 0);
    static const char header[] =
        "{\"fc.bias\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}";
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    uint8_t length[8] = {sizeof header - 1};
    assert_int_equal(fwrite(length, 1, 8, file), 8);
    assert_int_equal(fwrite(header, 1, sizeof header - 1, file), sizeof header - 1);
    assert_int_equal(fwrite("\0\0\0", 1, 4, file), 4);
    assert_int_equal(fclose(file), 0);
    error = (struct error){0};
    assert_int_not_equal(model_load(&fixture->library, path, &options, &model, &error), STATUS_OK);
    assert_memory_equal(error.text, path, strlen(path));
    assert_null(model);
    assert_int_equal(remove(path), 0);
    model_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(demo_knows_the_sample),
        cmocka_unit_test(demo_passes_its_check),
        cmocka_unit_test(head_decides_the_labels),
        cmocka_unit_test(failures_name_the_file),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
