/* What the pipeline answers. How it gives up: test_pipeline_abort.c. */
#include "tests/unit/pipeline_fixture.h"

#include <stdio.h>
#include <stdlib.h>

/* The way of `classifyd classify`: one image, one thread, nothing shared. */
static size_t classify_bytes(const struct fixture *fixture, size_t model_index, struct span bytes,
                             size_t top_k, struct topk_entry *ret_entries,
                             struct image_info *ret_info)
{
    const struct pipeline_options *asked = &fixture->options;
    const struct model *model = registry_entry_model(registry_at(fixture->registry, model_index));
    const struct engine *engine = model_engine(model);
    const struct recipe *recipe = model_recipe(model);
    const struct image_prepare_options options = {.limits = image_prepare_default_limits,
                                                  .resize_px = recipe->resize_px,
                                                  .crop_px = recipe->crop_px,
                                                  .orient = asked->orient,
                                                  .scale_dct = asked->scale_dct};
    uint8_t *slot = calloc(1, engine_slot_bytes(engine, TENSOR_U8));
    float *logits = calloc(engine_classes(engine), sizeof *logits);
    struct engine_scratch *scratch = NULL;
    assert_true(slot && logits);
    assert_int_equal(image_prepare(&options, bytes, slot, ret_info, NULL, NULL), STATUS_OK);
    assert_int_equal(engine_scratch_create(engine, 1, 1, &scratch, NULL), STATUS_OK);
    engine_run(engine, scratch, 1, &(struct step_slot){TENSOR_U8, slot},
               &(struct engine_outputs){.logits = logits});
    size_t count = topk_select(logits, engine_classes(engine), top_k, ret_entries);
    engine_scratch_destroy(scratch);
    free(logits);
    free(slot);
    return count;
}

static size_t classify(const struct fixture *fixture, size_t model_index, size_t top_k,
                       struct topk_entry *ret_entries, struct image_info *ret_info)
{
    return classify_bytes(fixture, model_index, assets_sample_image(), top_k, ret_entries,
                          ret_info);
}

static void assert_same_answer(const struct item_outcome *outcome, const struct topk_entry *entries,
                               size_t count, const struct image_info *info)
{
    if (outcome->problem.code != PROBLEM_NONE)
        fail_msg("%s", outcome->problem.detail);
    assert_int_equal(outcome->stage, ITEM_STAGE_DONE);
    assert_int_equal(outcome->prediction_count, count);
    assert_memory_equal(outcome->predictions, entries, count * sizeof *entries);
    assert_int_equal(outcome->info.format, info->format);
    assert_int_equal(outcome->info.width_px, info->width_px);
    assert_int_equal(outcome->info.height_px, info->height_px);
    assert_in_range(outcome->batch_size, 1, 8);
    const struct item_times *times = &outcome->times;
    assert_true(times->decode_us > 0 && times->inference_us > 0 && times->fetch_us == 0);
    assert_true(times->total_us >=
                times->decode_us + times->preprocess_us + times->queue_us + times->inference_us);
}

/* Whatever the company, the threads and the number of classes. */
static void answers_are_those_of_classify(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 30 };
    struct topk_entry demo[1000], small[10];
    struct image_info info;
    struct item_request requests[COUNT];
    struct call call = {0};
    assert_int_equal(classify(fixture, 0, 1000, demo, &info), 1000);
    assert_int_equal(classify(fixture, 1, 10, small, &info), 10);
    fixture->options.prepare_threads = 2;
    fixture->options.engine_threads = 3;
    fixture->options.max_batch = 4;
    fixture_start(fixture);
    for (size_t i = 0; i < COUNT; i++) {
        requests[i] = fixture_photograph(fixture);
        requests[i].model = i % 3 == 2 ? "small" : i % 2 ? "demo" : NULL;
        requests[i].top_k = i == 0 ? 1000 : (uint32_t)(i % 11);
    }
    call_make(&call, requests, COUNT);
    pipeline_submit(fixture->pipeline, call.job);
    call_wait(&call);
    for (size_t i = 0; i < COUNT; i++) {
        size_t top_k = requests[i].top_k ? requests[i].top_k : ITEM_DEFAULT_TOP_K;
        bool is_small = i % 3 == 2;
        assert_same_answer(call_outcome(&call, i), is_small ? small : demo, top_k, &info);
        assert_ptr_equal(call_outcome(&call, i)->model,
                         registry_entry_model(registry_at(fixture->registry, is_small)));
    }
    call_end(&call);
    assert_int_equal(fixture_count(fixture, "classifyd_images_total"), COUNT);
    assert_int_equal(
        fixture_count(fixture, "classifyd_stage_duration_seconds_count{stage=\"inference\"}"),
        COUNT);
    assert_int_equal(
        fixture_count(fixture, "classifyd_stage_duration_seconds_count{stage=\"decode\"}"), COUNT);
}

