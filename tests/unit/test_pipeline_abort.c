/* How the pipeline gives up: deadlines, clients that left, a shutdown, a fetch that fails. Stages
 * are held where a test wants them by calls whose `done` does not return, and by a fetcher that
 * answers when it is told to. */
#include "tests/unit/pipeline_fixture.h"

#include <stdlib.h>

static const uint64_t one_hour_us = 3600000000;

static void answer_fetch(struct fetcher *fetcher, size_t index, struct blob *blob,
                         enum problem_code code, const char *detail)
{
    struct fetcher_result result = {.blob = blob, .wait_us = 5, .fetch_us = 77};
    if (code)
        problem_set(&result.problem, code, "%s", detail);
    fetcher->requests[index].done(fetcher->requests[index].user, &result);
}

static struct item_request by_url(void)
{
    return (struct item_request){.url = "http://example.org/a.jpg"};
}

/* Blocks the only worker, or the only engine thread, until call_release. */
static void hold(struct fixture *fixture, struct call *call, const struct item_request *request)
{
    call->is_held = true;
    call_send(fixture, call, request);
    call_wait(call);
}

static void release(struct call *call)
{
    sem_post(&call->go_on);
}

/* Everything sent before has gone through the only worker: this is the next one that it takes. */
static void pass_worker(struct fixture *fixture)
{
    struct call call = {0};
    struct item_request request = fixture_broken(fixture);
    call_send(fixture, &call, &request);
    call_wait(&call);
    call_end(&call);
}

static void assert_ended(struct call *call, enum problem_code code, enum item_stage stage)
{
    assert_int_equal(call_outcome(call, 0)->problem.code, code);
    assert_int_equal(call_outcome(call, 0)->stage, stage);
    call_end(call);
}

static void assert_outcome(struct call *call, enum problem_code code, enum item_stage stage)
{
    call_wait(call);
    assert_ended(call, code, stage);
}

static void an_abort_before_the_submit(void **state)
{
    struct fixture *fixture = *state;
    struct item_request request = fixture_photograph(fixture);
    struct call call = {0};
    fixture_start(fixture);
    call_make(&call, &request, 1);
    job_abort(call.job, PROBLEM_CLIENT_GONE, "gone");
    assert_true(call_is_done(&call));
    pipeline_submit(fixture->pipeline, call.job);
    assert_outcome(&call, PROBLEM_CLIENT_GONE, ITEM_STAGE_SUBMIT);
    pass_worker(fixture);
    assert_int_equal(fixture_count(fixture, "classifyd_rejections_total{reason=\"client_gone\"}"),
                     1);
    assert_int_equal(fixture_count(fixture, "classifyd_images_total"), 0);
}

static void an_abort_during_the_fetch(void **state)
{
    struct fixture *fixture = *state;
    struct fetcher fetcher = {0};
    struct item_request request = by_url();
    struct call call = {0};
    fixture->options.fetcher = &fetcher;
    fixture_start(fixture);
    call_send(fixture, &call, &request);
    assert_int_equal(fetcher.count, 1);
    assert_string_equal(fetcher.requests[0].url, request.url);
    assert_true(fetcher.requests[0].is_wanted(fetcher.requests[0].user));
    assert_int_equal(metrics_queue_depth(fixture->metrics, METRICS_QUEUE_FETCH), 1);
    job_abort(call.job, PROBLEM_TIMEOUT, "over 30 s");
    assert_false(fetcher.requests[0].is_wanted(fetcher.requests[0].user));
    assert_outcome(&call, PROBLEM_TIMEOUT, ITEM_STAGE_FETCH);
    /* The request has long been answered when the bytes come. */
    answer_fetch(&fetcher, 0, blob_retain(fixture->sample), PROBLEM_NONE, "");
    assert_int_equal(metrics_queue_depth(fixture->metrics, METRICS_QUEUE_FETCH), 0);
    assert_int_equal(metrics_queue_depth(fixture->metrics, METRICS_QUEUE_PREPARE), 0);
}

