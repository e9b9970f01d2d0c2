#include "tests/unit/pipeline_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/numa_fixture.h"

static void fixture_load(struct fixture *fixture, size_t index)
{
    static const char *const sources[] = {"demo", "random:resnet18?classes=10&seed=3"};
    const struct model_library library = {.catalogue = fixture->catalogue,
                                          .imagenet_labels = fixture->labels,
                                          .demo_weights = assets_demo_weights(),
                                          .folders = "/nonexistent"};
    struct model *model = NULL;
    const struct model_options options = {.engine = {.numa = fixture->numa}};
    assert_int_equal(model_load(&library, sources[index], &options, &model, NULL), STATUS_OK);
    registry_entry_set_model(registry_at(fixture->registry, index), model);
}

static int set_up(void **state, const struct numa_topology *numa)
{
    static const char *const specs[] = {"demo", "small=demo", "later=demo"};
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->numa = numa;
    kernels_prepare_process();
    fixture->budget.limit_bytes = SIZE_MAX;
    assert_int_equal(catalogue_parse(assets_catalogue(), &fixture->catalogue, NULL), STATUS_OK);
    assert_int_equal(labels_parse_tsv(assets_labels(), &fixture->labels, NULL), STATUS_OK);
    assert_int_equal(registry_create(specs, 3, &fixture->registry, NULL), STATUS_OK);
    fixture_load(fixture, 0);
    fixture_load(fixture, 1);
    struct span sample = assets_sample_image();
    assert_int_equal(blob_create(&fixture->budget, sample.size, &fixture->sample, NULL), STATUS_OK);
    assert_int_equal(blob_append(fixture->sample, sample, SIZE_MAX, NULL), STATUS_OK);
    *state = fixture;
    return 0;
}

int fixture_setup(void **state)
{
    return set_up(state, NULL);
}

int fixture_setup_on_nodes(void **state)
{
    return set_up(state, numa_fixture_topology());
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    blob_release(fixture->sample);
    registry_destroy(fixture->registry);
    labels_destroy(fixture->labels);
    catalogue_destroy(fixture->catalogue);
    free(fixture);
    return 0;
}

int fixture_begin(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(metrics_create(&fixture->metrics, NULL), STATUS_OK);
    fixture->options = (struct pipeline_options){.registry = fixture->registry,
                                                 .metrics = fixture->metrics,
                                                 .numa = fixture->numa,
                                                 .prepare_threads = 1,
                                                 .engine_threads = 1,
                                                 .max_batch = 2,
                                                 .image_limits = image_prepare_default_limits,
                                                 .decode_memory_bytes = 64 << 20,
                                                 .orient = true};
    return 0;
}

int fixture_end(void **state)
{
    struct fixture *fixture = *state;
    fixture_stop(fixture);
    metrics_destroy(fixture->metrics);
    /* Of all that came in, the sample alone is left, and nobody else has it. */
    assert_int_equal(budget_used(&fixture->budget), blob_bytes(fixture->sample).size);
    return 0;
}

void fixture_start(struct fixture *fixture)
{
    struct error error = {0};
    if (pipeline_create(&fixture->options, &fixture->pipeline, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < 2; i++) {
        struct registry_entry *entry = registry_at(fixture->registry, i);
        assert_int_equal(pipeline_open_lane(fixture->pipeline, entry, &error), STATUS_OK);
        registry_entry_set_ready(entry);
    }
}

void fixture_stop(struct fixture *fixture)
{
    pipeline_destroy(fixture->pipeline);
    fixture->pipeline = NULL;
    for (enum metrics_queue queue = 0; queue < METRICS_QUEUE_COUNT; queue++)
        assert_int_equal(metrics_queue_depth(fixture->metrics, queue), 0);
}

enum status fetcher_submit(struct fetcher *fetcher, const struct fetcher_request *request,
                           struct error *error)
{
    if (fetcher->is_full)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a fetch");
    fetcher->requests[fetcher->count++] = *request;
    return STATUS_OK;
}

long fixture_count(const struct fixture *fixture, const char *series)
{
    char *text = NULL, line[160];
    assert_int_equal(metrics_format(fixture->metrics, &text, NULL), STATUS_OK);
    (void)snprintf(line, sizeof line, "\n%s ", series);
    const char *at = strstr(text, line);
    long count = at ? strtol(at + strlen(line), NULL, 10) : 0;
    free(text);
    return count;
}

static void call_done(void *user)
{
    struct call *call = user;
    bool is_held = call->is_held; /* else the call may be gone once it is known to be done */
    sem_post(&call->done);
    while (is_held && sem_wait(&call->go_on))
        continue;
}

void call_make(struct call *call, const struct item_request *requests, size_t count)
{
    struct item **items = calloc(count, sizeof(struct item *));
    assert_non_null(items);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(item_create(&requests[i], &items[i], NULL), STATUS_OK);
    assert_int_equal(sem_init(&call->done, 0, 0), 0);
    assert_int_equal(sem_init(&call->go_on, 0, 0), 0);
    assert_int_equal(job_create(items, count, call_done, call, &call->job, NULL), STATUS_OK);
    free(items);
}

void call_send(struct fixture *fixture, struct call *call, const struct item_request *request)
{
    call_make(call, request, 1);
    pipeline_submit(fixture->pipeline, call->job);
}

void call_wait(struct call *call)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FIXTURE_WAIT_S;
    if (sem_timedwait(&call->done, &until))
        fail_msg("no answer");
}

bool call_is_done(struct call *call)
{
    int value = 0;
    sem_getvalue(&call->done, &value);
    return value > 0;
}

const struct item_outcome *call_outcome(const struct call *call, size_t index)
{
    return item_outcome(job_item(call->job, index));
}

void call_end(struct call *call)
{
    job_destroy(call->job);
    sem_destroy(&call->done);
    sem_destroy(&call->go_on);
}

struct item_request fixture_photograph(const struct fixture *fixture)
{
    return (struct item_request){.blob = fixture->sample, .bytes = blob_bytes(fixture->sample)};
}

struct item_request fixture_broken(const struct fixture *fixture)
{
    struct item_request request = fixture_photograph(fixture);
    request.bytes.size /= 2;
    return request;
}
