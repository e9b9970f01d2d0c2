#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "model/base/json_doc.h"
#include "server/models/loader.h"
#include "server/web/assets.h"

enum { MAX_LINES = 16 };

struct fixture {
    struct catalogue *catalogue;
    struct labels *labels;
    struct model_library library;
    struct metrics *metrics;
    struct log *log;
    FILE *log_file;
    struct registry *registry;
    struct loader_options options;
    size_t line_count;
    struct json_doc *lines[MAX_LINES];

    /* Of the callbacks; asserting is the main thread's alone. */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* Guarded by mutex: */
    unsigned opened, wrong, ended;
    bool may_go_on;
    const char *refuses; /* the entry whose lane cannot be opened */
    bool damages;        /* weights, before the check */
};

/* As the pipeline would find it: loaded, not ready. */
static enum status open_lane(void *user, struct registry_entry *entry, struct error *error)
{
    struct fixture *fixture = user;
    const struct model *model = registry_entry_model(entry);
    pthread_mutex_lock(&fixture->mutex);
    fixture->opened++;
    fixture->wrong += !model || registry_entry_state(entry) != REGISTRY_LOADING;
    bool is_refused = fixture->refuses && strcmp(registry_entry_name(entry), fixture->refuses) == 0;
    pthread_cond_broadcast(&fixture->changed);
    while (!fixture->may_go_on)
        pthread_cond_wait(&fixture->changed, &fixture->mutex);
    pthread_mutex_unlock(&fixture->mutex);
    if (fixture->damages) {
        const struct step *step = &engine_plan(model_engine(model))->steps[0];
        memset((void *)(uintptr_t)step->packed, 0x40, step->packed_bytes / 2);
    }
    return is_refused ? error_set(error, STATUS_NO_MEMORY, "no room for slots") : STATUS_OK;
}

static void all_ended(void *user)
{
    struct fixture *fixture = user;
    pthread_mutex_lock(&fixture->mutex);
    fixture->ended++;
    pthread_mutex_unlock(&fixture->mutex);
    pthread_cond_broadcast(&fixture->changed);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    pthread_mutex_init(&fixture->mutex, NULL);
    pthread_cond_init(&fixture->changed, NULL);
    fixture->may_go_on = true;
    assert_int_equal(catalogue_parse(assets_catalogue(), &fixture->catalogue, NULL), STATUS_OK);
    assert_int_equal(labels_parse_tsv(assets_labels(), &fixture->labels, NULL), STATUS_OK);
    fixture->library = (struct model_library){fixture->catalogue, fixture->labels,
                                              assets_demo_weights(), "/nonexistent"};
    assert_int_equal(metrics_create(&fixture->metrics, NULL), STATUS_OK);
    fixture->log_file = tmpfile();
    assert_non_null(fixture->log_file);
    const struct log_options log = {fileno(fixture->log_file), LOG_DEBUG, LOG_FORMAT_JSON};
    assert_int_equal(log_create(&log, &fixture->log, NULL), STATUS_OK);
    fixture->options = (struct loader_options){.library = &fixture->library,
                                               .self_check = true,
                                               .check_batch = 2,
                                               .check_threads = 2,
                                               .log = fixture->log,
                                               .metrics = fixture->metrics,
                                               .open_lane = open_lane,
                                               .all_ended = all_ended,
                                               .user = fixture};
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < fixture->line_count; i++)
        json_doc_destroy(fixture->lines[i]);
    registry_destroy(fixture->registry);
    log_destroy(fixture->log);
    (void)fclose(fixture->log_file);
    metrics_destroy(fixture->metrics);
    labels_destroy(fixture->labels);
    catalogue_destroy(fixture->catalogue);
    pthread_cond_destroy(&fixture->changed);
    pthread_mutex_destroy(&fixture->mutex);
    free(fixture);
    return 0;
}

static struct loader *begin(struct fixture *fixture, const char *const *specs, size_t count)
{
    struct loader *loader = NULL;
    assert_int_equal(registry_create(specs, count, &fixture->registry, NULL), STATUS_OK);
    fixture->options.registry = fixture->registry;
    assert_int_equal(loader_create(&fixture->options, &loader, NULL), STATUS_OK);
    return loader;
}

static void read_log(struct fixture *fixture)
{
    char line[4096];
    rewind(fixture->log_file);
    while (fgets(line, sizeof line, fixture->log_file)) {
        const struct span span = {(const uint8_t *)line, strlen(line)};
        assert_true(fixture->line_count < MAX_LINES);
        assert_int_equal(json_doc_parse(span, &fixture->lines[fixture->line_count++], NULL),
                         STATUS_OK);
    }
}

