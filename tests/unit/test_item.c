#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/pipeline/item_progress.h"

enum { ITEMS = 20000, FINISHERS = 4 };

static struct item *created(const struct item_request *request)
{
    struct item *item = NULL;
    assert_int_equal(item_create(request, &item, NULL), STATUS_OK);
    return item;
}

static struct item_answer answer_of(uint32_t class_id)
{
    struct topk_entry *predictions = calloc(1, sizeof *predictions);
    if (predictions)
        predictions->class_id = class_id;
    return (struct item_answer){.prediction_count = 1,
                                .predictions = predictions,
                                .times = {.inference_us = 7},
                                .batch_size = 3};
}

static void copies_the_request(void **state)
{
    (void)state;
    struct budget budget = {.limit_bytes = 100};
    struct blob *blob = NULL;
    char url[] = "http://a/b", file[] = "dog.jpg", model[] = "demo";
    assert_int_equal(blob_create(&budget, 10, &blob, NULL), STATUS_OK);
    struct item *item = created(&(struct item_request){.blob = blob,
                                                       .url = url,
                                                       .file = file,
                                                       .model = model,
                                                       .top_k = 3,
                                                       .min_probability = 0.25F});
    blob_release(blob);
    url[0] = file[0] = model[0] = '?';
    const struct item_request *request = item_request(item);
    assert_string_equal(request->url, "http://a/b");
    assert_string_equal(request->file, "dog.jpg");
    assert_string_equal(request->model, "demo");
    assert_int_equal(request->top_k, 3);
    assert_int_equal(budget_used(&budget), 10);
    assert_ptr_equal(item_retain(item), item);
    item_release(item);
    assert_int_equal(budget_used(&budget), 10);
    item_release(item);
    assert_int_equal(budget_used(&budget), 0);
    item_release(NULL);
}

static void first_finish_decides(void **state)
{
    (void)state;
    struct item *item = created(&(struct item_request){0});
    struct item_answer answer = answer_of(42), late = answer_of(43);
    assert_true(item_begin(item, NULL));
    assert_true(item_is_live(item));
    assert_true(item_finish_answer(item, &answer));
    assert_null(answer.predictions);
    assert_false(item_is_live(item));
    assert_false(item_finish_problem(item, PROBLEM_TIMEOUT, "too late"));
    assert_false(item_finish_answer(item, &late));
    assert_non_null(late.predictions);
    free(late.predictions);
    const struct item_outcome *outcome = item_outcome(item);
    assert_int_equal(outcome->problem.code, PROBLEM_NONE);
    assert_string_equal(outcome->problem.detail, "");
    assert_int_equal(outcome->stage, ITEM_STAGE_DONE);
    assert_int_equal(outcome->prediction_count, 1);
    assert_int_equal(outcome->predictions[0].class_id, 42);
    assert_int_equal(outcome->times.inference_us, 7);
    assert_int_equal(outcome->batch_size, 3);
    item_release(item);
}

static void a_problem_says_where_it_was(void **state)
{
    (void)state;
    struct item *item = created(&(struct item_request){0});
    assert_true(item_begin(item, NULL));
    item_set_stage(item, ITEM_STAGE_QUEUE);
    assert_true(item_finish_problem(item, PROBLEM_TIMEOUT, "100 % too slow %s"));
    item_set_stage(item, ITEM_STAGE_INFERENCE);
    const struct item_outcome *outcome = item_outcome(item);
    assert_int_equal(outcome->problem.code, PROBLEM_TIMEOUT);
    assert_string_equal(outcome->problem.detail, "100 % too slow %s");
    assert_int_equal(outcome->stage, ITEM_STAGE_QUEUE);
    assert_int_equal(outcome->prediction_count, 0);
    assert_null(outcome->predictions);
    item_release(item);
}

/* What the exposition says of one reason. */
static long rejections(const struct metrics *metrics, const char *reason)
{
    char *text = NULL, series[128];
    assert_int_equal(metrics_format(metrics, &text, NULL), STATUS_OK);
    snprintf(series, sizeof series, "\nclassifyd_rejections_total{reason=\"%s\"} ", reason);
    const char *at = strstr(text, series);
    long count = at ? strtol(at + strlen(series), NULL, 10) : 0;
    free(text);
    return count;
}