/* More CPUs than batches that run side by side: teams of two, of one, and a wide one of all. */
static void many_threads_share_few_batches(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 40 };
    struct topk_entry demo[5];
    struct image_info info;
    struct item_request requests[COUNT];
    struct call call = {0};
    assert_int_equal(classify(fixture, 0, 5, demo, &info), 5);
    fixture->options.engine_threads = 18;
    fixture->options.max_batch = 1;
    fixture_start(fixture);
    for (size_t i = 0; i < COUNT; i++)
        requests[i] = fixture_photograph(fixture);
    call_make(&call, requests, COUNT);
    pipeline_submit(fixture->pipeline, call.job);
    call_wait(&call);
    for (size_t i = 0; i < COUNT; i++)
        assert_same_answer(call_outcome(&call, i), demo, 5, &info);
    call_end(&call);
}

static void one_image_after_the_other(void **state)
{
    struct fixture *fixture = *state;
    struct topk_entry demo[5];
    struct image_info info;
    struct item_request request = fixture_photograph(fixture);
    assert_int_equal(classify(fixture, 0, 5, demo, &info), 5);
    fixture->options.engine_threads = 2;
    fixture_start(fixture);
    for (int i = 0; i < 5; i++) {
        struct call call = {0};
        call_send(fixture, &call, &request);
        call_wait(&call);
        assert_same_answer(call_outcome(&call, 0), demo, 5, &info);
        assert_int_equal(call_outcome(&call, 0)->batch_size, 1);
        call_end(&call);
    }
    /* The demo model's own answer, as torchvision computes it. */
    assert_float_equal(demo[0].probability, 0.66534F, 1e-4F);
}

/* The sample, to be turned by its EXIF orientation. */
static void a_turned_image_is_turned(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t start[] = {0xFF, 0xD8, 0xFF, 0xE1, 0, 34, 'E', 'x', 'i', 'f',  0, 0, 'I',
                                    'I',  '*',  0,    8,    0, 0,  0,   1,   0,   0x12, 1, 3, 0,
                                    1,    0,    0,    0,    6, 0,  0,   0,   0,   0,    0, 0};
    struct span sample = assets_sample_image();
    uint8_t *bytes = malloc(sizeof start + sample.size);
    struct topk_entry turned[5];
    struct image_info info;
    struct call call = {0};
    assert_non_null(bytes);
    memcpy(bytes, start, sizeof start);
    memcpy(bytes + sizeof start, sample.data + 2, sample.size - 2);
    struct item_request request = {.bytes = {bytes, sizeof start + sample.size - 2}};
    assert_int_equal(classify_bytes(fixture, 0, request.bytes, 5, turned, &info), 5);
    assert_int_equal(info.orientation, 6);
    fixture_start(fixture);
    call_send(fixture, &call, &request);
    call_wait(&call);
    assert_same_answer(call_outcome(&call, 0), turned, 5, &info);
    call_end(&call);
    free(bytes);
}

static void improbable_classes_are_left_out(void **state)
{
    struct fixture *fixture = *state;
    struct topk_entry demo[5];
    struct image_info info;
    struct item_request request = fixture_photograph(fixture);
    assert_int_equal(classify(fixture, 0, 5, demo, &info), 5);
    const struct {
        float min_probability;
        size_t count;
    } cases[] = {{0, 5}, {demo[2].probability, 3}, {0.6F, 1}, {1, 0}};
    fixture_start(fixture);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct call call = {0};
        request.min_probability = cases[i].min_probability;
        call_send(fixture, &call, &request);
        call_wait(&call);
        assert_same_answer(call_outcome(&call, 0), demo, cases[i].count, &info);
        call_end(&call);
    }
}