/* Loads all and ends. */
static void load_all(struct fixture *fixture, const char *const *specs, size_t count)
{
    struct loader *loader = begin(fixture, specs, count);
    pthread_mutex_lock(&fixture->mutex);
    while (fixture->ended == 0)
        pthread_cond_wait(&fixture->changed, &fixture->mutex);
    pthread_mutex_unlock(&fixture->mutex);
    loader_destroy(loader);
    assert_int_equal(fixture->ended, 1);
    assert_int_equal(fixture->wrong, 0);
    read_log(fixture);
}

static const char *text_of(const struct fixture *fixture, size_t line, const char *key)
{
    return json_node_string(json_node_member(json_doc_root(fixture->lines[line]), key));
}

static double number_of(const struct fixture *fixture, size_t line, const char *key)
{
    double value = -1;
    (void)json_node_number(json_node_member(json_doc_root(fixture->lines[line]), key), &value);
    return value;
}

static struct registry_entry *entry_at(const struct fixture *fixture, size_t index)
{
    return registry_at(fixture->registry, index);
}

static void models_become_ready_or_fail_one_by_one(void **state)
{
    struct fixture *fixture = *state;
    static const char *const specs[] = {"demo", "gone=/nonexistent/x.safetensors",
                                        "small=random:resnet18?classes=10"};
    load_all(fixture, specs, 3);
    assert_int_equal(fixture->opened, 2);
    assert_int_equal(registry_entry_state(entry_at(fixture, 0)), REGISTRY_READY);
    assert_int_equal(registry_entry_state(entry_at(fixture, 1)), REGISTRY_FAILED);
    assert_int_equal(registry_entry_state(entry_at(fixture, 2)), REGISTRY_READY);
    assert_non_null(strstr(registry_entry_reason(entry_at(fixture, 1)), "/nonexistent/x"));
    assert_null(registry_entry_model(entry_at(fixture, 1)));
    assert_string_equal(model_name(registry_entry_model(entry_at(fixture, 0))), "demo");

    assert_int_equal(fixture->line_count, 3);
    assert_string_equal(text_of(fixture, 0, "event"), "model_ready");
    assert_string_equal(text_of(fixture, 0, "level"), "info");
    assert_string_equal(text_of(fixture, 0, "model"), "demo");
    assert_string_equal(text_of(fixture, 0, "source"), "embedded");
    assert_string_equal(
        text_of(fixture, 0, "kernels"),
        engine_kernel_set(model_engine(registry_entry_model(entry_at(fixture, 0))))->name);
    assert_float_equal(number_of(fixture, 0, "classes"), 1000, 0);
    assert_true(number_of(fixture, 0, "load_ms") > 0 && number_of(fixture, 0, "check_ms") > 0);
    assert_true(number_of(fixture, 0, "weight_bytes") > 20e6);
    assert_float_equal(number_of(fixture, 0, "locked_bytes"), 0, 0);
    assert_string_equal(text_of(fixture, 1, "event"), "model_failed");
    assert_string_equal(text_of(fixture, 1, "level"), "error");
    assert_string_equal(text_of(fixture, 1, "code"), "not_found");
    assert_string_equal(text_of(fixture, 1, "reason"), registry_entry_reason(entry_at(fixture, 1)));
    assert_string_equal(text_of(fixture, 2, "model"), "small");
}

static void damaged_weights_fail_the_check(void **state)
{
    struct fixture *fixture = *state;
    static const char *const specs[] = {"demo"};
    fixture->damages = true;
    load_all(fixture, specs, 1);
    assert_int_equal(registry_entry_state(entry_at(fixture, 0)), REGISTRY_FAILED);
    assert_non_null(strstr(registry_entry_reason(entry_at(fixture, 0)),
                           "self-check: layer conv1 computes wrongly"));
    assert_string_equal(text_of(fixture, 0, "event"), "model_failed");
    assert_string_equal(text_of(fixture, 0, "code"), "internal");
}

static void the_check_can_be_switched_off(void **state)
{
    struct fixture *fixture = *state;
    static const char *const specs[] = {"demo"};
    fixture->damages = true;
    fixture->options.self_check = false;
    fixture->options.log = NULL;
    fixture->options.metrics = NULL;
    load_all(fixture, specs, 1);
    assert_int_equal(registry_entry_state(entry_at(fixture, 0)), REGISTRY_READY);
    assert_int_equal(fixture->line_count, 0);
}