static void a_problem_is_counted_once_in_either_order(void **state)
{
    (void)state;
    struct metrics *metrics = NULL;
    assert_int_equal(metrics_create(&metrics, NULL), STATUS_OK);
    struct item *item = created(&(struct item_request){0});
    assert_true(item_begin(item, metrics));
    assert_true(item_finish_problem(item, PROBLEM_CLIENT_GONE, ""));
    assert_false(item_finish_problem(item, PROBLEM_CLIENT_GONE, ""));
    item_release(item);
    assert_int_equal(rejections(metrics, "client_gone"), 1);

    item = created(&(struct item_request){0});
    assert_true(item_finish_problem(item, PROBLEM_CLIENT_GONE, ""));
    assert_int_equal(rejections(metrics, "client_gone"), 1);
    assert_false(item_begin(item, metrics));
    item_release(item);
    assert_int_equal(rejections(metrics, "client_gone"), 2);
    metrics_destroy(metrics);
}

/* Several threads go through the same items at once and finish each, while another begins them. */
struct race {
    pthread_barrier_t barrier;
    struct item *items[ITEMS];
    struct metrics *metrics;
    atomic_uint wins, calls;
};

/* What an item is watched with. */
struct watch {
    struct race *race;
    const struct item *item;
};

static void count_call(void *user)
{
    const struct watch *watch = user;
    const struct item_outcome *outcome = item_outcome(watch->item);
    /* The outcome is whole by now: one finisher's, not a mixture. */
    bool is_answer = outcome->problem.code == PROBLEM_NONE && outcome->predictions &&
                     outcome->prediction_count == 1 && outcome->stage == ITEM_STAGE_DONE;
    bool is_problem = outcome->problem.code == PROBLEM_TIMEOUT && !outcome->predictions &&
                      outcome->batch_size == 0 && strcmp(outcome->problem.detail, "late") == 0;
    if (is_answer || is_problem)
        atomic_fetch_add(&watch->race->calls, 1);
}

static void *finish_with_problems(void *user)
{
    struct race *race = user;
    pthread_barrier_wait(&race->barrier);
    for (size_t i = 0; i < ITEMS; i++)
        atomic_fetch_add(&race->wins, item_finish_problem(race->items[i], PROBLEM_TIMEOUT, "late"));
    return NULL;
}

static void *finish_with_answers(void *user)
{
    struct race *race = user;
    pthread_barrier_wait(&race->barrier);
    for (size_t i = 0; i < ITEMS; i++) {
        struct item_answer answer = answer_of(1);
        atomic_fetch_add(&race->wins, item_finish_answer(race->items[i], &answer));
        free(answer.predictions);
    }
    return NULL;
}

static void *begin(void *user)
{
    struct race *race = user;
    pthread_barrier_wait(&race->barrier);
    for (size_t i = 0; i < ITEMS; i++)
        (void)item_begin(race->items[i], race->metrics);
    return NULL;
}

static void one_of_many_threads_wins(void **state)
{
    (void)state;
    struct race *race = calloc(1, sizeof *race);
    struct watch *watches = calloc(ITEMS, sizeof *watches);
    pthread_t threads[FINISHERS + 1];
    long problems = 0;
    assert_true(race && watches);
    assert_int_equal(metrics_create(&race->metrics, NULL), STATUS_OK);
    for (size_t i = 0; i < ITEMS; i++) {
        race->items[i] = created(&(struct item_request){0});
        watches[i] = (struct watch){race, race->items[i]};
        item_watch(race->items[i], count_call, &watches[i]);
    }
    assert_int_equal(pthread_barrier_init(&race->barrier, NULL, FINISHERS + 1), 0);
    for (int i = 0; i < FINISHERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i % 2 ? finish_with_answers : finish_with_problems, race),
                         0);
    assert_int_equal(pthread_create(&threads[FINISHERS], NULL, begin, race), 0);
    for (int i = 0; i < FINISHERS + 1; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < ITEMS; i++) {
        problems += item_outcome(race->items[i])->problem.code != PROBLEM_NONE;
        item_release(race->items[i]);
    }
    assert_int_equal(race->wins, ITEMS);
    assert_int_equal(race->calls, ITEMS);
    assert_int_equal(rejections(race->metrics, "timeout"), problems);
    metrics_destroy(race->metrics);
    pthread_barrier_destroy(&race->barrier);
    free(watches);
    free(race);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_the_request),
        cmocka_unit_test(first_finish_decides),
        cmocka_unit_test(a_problem_says_where_it_was),
        cmocka_unit_test(a_problem_is_counted_once_in_either_order),
        cmocka_unit_test(one_of_many_threads_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