static void a_fetch_brings_the_bytes_or_a_problem(void **state)
{
    struct fixture *fixture = *state;
    struct fetcher fetcher = {0};
    struct item_request request = by_url();
    struct call good = {0}, bad = {0}, page = {0}, refused = {0};
    struct blob *html = NULL;
    fixture->options.fetcher = &fetcher;
    fixture_start(fixture);
    call_send(fixture, &good, &request);
    call_send(fixture, &bad, &request);
    call_send(fixture, &page, &request);
    answer_fetch(&fetcher, 1, NULL, PROBLEM_FETCH_STATUS, "404");
    assert_string_equal(call_outcome(&bad, 0)->problem.detail, "404");
    assert_outcome(&bad, PROBLEM_FETCH_STATUS, ITEM_STAGE_FETCH);
    answer_fetch(&fetcher, 0, blob_retain(fixture->sample), PROBLEM_NONE, "");
    call_wait(&good);
    assert_int_equal(call_outcome(&good, 0)->problem.code, PROBLEM_NONE);
    assert_int_equal(call_outcome(&good, 0)->times.fetch_us, 77);
    assert_int_equal(call_outcome(&good, 0)->prediction_count, 5);
    call_end(&good);
    assert_int_equal(blob_create(&fixture->budget, 0, &html, NULL), STATUS_OK);
    assert_int_equal(blob_append(html, (struct span){(const uint8_t *)"<html>", 6}, 100, NULL),
                     STATUS_OK);
    answer_fetch(&fetcher, 2, html, PROBLEM_NONE, "");
    assert_outcome(&page, PROBLEM_FETCH_NOT_AN_IMAGE, ITEM_STAGE_PREPARE);
    fetcher.is_full = true;
    call_send(fixture, &refused, &request);
    assert_outcome(&refused, PROBLEM_OVERLOADED, ITEM_STAGE_FETCH);
    assert_int_equal(fixture_count(fixture, "classifyd_fetches_total{outcome=\"ok\"}"), 2);
    assert_int_equal(fixture_count(fixture, "classifyd_fetches_total{outcome=\"fetch_status\"}"),
                     1);
}

static void an_abort_in_front_of_the_workers(void **state)
{
    struct fixture *fixture = *state;
    struct item_request good = fixture_photograph(fixture), bad = fixture_broken(fixture);
    struct call holder = {0}, call = {0};
    fixture_start(fixture);
    hold(fixture, &holder, &bad);
    call_send(fixture, &call, &good);
    job_abort(call.job, PROBLEM_CLIENT_GONE, "gone");
    assert_outcome(&call, PROBLEM_CLIENT_GONE, ITEM_STAGE_PREPARE);
    release(&holder);
    pass_worker(fixture);
    call_end(&holder);
    assert_int_equal(fixture_count(fixture, "classifyd_images_total"), 0);
}

/* Of three behind a running batch one is given up; the two others run together. */
static void an_abort_behind_a_running_batch(void **state)
{
    struct fixture *fixture = *state;
    struct item_request request = fixture_photograph(fixture);
    struct call holder = {0}, calls[3] = {0};
    fixture->options.max_batch = 3;
    fixture_start(fixture);
    hold(fixture, &holder, &request);
    for (int i = 0; i < 3; i++)
        call_send(fixture, &calls[i], &request);
    pass_worker(fixture);
    assert_int_equal(metrics_queue_depth(fixture->metrics, METRICS_QUEUE_BATCH), 3);
    job_abort(calls[1].job, PROBLEM_TIMEOUT, "late");
    assert_outcome(&calls[1], PROBLEM_TIMEOUT, ITEM_STAGE_QUEUE);
    release(&holder);
    for (int i = 0; i < 3; i += 2) {
        call_wait(&calls[i]);
        assert_int_equal(call_outcome(&calls[i], 0)->batch_size, 2);
        assert_ended(&calls[i], PROBLEM_NONE, ITEM_STAGE_DONE);
    }
    call_end(&holder);
    assert_int_equal(fixture_count(fixture, "classifyd_images_total"), 3);
}

/* The first of a batch of two keeps the engine thread after the run; the second is given up before
 * its answer is written. */
static void an_abort_during_the_run(void **state)
{
    struct fixture *fixture = *state;
    struct item_request request = fixture_photograph(fixture);
    struct call first = {.is_held = true}, second = {0};
    fixture->options.max_queue_delay_us = one_hour_us;
    fixture_start(fixture);
    call_send(fixture, &first, &request);
    call_send(fixture, &second, &request);
    call_wait(&first);
    assert_int_equal(call_outcome(&first, 0)->batch_size, 2);
    job_abort(second.job, PROBLEM_TIMEOUT, "late");
    assert_outcome(&second, PROBLEM_TIMEOUT, ITEM_STAGE_INFERENCE);
    release(&first);
    fixture_stop(fixture);
    call_end(&first);
}