static void a_lane_that_does_not_open_fails_its_model_alone(void **state)
{
    struct fixture *fixture = *state;
    static const char *const specs[] = {"one=demo", "two=demo"};
    fixture->refuses = "one";
    load_all(fixture, specs, 2);
    assert_int_equal(registry_entry_state(entry_at(fixture, 0)), REGISTRY_FAILED);
    assert_string_equal(registry_entry_reason(entry_at(fixture, 0)), "no room for slots");
    assert_int_equal(registry_entry_state(entry_at(fixture, 1)), REGISTRY_READY);
}

static void stopped_it_finishes_one_and_begins_no_other(void **state)
{
    struct fixture *fixture = *state;
    static const char *const specs[] = {"one=demo", "two=demo"};
    fixture->may_go_on = false;
    struct loader *loader = begin(fixture, specs, 2);
    pthread_mutex_lock(&fixture->mutex);
    while (fixture->opened == 0)
        pthread_cond_wait(&fixture->changed, &fixture->mutex);
    pthread_mutex_unlock(&fixture->mutex);
    loader_stop(loader);
    pthread_mutex_lock(&fixture->mutex);
    fixture->may_go_on = true;
    pthread_mutex_unlock(&fixture->mutex);
    pthread_cond_broadcast(&fixture->changed);
    loader_destroy(loader);
    assert_int_equal(fixture->opened, 1);
    assert_int_equal(fixture->ended, 0);
    assert_int_equal(registry_entry_state(entry_at(fixture, 0)), REGISTRY_READY);
    assert_int_equal(registry_entry_state(entry_at(fixture, 1)), REGISTRY_LOADING);
    assert_null(registry_entry_model(entry_at(fixture, 1)));
    loader_destroy(NULL);
}

/* Of this thread and those that it starts; root may lock without a limit otherwise. */
static void allow_locking_over_the_limit(bool allow)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0}};
    const uint32_t bit = 1u << CAP_IPC_LOCK;
    assert_int_equal(syscall(SYS_capget, &header, data), 0);
    data[0].effective =
        allow ? data[0].effective | (data[0].permitted & bit) : data[0].effective & ~bit;
    assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

/* Whether the system keeps to the limit; a sanitizer's mlock does nothing and says that it did. */
static bool is_locking_refused(void)
{
    static char page[1];
    if (mlock(page, sizeof page) != 0)
        return true;
    (void)munlock(page, sizeof page);
    return false;
}

static void too_little_locked_memory_is_one_line(void **state)
{
    struct fixture *fixture = *state;
    static const char *const specs[] = {"one=demo", "two=demo"};
    struct rlimit limit, none;
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    allow_locking_over_the_limit(false);
    bool is_refused = is_locking_refused();
    fixture->options.model.engine.lock_memory = true;
    fixture->options.self_check = false;
    load_all(fixture, specs, 2);
    allow_locking_over_the_limit(true);
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    if (!is_refused)
        skip();
    assert_int_equal(fixture->line_count, 3);
    assert_string_equal(text_of(fixture, 1, "event"), "memory_not_locked");
    assert_string_equal(text_of(fixture, 1, "level"), "info");
    assert_string_equal(text_of(fixture, 2, "event"), "model_ready");
    assert_int_equal(metrics_gauge_value(fixture->metrics, METRICS_PINNED_BYTES), 0);
}

static void locked_memory_is_counted(void **state)
{
    struct fixture *fixture = *state;
    static const char *const specs[] = {"one=demo", "two=demo"};
    fixture->options.model.engine.lock_memory = true;
    fixture->options.self_check = false;
    load_all(fixture, specs, 2);
    size_t expected = 0;
    for (size_t i = 0; i < 2; i++) {
        size_t bytes, locked_bytes;
        engine_memory(model_engine(registry_entry_model(entry_at(fixture, i))), &bytes,
                      &locked_bytes);
        expected += locked_bytes;
    }
    assert_int_equal(metrics_gauge_value(fixture->metrics, METRICS_PINNED_BYTES), expected);
}

int main(void)
{
    kernels_prepare_process();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(models_become_ready_or_fail_one_by_one, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_weights_fail_the_check, setup, teardown),
        cmocka_unit_test_setup_teardown(the_check_can_be_switched_off, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lane_that_does_not_open_fails_its_model_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(stopped_it_finishes_one_and_begins_no_other, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(too_little_locked_memory_is_one_line, setup, teardown),
        cmocka_unit_test_setup_teardown(locked_memory_is_counted, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
