#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "server/models/registry.h"
#include "server/web/assets.h"

static struct registry *make(const char *const *specs, size_t count)
{
    struct registry *registry = NULL;
    struct error error = {0};
    if (registry_create(specs, count, &registry, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return registry;
}

static void specs_are_cut_at_the_first_equals_sign(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *name, *source;
    } rows[] = {
        {"resnet50", "resnet50", "resnet50"},
        {"resnet50:V1", "resnet50:V1", "resnet50:V1"},
        {"pets=/models/pets.pth", "pets", "/models/pets.pth"},
        {"a=b=c", "a", "b=c"},
        {"/models/a=b.pth", "/models/a=b.pth", "/models/a=b.pth"},
        {"random:resnet50?seed=1", "random:resnet50?seed=1", "random:resnet50?seed=1"},
        {"noise=random:resnet50?seed=1", "noise", "random:resnet50?seed=1"},
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    const char *specs[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        specs[i] = rows[i].spec;
    struct registry *registry = make(specs, ROWS);
    assert_int_equal(registry_count(registry), ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        struct registry_entry *entry = registry_at(registry, i);
        assert_string_equal(registry_entry_name(entry), rows[i].name);
        assert_string_equal(registry_entry_source(entry), rows[i].source);
        assert_ptr_equal(registry_find(registry, rows[i].name), entry);
    }
    assert_ptr_equal(registry_find(registry, NULL), registry_at(registry, 0));
    assert_null(registry_find(registry, "resnet"));
    assert_null(registry_find(registry, ""));
    registry_destroy(registry);
    registry_destroy(NULL);
}

static void refused(const char *first, const char *second, const char *text)
{
    const char *specs[] = {first, second};
    struct registry *registry = NULL;
    struct error error = {0};
    assert_int_equal(registry_create(specs, 2, &registry, &error), STATUS_BAD_REQUEST);
    assert_null(registry);
    assert_non_null(strstr(error.text, text));
}

static void bad_names_are_refused(void **state)
{
    (void)state;
    char longest[REGISTRY_MAX_NAME_BYTES + 2];
    memset(longest, 'n', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    refused("demo", "demo", "two models are called \"demo\"");
    refused("demo", "demo=resnet50", "two models are called \"demo\"");
    refused("demo", "", "the name is empty");
    refused("=demo", "demo", "the name is empty");
    refused("demo", "pets=", "nothing behind the '='");
    refused("demo", longest, "over 128 bytes");
    longest[REGISTRY_MAX_NAME_BYTES] = '\0';
    const char *specs[] = {longest};
    registry_destroy(make(specs, 1));
}

static struct model *load_small(void)
{
    struct catalogue *catalogue = NULL;
    struct labels *labels = NULL;
    struct model *model = NULL;
    struct model_options options = {0};
    assert_int_equal(catalogue_parse(assets_catalogue(), &catalogue, NULL), STATUS_OK);
    assert_int_equal(labels_parse_tsv(assets_labels(), &labels, NULL), STATUS_OK);
    const struct model_library library = {catalogue, labels, assets_demo_weights(), "/nonexistent"};
    /* Numbered labels of its own, so that the library may go. */
    assert_int_equal(model_load(&library, "random:resnet18?classes=10", &options, &model, NULL),
                     STATUS_OK);
    labels_destroy(labels);
    catalogue_destroy(catalogue);
    return model;
}

struct reader {
    const struct registry *registry;
    pthread_barrier_t *start;
    pthread_t thread;
    unsigned broken;
};

/* What a request thread does: whatever state it reads, what belongs to it is there. */
static void *read_states(void *argument)
{
    struct reader *reader = argument;
    pthread_barrier_wait(reader->start);
    for (unsigned i = 0; i < 20000; i++) {
        const struct registry_entry *good = registry_at(reader->registry, 0);
        const struct registry_entry *bad = registry_at(reader->registry, 1);
        if (registry_entry_state(good) == REGISTRY_READY)
            reader->broken += !registry_entry_model(good) ||
                              registry_entry_lane(good) != reader->registry ||
                              strcmp(model_name(registry_entry_model(good)), "resnet18") != 0;
        if (registry_entry_state(bad) == REGISTRY_FAILED)
            reader->broken += strcmp(registry_entry_reason(bad), "gone") != 0;
        reader->broken += registry_is_ready(reader->registry);
    }
    return NULL;
}

static void states_publish_what_belongs_to_them(void **state)
{
    (void)state;
    enum { READERS = 3 };
    static const char *const specs[] = {"good", "bad"};
    struct registry *registry = make(specs, 2);
    struct registry_entry *good = registry_at(registry, 0), *bad = registry_at(registry, 1);
    assert_int_equal(registry_entry_state(good), REGISTRY_LOADING);
    assert_null(registry_entry_model(good));
    assert_null(registry_entry_lane(good));
    assert_string_equal(registry_entry_reason(bad), "");
    struct reader readers[READERS];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, READERS + 1);
    for (size_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.registry = registry, .start = &start};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_states, &readers[i]), 0);
    }
    struct model *model = load_small();
    pthread_barrier_wait(&start);
    registry_entry_set_model(good, model);
    registry_entry_set_lane(good, registry);
    registry_entry_set_ready(good);
    registry_entry_set_failed(bad, "gone");
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        assert_int_equal(readers[i].broken, 0);
    }
    pthread_barrier_destroy(&start);
    assert_ptr_equal(registry_entry_model(good), model);
    assert_string_equal(registry_entry_reason(good), "");
    assert_false(registry_is_ready(registry));
    registry_destroy(registry);
}

static void ready_is_when_all_are(void **state)
{
    (void)state;
    static const char *const specs[] = {"one", "two"};
    struct registry *registry = make(specs, 2);
    assert_false(registry_is_ready(registry));
    registry_entry_set_ready(registry_at(registry, 1));
    assert_false(registry_is_ready(registry));
    registry_entry_set_ready(registry_at(registry, 0));
    assert_true(registry_is_ready(registry));
    registry_destroy(registry);
}

int main(void)
{
    kernels_prepare_process();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specs_are_cut_at_the_first_equals_sign),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(states_publish_what_belongs_to_them),
        cmocka_unit_test(ready_is_when_all_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
