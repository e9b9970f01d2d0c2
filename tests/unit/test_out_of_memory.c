/* Memory runs out at every place of loading a model, preparing an image, reading and answering a
 * request, reading a configuration and making a job, in turn: the call says that it failed, nothing
 * crashes, and nothing stays allocated. The program's malloc is replaced by one that counts.
 * jansson takes a lack of memory for a broken document, so the kind of failure is not always "no
 * memory". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/image/prepare.h"
#include "model/model.h"
#include "model/net/engine_check.h"
#include "model/net/weights_random.h"
#include "server/api/adapter_reply.h"
#include "server/api/native_body.h"
#include "server/config/config.h"
#include "server/pipeline/pipeline.h"
#include "server/web/assets.h"

/* glibc's own, under the names that it keeps for a replacement. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void __libc_free(void *memory);

static long allocations_left = -1; /* before one fails; negative: none does */
static long outstanding;
static bool has_failed;

/* All from the first on: libjpeg asks again, for less, when it is told no. */
static bool must_fail(void)
{
    if (allocations_left < 0)
        return false;
    if (allocations_left > 0) {
        allocations_left--;
        return false;
    }
    has_failed = true;
    errno = ENOMEM;
    return true;
}

/* Seen by the libraries too, whose memory counts as much. */
#pragma GCC visibility push(default)

void *malloc(size_t size)
{
    void *memory = must_fail() ? NULL : __libc_malloc(size);
    outstanding += memory != NULL;
    return memory;
}

void *calloc(size_t count, size_t size)
{
    void *memory = must_fail() ? NULL : __libc_calloc(count, size);
    outstanding += memory != NULL;
    return memory;
}

void *realloc(void *memory, size_t size)
{
    void *grown = must_fail() ? NULL : __libc_realloc(memory, size);
    outstanding += grown && !memory;
    return grown;
}

void free(void *memory)
{
    outstanding -= memory != NULL;
    __libc_free(memory);
}

#pragma GCC visibility pop

/* What the program reads at start and borrows after. */
static enum status load_library(struct model_library *library, struct catalogue **ret_catalogue,
                                struct labels **ret_labels, struct error *error)
{
    enum status status = catalogue_parse(assets_catalogue(), ret_catalogue, error);
    if (status == STATUS_OK)
        status = labels_parse_tsv(assets_labels(), ret_labels, error);
    *library = (struct model_library){.catalogue = *ret_catalogue,
                                      .imagenet_labels = *ret_labels,
                                      .demo_weights = assets_demo_weights(),
                                      .folders = "/nonexistent"};
    return status;
}

static enum status load_and_make_scratch(struct error *error)
{
    struct model_library library;
    struct catalogue *catalogue = NULL;
    struct labels *labels = NULL;
    struct model *model = NULL;
    struct engine_scratch *scratch = NULL;
    /* The plain kernels: OpenBLAS keeps memory of its own once it is loaded. */
    const struct model_options options = {.engine = {.kernels = "generic"}};
    enum status status = load_library(&library, &catalogue, &labels, error);
    if (status == STATUS_OK)
        status = model_load(&library, "demo", &options, &model, error);
    if (status == STATUS_OK)
        status = engine_scratch_create(model_engine(model), 1, 1, &scratch, error);
    engine_scratch_destroy(scratch);
    model_destroy(model);
    labels_destroy(labels);
    catalogue_destroy(catalogue);
    return status;
}

static enum status prepare_sample(struct error *error)
{
    static uint8_t slot[128 * 128 * 3];
    const struct image_prepare_options options = {
        .limits = image_prepare_default_limits, .resize_px = 142, .crop_px = 128, .orient = true};
    struct image_info info;
    return image_prepare(&options, assets_sample_image(), slot, &info, NULL, error);
}

/* One body of a request; a refusal becomes an error. */
static enum status read_body(const char *type, struct span body, struct error *error)
{
    struct budget budget = {.limit_bytes = 1 << 20};
    struct native_request request = {0};
    struct problem problem = {0};
    struct blob *blob = NULL;
    enum status status = blob_create(&budget, body.size, &blob, error);
    if (status == STATUS_OK)
        status = blob_append(blob, body, body.size, error);
    if (status == STATUS_OK)
        status = native_request_init(&request, 4, error);
    if (status == STATUS_OK && !native_body_read(blob, type, &budget, &request, &problem))
        status = error_set(error, STATUS_NO_MEMORY, "%s", problem.detail);
    native_request_fini(&request);
    blob_release(blob);
    return status;
}

