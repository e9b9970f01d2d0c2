/* Counting does not depend on who counts: the same result with any number of threads and any batch,
 * unreadable images among the others. Run under the thread sanitizer, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/commands/evaluation.h"
#include "server/web/assets.h"
#include "tests/unit/photograph_fixture.h"

enum { IMAGES = 17, BROKEN = 2 };

static char folder[64];
static struct labels *labels;
static struct catalogue *catalogue;
static struct model *model;

/* folder/list names the images, the demo model's classes in turn. */
static int make_set(void **state)
{
    (void)state;
    static const unsigned classes[] = {0, 217, 482, 491, 497, 566, 569, 571, 574, 701};
    strcpy(folder, "/tmp/test_evaluation.XXXXXX");
    assert_non_null(mkdtemp(folder));
    char path[128];
    (void)snprintf(path, sizeof path, "%s/list", folder);
    FILE *list = fopen(path, "w");
    assert_non_null(list);
    for (unsigned i = 0; i < IMAGES; i++) {
        (void)snprintf(path, sizeof path, "%s/%u.bmp", folder, i);
        if (i % 6 != 5)
            photograph_fixture_write(path, i, PHOTOGRAPH_FIXTURE_BYTES);
        else if (i != 5) /* one is missing, the others are empty */
            assert_int_equal(fclose(fopen(path, "w")), 0);
        fprintf(list, "%u.bmp\t%u\n", i, classes[i % 10]);
    }
    assert_int_equal(fclose(list), 0);

    struct model_options options = {.engine = {.kernels = "auto"}};
    assert_int_equal(labels_parse_tsv(assets_labels(), &labels, NULL), STATUS_OK);
    assert_int_equal(catalogue_parse(assets_catalogue(), &catalogue, NULL), STATUS_OK);
    struct model_library library = {.catalogue = catalogue,
                                    .imagenet_labels = labels,
                                    .demo_weights = assets_demo_weights(),
                                    .folders = ""};
    assert_int_equal(model_load(&library, "demo", &options, &model, NULL), STATUS_OK);
    return 0;
}

static int remove_set(void **state)
{
    (void)state;
    model_destroy(model);
    catalogue_destroy(catalogue);
    labels_destroy(labels);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void note_progress(void *user, size_t done)
{
    size_t *last = user;
    assert_in_range(done, *last, IMAGES);
    *last = done;
}

static void evaluate(size_t batch, unsigned threads, struct dataset *dataset,
                     struct evaluation *evaluation)
{
    char path[128];
    size_t done = 0;
    struct error error = {0};
    struct evaluation_options options = {.batch = batch,
                                         .threads = threads,
                                         .orient = true,
                                         .progress = note_progress,
                                         .user = &done};
    (void)snprintf(path, sizeof path, "%s/list", folder);
    assert_int_equal(dataset_init(dataset, path, labels, 1000, &error), STATUS_OK);
    assert_int_equal(dataset->count, IMAGES);
    assert_int_equal(evaluation_run(evaluation, model, dataset, &options, &error), STATUS_OK);
    assert_int_equal(done, IMAGES);
}

static void test_same_with_any_company(void **state)
{
    (void)state;
    static const struct {
        size_t batch;
        unsigned threads;
    } cases[] = {{1, 1}, {3, 4}, {8, 2}, {32, 3}};
    struct evaluation_count expected[1000] = {{0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dataset dataset;
        struct evaluation evaluation;
        evaluate(cases[i].batch, cases[i].threads, &dataset, &evaluation);
        if (i == 0)
            memcpy(expected, evaluation.classes, sizeof expected);
        assert_memory_equal(evaluation.classes, expected, sizeof expected);
        assert_int_equal(evaluation.all.images, IMAGES - BROKEN);
        assert_true(evaluation.all.top5 >= evaluation.all.top1);
        assert_int_equal(evaluation.unreadable, BROKEN);
        assert_int_equal(evaluation.errors[5]->status, STATUS_NOT_FOUND);
        assert_int_equal(evaluation.errors[11]->status, STATUS_UNSUPPORTED);
        assert_null(evaluation.errors[0]);
        evaluation_fini(&evaluation);
        dataset_fini(&dataset);
    }
}

static void test_thin(void **state)
{
    (void)state;
    for (size_t limit = 1; limit <= IMAGES + 1; limit++) {
        struct dataset dataset;
        char path[128];
        (void)snprintf(path, sizeof path, "%s/list", folder);
        assert_int_equal(dataset_init(&dataset, path, labels, 1000, NULL), STATUS_OK);
        dataset_thin(&dataset, limit);
        assert_int_equal(dataset.count, limit < IMAGES ? limit : IMAGES);
        for (size_t i = 1; i < dataset.count; i++) {
            long before = atol(strrchr(dataset.images[i - 1].path, '/') + 1);
            long after = atol(strrchr(dataset.images[i].path, '/') + 1);
            size_t gap = (size_t)(after - before);
            assert_in_range(gap, IMAGES / limit > 0 ? IMAGES / limit : 1, IMAGES / limit + 1);
        }
        dataset_fini(&dataset);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_with_any_company),
        cmocka_unit_test(test_thin),
    };
    return cmocka_run_group_tests(tests, make_set, remove_set);
}