/* Two thousand wait on two threads, most are given up, the rest are answered; none is lost, and
 * nothing of them stays. */
static void thousands_may_wait(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 2000, ANSWERED = 12 };
    struct item_request good = fixture_photograph(fixture), bad = fixture_broken(fixture);
    struct call holder = {0}, *calls = calloc(COUNT, sizeof *calls);
    assert_non_null(calls);
    fixture_start(fixture);
    hold(fixture, &holder, &bad);
    for (size_t i = 0; i < COUNT; i++)
        call_send(fixture, &calls[i], i % 2 ? &bad : &good);
    assert_int_equal(metrics_queue_depth(fixture->metrics, METRICS_QUEUE_PREPARE), COUNT);
    for (size_t i = 2 * ANSWERED; i < COUNT; i++)
        job_abort(calls[i].job, PROBLEM_CLIENT_GONE, "gone");
    release(&holder);
    for (size_t i = 0; i < COUNT; i++) {
        call_wait(&calls[i]);
        assert_int_equal(call_outcome(&calls[i], 0)->problem.code, i >= 2 * ANSWERED
                                                                       ? PROBLEM_CLIENT_GONE
                                                                   : i % 2 ? PROBLEM_NOT_DECODABLE
                                                                           : PROBLEM_NONE);
        call_end(&calls[i]);
    }
    pass_worker(fixture);
    assert_int_equal(metrics_queue_depth(fixture->metrics, METRICS_QUEUE_PREPARE), 0);
    assert_int_equal(fixture_count(fixture, "classifyd_rejections_total{reason=\"client_gone\"}"),
                     COUNT - 2 * ANSWERED);
    assert_int_equal(fixture_count(fixture, "classifyd_images_total"), ANSWERED);
    call_end(&holder);
    free(calls);
}

/* One waits for company that never comes, the rest for its slot or a worker. */
static void a_shutdown_finishes_what_is_queued(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 40 };
    struct item_request request = fixture_photograph(fixture);
    struct call calls[COUNT] = {0}, running[2] = {0};
    fixture->options.max_queue_delay_us = one_hour_us;
    fixture_start(fixture);
    for (int i = 0; i < 2; i++)
        call_send(fixture, &running[i], &request);
    call_wait(&running[0]);
    call_wait(&running[1]);
    request.model = "small";
    for (int i = 0; i < COUNT; i++)
        call_send(fixture, &calls[i], &request);
    fixture_stop(fixture);
    int drained = 0;
    for (int i = 0; i < COUNT; i++) {
        assert_true(call_is_done(&calls[i]));
        enum problem_code code = call_outcome(&calls[i], 0)->problem.code;
        assert_true(code == PROBLEM_NONE || code == PROBLEM_DRAINING);
        drained += code == PROBLEM_DRAINING;
        call_end(&calls[i]);
    }
    assert_in_range(drained, 1, COUNT);
    for (int i = 0; i < 2; i++)
        assert_ended(&running[i], PROBLEM_NONE, ITEM_STAGE_DONE);
}

static void a_shutdown_reaches_a_batch_that_waits(void **state)
{
    struct fixture *fixture = *state;
    struct item_request request = fixture_photograph(fixture);
    struct call call = {0};
    fixture->options.max_queue_delay_us = one_hour_us;
    fixture_start(fixture);
    call_send(fixture, &call, &request);
    pass_worker(fixture);
    assert_int_equal(metrics_queue_depth(fixture->metrics, METRICS_QUEUE_BATCH), 1);
    fixture_stop(fixture);
    assert_outcome(&call, PROBLEM_DRAINING, ITEM_STAGE_QUEUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_abort_before_the_submit, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(an_abort_during_the_fetch, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(a_fetch_brings_the_bytes_or_a_problem, fixture_begin,
                                        fixture_end),
        cmocka_unit_test_setup_teardown(an_abort_in_front_of_the_workers, fixture_begin,
                                        fixture_end),
        cmocka_unit_test_setup_teardown(an_abort_behind_a_running_batch, fixture_begin,
                                        fixture_end),
        cmocka_unit_test_setup_teardown(an_abort_during_the_run, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(thousands_may_wait, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(a_shutdown_finishes_what_is_queued, fixture_begin,
                                        fixture_end),
        cmocka_unit_test_setup_teardown(a_shutdown_reaches_a_batch_that_waits, fixture_begin,
                                        fixture_end),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