static void assert_problem(struct fixture *fixture, const struct item_request *request,
                           enum problem_code code, enum item_stage stage, const char *text)
{
    struct call call = {0};
    char series[128];
    (void)snprintf(series, sizeof series, "classifyd_rejections_total{reason=\"%s\"}",
                   problem_kind(code)->name);
    long before = fixture_count(fixture, series);
    call_send(fixture, &call, request);
    call_wait(&call);
    const struct item_outcome *outcome = call_outcome(&call, 0);
    assert_int_equal(outcome->problem.code, code);
    assert_int_equal(outcome->stage, stage);
    assert_int_equal(outcome->prediction_count, 0);
    if (!strstr(outcome->problem.detail, text))
        fail_msg("\"%s\" does not say \"%s\"", outcome->problem.detail, text);
    assert_int_equal(fixture_count(fixture, series), before + 1);
    call_end(&call);
}

static void each_problem_says_what_and_where(void **state)
{
    struct fixture *fixture = *state;
    struct item_request request = fixture_photograph(fixture);
    fixture_start(fixture);
    request.model = "resnet\"50";
    assert_problem(fixture, &request, PROBLEM_MODEL_NOT_FOUND, ITEM_STAGE_SUBMIT,
                   "demo, small, later");
    request.model = "later";
    assert_problem(fixture, &request, PROBLEM_MODEL_NOT_READY, ITEM_STAGE_SUBMIT, "later");
    registry_entry_set_failed(registry_at(fixture->registry, 2), "no such file");
    assert_problem(fixture, &request, PROBLEM_MODEL_NOT_READY, ITEM_STAGE_SUBMIT, "later");
    request.model = "small";
    request.top_k = 11;
    assert_problem(fixture, &request, PROBLEM_BAD_REQUEST, ITEM_STAGE_SUBMIT, "1 to 10");
    request = fixture_broken(fixture);
    assert_problem(fixture, &request, PROBLEM_NOT_DECODABLE, ITEM_STAGE_PREPARE, "JPEG");
    request.bytes = (struct span){(const uint8_t *)"<html>", 6};
    assert_problem(fixture, &request, PROBLEM_UNSUPPORTED_MEDIA_TYPE, ITEM_STAGE_PREPARE,
                   "not an image");
    request.bytes.size = 0;
    assert_problem(fixture, &request, PROBLEM_UNSUPPORTED_MEDIA_TYPE, ITEM_STAGE_PREPARE,
                   "no bytes");
    request = (struct item_request){.url = "http://example.org/a.jpg"};
    assert_problem(fixture, &request, PROBLEM_FETCH_DISABLED, ITEM_STAGE_SUBMIT, "turned off");
}

static void one_bad_image_never_fails_the_rest(void **state)
{
    struct fixture *fixture = *state;
    struct item_request requests[] = {fixture_photograph(fixture), fixture_broken(fixture),
                                      fixture_photograph(fixture)};
    struct call call = {0};
    fixture_start(fixture);
    call_make(&call, requests, 3);
    pipeline_submit(fixture->pipeline, call.job);
    call_wait(&call);
    assert_int_equal(call_outcome(&call, 0)->problem.code, PROBLEM_NONE);
    assert_int_equal(call_outcome(&call, 1)->problem.code, PROBLEM_NOT_DECODABLE);
    assert_int_equal(call_outcome(&call, 2)->problem.code, PROBLEM_NONE);
    call_end(&call);
}

static void limits_are_kept(void **state)
{
    struct fixture *fixture = *state;
    struct item_request request = fixture_photograph(fixture);
    struct image_info info;
    assert_int_equal(decode_header(request.bytes, &image_prepare_default_limits, &info, NULL),
                     STATUS_OK);
    fixture->options.image_limits.max_dimension_px = info.width_px - 1;
    fixture_start(fixture);
    assert_problem(fixture, &request, PROBLEM_TOO_LARGE, ITEM_STAGE_PREPARE, "px a side");
    fixture_stop(fixture);
    fixture->options.image_limits = image_prepare_default_limits;
    fixture->options.decode_memory_bytes = (size_t)info.width_px * 3;
    fixture_start(fixture);
    assert_problem(fixture, &request, PROBLEM_TOO_LARGE, ITEM_STAGE_PREPARE, "decoding");
}

