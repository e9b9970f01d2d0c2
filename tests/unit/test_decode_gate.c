#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdatomic.h>

#include "server/pipeline/decode_gate.h"

enum { THREADS = 6, ROUNDS = 500, LIMIT = 100 };

static void lets_in_what_fits(void **state)
{
    (void)state;
    struct decode_gate gate;
    decode_gate_init(&gate, LIMIT);
    assert_false(decode_gate_enter(&gate, LIMIT + 1));
    assert_true(decode_gate_enter(&gate, 60));
    assert_true(decode_gate_enter(&gate, 40));
    decode_gate_leave(&gate, 60);
    assert_true(decode_gate_enter(&gate, 60));
    decode_gate_leave(&gate, 60);
    decode_gate_leave(&gate, 40);
    assert_true(decode_gate_enter(&gate, LIMIT));
    assert_int_equal(gate.used_bytes, LIMIT);
    decode_gate_leave(&gate, LIMIT);
    decode_gate_fini(&gate);
}

struct crowd {
    struct decode_gate gate;
    atomic_size_t inside_bytes;
    atomic_uint overfull, inside, large, small;
};

/* Small and large ones in turn. */
static void *come_and_go(void *user)
{
    struct crowd *crowd = user;
    for (size_t i = 0; i < ROUNDS; i++) {
        size_t bytes = i % 7 == 0 ? LIMIT : 10 + i % 30;
        if (!decode_gate_enter(&crowd->gate, bytes))
            break;
        if (atomic_fetch_add(&crowd->inside_bytes, bytes) + bytes > LIMIT)
            atomic_fetch_add(&crowd->overfull, 1);
        atomic_fetch_sub(&crowd->inside_bytes, bytes);
        decode_gate_leave(&crowd->gate, bytes);
    }
    return NULL;
}

static void never_holds_more_and_forgets_nobody(void **state)
{
    (void)state;
    struct crowd crowd = {0};
    pthread_t threads[THREADS];
    decode_gate_init(&crowd.gate, LIMIT);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &crowd), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(crowd.overfull, 0);
    assert_int_equal(crowd.gate.used_bytes, 0);
    assert_int_equal(crowd.gate.turn, THREADS * ROUNDS);
    decode_gate_fini(&crowd.gate);
}

static void *enter_large(void *user)
{
    struct crowd *crowd = user;
    if (decode_gate_enter(&crowd->gate, LIMIT))
        crowd->large = atomic_fetch_add(&crowd->inside, 1) + 1;
    decode_gate_leave(&crowd->gate, LIMIT);
    return NULL;
}

static void *enter_small(void *user)
{
    struct crowd *crowd = user;
    if (decode_gate_enter(&crowd->gate, 1))
        crowd->small = atomic_fetch_add(&crowd->inside, 1) + 1;
    decode_gate_leave(&crowd->gate, 1);
    return NULL;
}

/* Until `count` have asked. Who has to wait tells nobody, so this looks again and again. */
static void wait_for_tickets(struct decode_gate *gate, uint64_t count)
{
    uint64_t tickets;
    do {
        sched_yield();
        pthread_mutex_lock(&gate->mutex);
        tickets = gate->tickets;
        pthread_mutex_unlock(&gate->mutex);
    } while (tickets < count);
}

static void a_large_one_is_not_overtaken(void **state)
{
    (void)state;
    struct crowd crowd = {0};
    pthread_t large, small;
    decode_gate_init(&crowd.gate, LIMIT);
    assert_true(decode_gate_enter(&crowd.gate, 10));
    assert_int_equal(pthread_create(&large, NULL, enter_large, &crowd), 0);
    wait_for_tickets(&crowd.gate, 2);
    assert_int_equal(pthread_create(&small, NULL, enter_small, &crowd), 0);
    wait_for_tickets(&crowd.gate, 3);
    decode_gate_leave(&crowd.gate, 10);
    assert_int_equal(pthread_join(large, NULL), 0);
    assert_int_equal(pthread_join(small, NULL), 0);
    assert_int_equal(crowd.large, 1);
    assert_int_equal(crowd.small, 2);
    decode_gate_fini(&crowd.gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_in_what_fits),
        cmocka_unit_test(never_holds_more_and_forgets_nobody),
        cmocka_unit_test(a_large_one_is_not_overtaken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