/* A body of each kind; the JSON has a string that is cut out. */
static enum status read_bodies(struct error *error)
{
    static const char form[] = "url=a&url=b&top_k=3";
    static const char parts[] = "--B\nContent-Disposition: form-data; name=a; filename=b\n\n"
                                "GIF89a\n--B\nContent-Disposition: form-data; name=url\n\nc\n--B--";
    static const char head[] = "{\"urls\": [\"a\"], \"image\": \"";
    static char json[10000];
    memset(json, 'A', sizeof json);
    memcpy(json, head, sizeof head - 1);
    memcpy(json + sizeof json - 2, "\"}", 2);
    enum status status = read_body("application/x-www-form-urlencoded",
                                   (struct span){(const uint8_t *)form, sizeof form - 1}, error);
    if (status == STATUS_OK)
        status = read_body("multipart/form-data; boundary=B",
                           (struct span){(const uint8_t *)parts, sizeof parts - 1}, error);
    if (status == STATUS_OK)
        status = read_body(NULL, (struct span){(const uint8_t *)json, sizeof json}, error);
    return status;
}

/* A reply that could not be written is a 500, which needs no memory. */
static enum status write_problem(struct error *error)
{
    const struct adapter_request request = {.request_id = "id"};
    const struct problem problem = {.code = PROBLEM_TIMEOUT, .detail = "too slow"};
    struct adapter_reply reply;
    adapter_reply_problem(&request, &problem, &reply);
    bool is_written = reply.http_status == 504;
    if (!is_written)
        error_write(error, STATUS_NO_MEMORY, "%s", reply.constant);
    free(reply.text);
    return is_written ? STATUS_OK : STATUS_NO_MEMORY;
}

/* A file, a variable and a setting, and all of it written out again. */
static enum status configure(struct error *error)
{
    static const char file[] = "{\"fetch\": {\"allow_hosts\": [\"a\", \"b\"], \"ca_file\": \"c\"}}";
    static const struct config_setting setting = {"models", "a,b", NULL};
    char variable[] = "CLASSIFYD_MODEL_DIRS=/a:/b";
    char *environment[] = {variable, NULL};
    const struct config_sources sources = {
        .file = "c.json", .environment = environment, .setting_count = 1, .settings = &setting};
    struct config *config = NULL;
    char *text = NULL;
    enum status status = config_parse(
        &sources, (struct span){(const uint8_t *)file, sizeof file - 1}, &config, error);
    if (status == STATUS_OK)
        status = config_format(config, false, &text, error);
    free(text);
    config_destroy(config);
    return status;
}

/* A fault, whose line is looked for. */
static enum status configure_wrongly(struct error *error)
{
    static const char file[] = "{\"s\\u0065rver\": {\"p\\u006frt\": -1}}";
    const struct config_sources sources = {.file = "c.json"};
    struct config *config = NULL;
    enum status status = config_parse(
        &sources, (struct span){(const uint8_t *)file, sizeof file - 1}, &config, error);
    /* That it is refused is the success here. */
    return strcmp(error->text, "c.json:1: server.port: -1 is out of range: 0 to 65535") == 0
               ? STATUS_OK
               : status;
}

static void nothing(void *user)
{
    (void)user;
}

static enum status make_a_job(struct error *error)
{
    const struct item_request request = {
        .url = "http://example.org/dog.jpg", .file = "dog.jpg", .model = "demo"};
    struct item *items[2] = {0};
    struct job *job = NULL;
    enum status status = item_create(&request, &items[0], error);
    if (status == STATUS_OK)
        status = item_create(&request, &items[1], error);
    if (status == STATUS_OK)
        status = job_create(items, 2, nothing, NULL, &job, error);
    if (status != STATUS_OK) {
        item_release(items[0]);
        item_release(items[1]);
    }
    job_destroy(job);
    return status;
}

/* Lets allocation `index` and those after it fail. False when `work` never got that far and
 * succeeded. */