/* More images than fit the decode memory at one time, and more workers than slots of a batch: all
 * are answered all the same. */
static void workers_wait_for_memory(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 24 };
    struct item_request requests[COUNT];
    struct image_info info;
    struct call call = {0};
    for (size_t i = 0; i < COUNT; i++)
        requests[i] = fixture_photograph(fixture);
    assert_int_equal(decode_header(requests[0].bytes, &image_prepare_default_limits, &info, NULL),
                     STATUS_OK);
    const struct recipe *recipe =
        model_recipe(registry_entry_model(registry_at(fixture->registry, 0)));
    const struct image_prepare_options options = {.resize_px = recipe->resize_px,
                                                  .crop_px = recipe->crop_px};
    fixture->options.decode_memory_bytes = image_prepare_bytes(&options, &info) * 3 / 2;
    fixture->options.prepare_threads = 6;
    fixture->options.max_batch = 1;
    fixture_start(fixture);
    call_make(&call, requests, COUNT);
    pipeline_submit(fixture->pipeline, call.job);
    call_wait(&call);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(call_outcome(&call, i)->problem.code, PROBLEM_NONE);
    call_end(&call);
}

/* The photograph has twice the demo model's pixels and more. */
static void a_large_jpeg_is_scaled_where_it_is_asked_for(void **state)
{
    struct fixture *fixture = *state;
    struct topk_entry exact[5], scaled[5];
    struct image_info info;
    struct call call = {0};
    assert_int_equal(classify(fixture, 0, 5, exact, &info), 5);
    fixture->options.scale_dct = true;
    assert_int_equal(classify(fixture, 0, 5, scaled, &info), 5);
    assert_memory_not_equal(exact, scaled, sizeof exact);
    fixture_start(fixture);
    struct item_request request = fixture_photograph(fixture);
    call_make(&call, &request, 1);
    pipeline_submit(fixture->pipeline, call.job);
    call_wait(&call);
    assert_same_answer(call_outcome(&call, 0), scaled, 5, &info);
    call_end(&call);
}

static void memory_is_told(void **state)
{
    struct fixture *fixture = *state;
    size_t bytes = 0, locked_bytes = 1;
    fixture_start(fixture);
    pipeline_memory(fixture->pipeline, &bytes, &locked_bytes);
    /* Two batches of 224 x 224 pixels are the least. */
    assert_in_range(bytes, 2 * 224 * 224 * 3, 1U << 30);
    assert_true(locked_bytes <= bytes);
    assert_int_equal(metrics_gauge_value(fixture->metrics, METRICS_PINNED_BYTES), locked_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_are_those_of_classify, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(many_threads_share_few_batches, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(one_image_after_the_other, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(a_turned_image_is_turned, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(improbable_classes_are_left_out, fixture_begin,
                                        fixture_end),
        cmocka_unit_test_setup_teardown(each_problem_says_what_and_where, fixture_begin,
                                        fixture_end),
        cmocka_unit_test_setup_teardown(one_bad_image_never_fails_the_rest, fixture_begin,
                                        fixture_end),
        cmocka_unit_test_setup_teardown(limits_are_kept, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(workers_wait_for_memory, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(a_large_jpeg_is_scaled_where_it_is_asked_for, fixture_begin,
                                        fixture_end),
        cmocka_unit_test_setup_teardown(memory_is_told, fixture_begin, fixture_end),
    };
    const struct CMUnitTest on_nodes[] = {
        cmocka_unit_test_setup_teardown(answers_are_those_of_classify, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(many_threads_share_few_batches, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(one_image_after_the_other, fixture_begin, fixture_end),
    };
    int failed = cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
    return failed + cmocka_run_group_tests(on_nodes, fixture_setup_on_nodes, fixture_teardown);
}
