#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "server/pipeline/prepare_queue.h"

enum { WORKERS = 4, TASKS = 4000, SLOTS = 3 };

static struct task *created(void)
{
    struct item *item = NULL;
    struct task *task = NULL;
    assert_int_equal(item_create(&(struct item_request){0}, &item, NULL), STATUS_OK);
    assert_int_equal(task_create(item, NULL, 1, &task, NULL), STATUS_OK);
    item_release(item);
    return task;
}

struct fixture {
    struct prepare_queue *queue;
    struct prepare_line *a, *b;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    assert_int_equal(prepare_queue_create(2, &fixture->queue, NULL), STATUS_OK);
    assert_int_equal(prepare_queue_open(fixture->queue, 1, &fixture->a, NULL), STATUS_OK);
    assert_int_equal(prepare_queue_open(fixture->queue, SLOTS, &fixture->b, NULL), STATUS_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    prepare_queue_destroy(fixture->queue);
    prepare_queue_destroy(NULL);
    free(fixture);
    return 0;
}

static void oldest_first_but_none_without_a_slot(void **state)
{
    struct fixture *fixture = *state;
    struct task *a[2] = {created(), created()}, *b[2] = {created(), created()};
    assert_null(prepare_queue_push(fixture->queue, fixture->a, a[0]));
    assert_null(prepare_queue_push(fixture->queue, fixture->a, a[1]));
    assert_null(prepare_queue_push(fixture->queue, fixture->b, b[0]));
    assert_null(prepare_queue_push(fixture->queue, fixture->b, b[1]));
    assert_ptr_equal(prepare_queue_take(fixture->queue), a[0]);
    assert_int_equal(a[0]->slot, 0);
    /* The only slot of a is taken: b goes on. */
    assert_ptr_equal(prepare_queue_take(fixture->queue), b[0]);
    prepare_queue_give_back(fixture->queue, fixture->a, &a[0]->slot, 1);
    assert_ptr_equal(prepare_queue_take(fixture->queue), a[1]);
    assert_ptr_equal(prepare_queue_take(fixture->queue), b[1]);
    assert_int_not_equal(b[0]->slot, b[1]->slot);
    for (int i = 0; i < 2; i++) {
        task_destroy(a[i]);
        task_destroy(b[i]);
    }
}

static void the_dead_need_no_slot(void **state)
{
    struct fixture *fixture = *state;
    struct task *live = created(), *dead = created();
    assert_null(prepare_queue_push(fixture->queue, fixture->a, live));
    assert_null(prepare_queue_push(fixture->queue, fixture->a, dead));
    assert_ptr_equal(prepare_queue_take(fixture->queue), live);
    assert_true(item_finish_problem(dead->item, PROBLEM_CLIENT_GONE, ""));
    assert_ptr_equal(prepare_queue_take(fixture->queue), dead);
    assert_true(dead->slot == TASK_NO_SLOT);
    task_destroy(live);
    task_destroy(dead);
}

static void a_closed_one_gives_back_what_is_left(void **state)
{
    struct fixture *fixture = *state;
    struct task *a = created(), *b = created();
    assert_null(prepare_queue_push(fixture->queue, fixture->b, b));
    assert_null(prepare_queue_push(fixture->queue, fixture->a, a));
    prepare_queue_close(fixture->queue);
    assert_null(prepare_queue_take(fixture->queue));
    assert_ptr_equal(prepare_queue_clear(fixture->queue), a);
    assert_ptr_equal(prepare_queue_clear(fixture->queue), b);
    assert_null(prepare_queue_clear(fixture->queue));
    task_destroy(a);
    task_destroy(b);
}

/* Behind one that waits for a slot come and go more clients than are ever held. */
static void the_dead_do_not_pile_up(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 10 * PREPARE_QUEUE_SWEEP_AT };
    struct task *live[4];
    size_t held = 0, most = 0;
    for (size_t i = 0; i < 4; i++)
        live[i] = created();
    assert_null(prepare_queue_push(fixture->queue, fixture->a, live[0]));
    assert_ptr_equal(prepare_queue_take(fixture->queue), live[0]);
    assert_null(prepare_queue_push(fixture->queue, fixture->a, live[1]));
    for (size_t i = 0; i < COUNT; i++) {
        struct task *task = i == COUNT / 2 ? live[2] : created();
        struct task *dead = prepare_queue_push(fixture->queue, fixture->a, task);
        for (held++, most = held > most ? held : most; dead; held--) {
            struct task *next = dead->next;
            assert_false(item_is_live(dead->item));
            task_destroy(dead);
            dead = next;
        }
        if (task != live[2])
            assert_true(item_finish_problem(task->item, PROBLEM_CLIENT_GONE, ""));
    }
    assert_in_range(most, 1, PREPARE_QUEUE_SWEEP_AT);
    assert_null(prepare_queue_push(fixture->queue, fixture->a, live[3]));
    for (size_t i = 1; i < 4;) {
        size_t slot = 0;
        prepare_queue_give_back(fixture->queue, fixture->a, &slot, 1);
        struct task *task = prepare_queue_take(fixture->queue);
        while (task->slot == TASK_NO_SLOT) {
            task_destroy(task);
            task = prepare_queue_take(fixture->queue);
        }
        assert_ptr_equal(task, live[i++]);
    }
    for (size_t i = 0; i < 4; i++)
        task_destroy(live[i]);
}

static void lines_are_counted(void **state)
{
    struct fixture *fixture = *state;
    struct prepare_line *line = NULL;
    assert_int_equal(prepare_queue_open(fixture->queue, 1, &line, NULL), STATUS_OVERLOADED);
    assert_null(line);
}

/* Many tasks over few slots: every one comes out once, no slot is held twice, no wake-up is lost.
 */
struct crowd {
    struct fixture *fixture;
    atomic_uint taken, doubles;
    atomic_bool held[2][SLOTS];
};

static void *take_all(void *user)
{
    struct crowd *crowd = user;
    struct fixture *fixture = crowd->fixture;
    struct task *task;
    while ((task = prepare_queue_take(fixture->queue))) {
        bool is_a = task->top_k == 1;
        size_t slot = task->slot;
        if (slot >= SLOTS || atomic_exchange(&crowd->held[is_a][slot], true))
            atomic_fetch_add(&crowd->doubles, 1);
        task_destroy(task);
        atomic_store(&crowd->held[is_a][slot], false);
        prepare_queue_give_back(fixture->queue, is_a ? fixture->a : fixture->b, &slot, 1);
        if (atomic_fetch_add(&crowd->taken, 1) + 1 == TASKS)
            prepare_queue_close(fixture->queue);
    }
    return NULL;
}

static void workers_share_everything(void **state)
{
    struct fixture *fixture = *state;
    struct crowd crowd = {.fixture = fixture};
    pthread_t threads[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_all, &crowd), 0);
    for (int i = 0; i < TASKS; i++) {
        struct task *task = created();
        task->top_k = i % 3 == 0 ? 1 : 2;
        assert_null(prepare_queue_push(fixture->queue, i % 3 == 0 ? fixture->a : fixture->b, task));
    }
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(crowd.taken, TASKS);
    assert_int_equal(crowd.doubles, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(oldest_first_but_none_without_a_slot, setup, teardown),
        cmocka_unit_test_setup_teardown(the_dead_need_no_slot, setup, teardown),
        cmocka_unit_test_setup_teardown(a_closed_one_gives_back_what_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(the_dead_do_not_pile_up, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(workers_share_everything, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