static bool fails_at(enum status (*work)(struct error *error), long index)
{
    struct error error = {0};
    long before = outstanding;
    has_failed = false;
    allocations_left = index;
    enum status status = work(&error);
    allocations_left = -1;
    if (outstanding != before)
        fail_msg("allocation %ld: %ld blocks were left behind", index, outstanding - before);
    if (!has_failed) {
        if (status != STATUS_OK)
            fail_msg("%s", error.text);
        return false;
    }
    if (status == STATUS_OK || error.text[0] == '\0')
        fail_msg("allocation %ld: %s: '%s'", index, status_code(status), error.text);
    return true;
}

/* All of the first allocations, where the kinds differ, then every 13th of the many alike. */
static long fail_each(enum status (*work)(struct error *error))
{
    long index = 0;
    while (fails_at(work, index))
        index += index < 100 ? 1 : 13;
    return index;
}

static void loading_a_model(void **state)
{
    (void)state;
    assert_in_range(fail_each(load_and_make_scratch), 200, 100000);
}

static void preparing_an_image(void **state)
{
    (void)state;
    assert_in_range(fail_each(prepare_sample), 4, 1000);
}

static void answering_a_request(void **state)
{
    (void)state;
    assert_in_range(fail_each(read_bodies), 30, 1000);
    assert_in_range(fail_each(write_problem), 10, 100);
}

static void reading_the_configuration(void **state)
{
    (void)state;
    assert_in_range(fail_each(configure), 50, 10000);
    assert_in_range(fail_each(configure_wrongly), 20, 1000);
}

static void making_a_job(void **state)
{
    (void)state;
    assert_in_range(fail_each(make_a_job), 10, 10);
}

static enum status make_a_registry(struct error *error)
{
    static const char *const specs[] = {"demo", "pets=/models/pets.pth"};
    struct registry *registry = NULL;
    enum status status = registry_create(specs, 2, &registry, error);
    registry_destroy(registry);
    return status;
}

static void making_a_registry(void **state)
{
    (void)state;
    assert_in_range(fail_each(make_a_registry), 4, 4);
}

static struct {
    struct weights *weights;
    struct graph *graph;
    struct engine *engine;
    struct engine_scratch *scratch;
} small;

static enum status check_an_engine(struct error *error)
{
    struct engine_check_report report;
    return engine_check(small.engine, small.graph, small.scratch, 2, NULL, &report, error);
}

static void checking_an_engine(void **state)
{
    (void)state;
    const struct weights_random_spec spec = {
        .blocks = {1, 1, 1, 1}, .groups = 1, .width_per_group = 64, .classes = 10, .seed = 3};
    const struct engine_options options = {.input_px = 32, .std = {1, 1, 1}, .kernels = "generic"};
    assert_int_equal(weights_random_create(&spec, &small.weights, NULL), STATUS_OK);
    assert_int_equal(graph_create(small.weights, &small.graph, NULL), STATUS_OK);
    assert_int_equal(engine_create(small.graph, &options, &small.engine, NULL), STATUS_OK);
    assert_int_equal(engine_scratch_create(small.engine, 2, 1, &small.scratch, NULL), STATUS_OK);
    assert_in_range(fail_each(check_an_engine), 40, 1000);
    engine_scratch_destroy(small.scratch);
    engine_destroy(small.engine);
    graph_destroy(small.graph);
    weights_destroy(small.weights);
}

/* Two nodes of whatever this process may use: what matters here is that there are two. */
static enum status make_engine_on_nodes(struct error *error)
{
    struct numa_node nodes[2] = {{.number = 0, .cpu_count = 1}, {.number = 1, .cpu_count = 1}};
    const struct numa_topology numa = {2, nodes};
    const struct engine_options options = {
        .input_px = 32, .std = {1, 1, 1}, .kernels = "generic", .numa = &numa};
    struct engine *engine = NULL;
    struct engine_scratch *scratch = NULL;
    enum status status = engine_create(small.graph, &options, &engine, error);
    if (status == STATUS_OK)
        status = engine_scratch_create(engine, 2, 1, &scratch, error);
    engine_scratch_destroy(scratch);
    engine_destroy(engine);
    return status;
}

static void making_an_engine_on_nodes(void **state)
{
    (void)state;
    const struct weights_random_spec spec = {
        .blocks = {1, 1, 1, 1}, .groups = 1, .width_per_group = 64, .classes = 10, .seed = 3};
    assert_int_equal(weights_random_create(&spec, &small.weights, NULL), STATUS_OK);
    assert_int_equal(graph_create(small.weights, &small.graph, NULL), STATUS_OK);
    assert_in_range(fail_each(make_engine_on_nodes), 20, 1000);
    graph_destroy(small.graph);
    weights_destroy(small.weights);
}

