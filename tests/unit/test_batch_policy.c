#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/batch/batch_policy.h"

#define FOR_EVER UINT64_MAX
#define WAIT     BATCH_POLICY_WAIT
#define RUN      BATCH_POLICY_RUN
#define WIDE     BATCH_POLICY_RUN_WIDE

/* A row is a situation and what is to be done; the answers are worked out by hand. */
struct row {
    const char *what;
    struct batch_policy_options options;   /* max_batch, max_queue_delay_us, threads */
    struct batch_policy_state state;       /* now_us, oldest_us, count, idle_threads, is_draining */
    struct batch_policy_decision decision; /* action, images, until_us */
};

static const struct row rows[] = {
    {"nothing waits", {8, 0, 2}, {10, 0, 0, 2, false}, {WAIT, 0, FOR_EVER}},
    {"nobody is idle", {8, 0, 2}, {10, 5, 3, 0, false}, {WAIT, 0, FOR_EVER}},
    {"a lone image gets all threads", {8, 0, 4}, {10, 10, 1, 4, false}, {WIDE, 1, 0}},
    {"three on four, too, together", {8, 0, 4}, {10, 10, 3, 4, false}, {WIDE, 3, 0}},
    {"four on four: one each", {8, 0, 4}, {10, 10, 4, 4, false}, {RUN, 1, 0}},
    {"five on four: two, then three on three", {8, 0, 4}, {10, 10, 5, 4, false}, {RUN, 2, 0}},
    {"the rest of them", {8, 0, 4}, {10, 10, 3, 3, false}, {RUN, 1, 0}},
    {"one thread is busy: not wide", {8, 0, 4}, {10, 10, 1, 3, false}, {RUN, 1, 0}},
    {"one thread in all: nothing is wide", {8, 0, 1}, {10, 10, 1, 1, false}, {RUN, 1, 0}},
    {"sixteen on two", {8, 0, 2}, {10, 10, 16, 2, false}, {RUN, 8, 0}},
    {"fifteen on two", {8, 0, 2}, {10, 10, 15, 2, false}, {RUN, 8, 0}},
    {"a thousand on two: a batch is full", {8, 0, 2}, {10, 10, 1000, 2, false}, {RUN, 8, 0}},
    {"the last idle thread takes what fits", {8, 0, 2}, {10, 10, 7, 1, false}, {RUN, 7, 0}},
    {"wide is bounded by the batch, too", {2, 0, 8}, {10, 10, 5, 8, false}, {WIDE, 2, 0}},
    {"batches of one", {1, 0, 2}, {10, 10, 9, 2, false}, {RUN, 1, 0}},
    {"held back for company", {8, 100, 2}, {150, 60, 3, 2, false}, {WAIT, 0, 160}},
    {"even alone and all idle", {8, 100, 2}, {60, 60, 1, 2, false}, {WAIT, 0, 160}},
    {"till the last microsecond", {8, 100, 2}, {159, 60, 3, 2, false}, {WAIT, 0, 160}},
    {"not longer, then shared out", {8, 100, 2}, {160, 60, 3, 2, false}, {RUN, 2, 0}},
    {"not longer, then wide", {8, 100, 2}, {160, 60, 1, 2, false}, {WIDE, 1, 0}},
    {"a full batch is not held back, nor cut", {8, 100, 2}, {61, 60, 8, 2, false}, {RUN, 8, 0}},
    {"nor one that is more than full", {8, 100, 2}, {61, 60, 9, 2, false}, {RUN, 8, 0}},
    {"draining holds nothing back", {8, 100, 2}, {61, 60, 3, 2, true}, {RUN, 2, 0}},
    {"draining may be wide", {8, 100, 4}, {61, 60, 3, 4, true}, {WIDE, 3, 0}},
    {"a delay without end", {8, FOR_EVER, 2}, {61, 60, 3, 2, false}, {WAIT, 0, FOR_EVER}},
};

static void rows_are_decided_as_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct batch_policy_decision found = batch_policy_decide(&row->options, &row->state);
        if (found.action != row->decision.action || found.images != row->decision.images ||
            found.until_us != row->decision.until_us)
            fail_msg("%s: action %d, %zu images, until %llu", row->what, (int)found.action,
                     found.images, (unsigned long long)found.until_us);
    }
}

/* Whatever the numbers: never nothing, never more than there are or than a batch holds, and taking
 * by turns ends with each idle thread at work where there was enough. */
static void shares_leave_no_thread_without(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 9; threads++)
        for (size_t count = 1; count <= 80; count++)
            for (size_t max_batch = 1; max_batch <= 8; max_batch++) {
                const struct batch_policy_options options = {max_batch, 0, threads};
                size_t left = count;
                for (unsigned idle = threads; idle > 0 && left > 0; idle--) {
                    const struct batch_policy_state now = {5, 5, left, idle, false};
                    struct batch_policy_decision found = batch_policy_decide(&options, &now);
                    assert_in_range(found.images, 1, left < max_batch ? left : max_batch);
                    left -= found.images;
                    if (found.action == WIDE)
                        break;
                    assert_int_equal(found.action, RUN);
                    if (count >= threads)
                        assert_true(left >= idle - 1);
                }
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_decided_as_written),
        cmocka_unit_test(shares_leave_no_thread_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