static void note(void *user)
{
    ++*(int *)user;
}

/* With no memory to be had at all, an image that is submitted is turned away and its job is done,
 * on the spot; the workers are idle, so that the failing is this thread's alone. */
static void a_submit_turns_away(void **state)
{
    (void)state;
    static const char *const specs[] = {"demo"};
    struct model_library library;
    struct catalogue *catalogue = NULL;
    struct labels *labels = NULL;
    struct model *model = NULL;
    struct registry *registry = NULL;
    struct pipeline *pipeline = NULL;
    struct item *item = NULL;
    struct job *job = NULL;
    int calls = 0;
    assert_int_equal(load_library(&library, &catalogue, &labels, NULL), STATUS_OK);
    assert_int_equal(model_load(&library, "demo", &(struct model_options){0}, &model, NULL),
                     STATUS_OK);
    assert_int_equal(registry_create(specs, 1, &registry, NULL), STATUS_OK);
    registry_entry_set_model(registry_at(registry, 0), model);
    const struct pipeline_options options = {.registry = registry,
                                             .prepare_threads = 1,
                                             .engine_threads = 1,
                                             .max_batch = 1,
                                             .image_limits = image_prepare_default_limits,
                                             .decode_memory_bytes = 1 << 20};
    assert_int_equal(pipeline_create(&options, &pipeline, NULL), STATUS_OK);
    assert_int_equal(pipeline_open_lane(pipeline, registry_at(registry, 0), NULL), STATUS_OK);
    registry_entry_set_ready(registry_at(registry, 0));
    assert_int_equal(
        item_create(&(struct item_request){.bytes = assets_sample_image()}, &item, NULL),
        STATUS_OK);
    assert_int_equal(job_create(&item, 1, note, &calls, &job, NULL), STATUS_OK);
    allocations_left = 0;
    pipeline_submit(pipeline, job);
    allocations_left = -1;
    assert_int_equal(calls, 1);
    assert_int_equal(item_outcome(item)->problem.code, PROBLEM_OVERLOADED);
    job_destroy(job);
    pipeline_destroy(pipeline);
    registry_destroy(registry);
    labels_destroy(labels);
    catalogue_destroy(catalogue);
}

/* With no memory to be had at all, an engine that has run once runs again, to the same bits. */
static void running_an_engine_allocates_nothing(void **state)
{
    (void)state;
    static uint8_t slot[128 * 128 * 3 + ENGINE_SLOT_SLACK_BYTES];
    static float first[1000], again[1000];
    struct model_library library;
    struct catalogue *catalogue = NULL;
    struct labels *labels = NULL;
    struct model *model = NULL;
    struct engine_scratch *scratch = NULL;
    const struct model_options options = {.engine = {.kernels = "auto"}};
    assert_int_equal(load_library(&library, &catalogue, &labels, NULL), STATUS_OK);
    assert_int_equal(model_load(&library, "demo", &options, &model, NULL), STATUS_OK);
    assert_int_equal(engine_scratch_create(model_engine(model), 1, 2, &scratch, NULL), STATUS_OK);
    const struct step_slot slots[] = {{TENSOR_U8, slot}};
    engine_run(model_engine(model), scratch, 1, slots, &(struct engine_outputs){.logits = first});
    has_failed = false;
    allocations_left = 0;
    engine_run(model_engine(model), scratch, 1, slots, &(struct engine_outputs){.logits = again});
    allocations_left = -1;
    assert_false(has_failed);
    assert_memory_equal(first, again, sizeof first);
    engine_scratch_destroy(scratch);
    model_destroy(model);
    labels_destroy(labels);
    catalogue_destroy(catalogue);
}

int main(void)
{
    kernels_prepare_process();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loading_a_model),
        cmocka_unit_test(preparing_an_image),
        cmocka_unit_test(answering_a_request),
        cmocka_unit_test(reading_the_configuration),
        cmocka_unit_test(making_a_job),
        cmocka_unit_test(making_a_registry),
        cmocka_unit_test(checking_an_engine),
        cmocka_unit_test(making_an_engine_on_nodes),
        cmocka_unit_test(a_submit_turns_away),
        cmocka_unit_test(running_an_engine_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
