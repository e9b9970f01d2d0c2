#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/fetch/fetch_queue.h"

/* Takes as many as there are turns; the hosts' first letters in order. */
static const char *take_all(struct fetch_queue *queue)
{
    static char order[32];
    size_t count = 0;
    for (struct fetch_queue_entry *entry; (entry = fetch_queue_take(queue)) != NULL;)
        order[count++] = entry->host[0];
    order[count] = 0;
    return order;
}

static void first_come_first_served_up_to_the_limit(void **state)
{
    (void)state;
    struct fetch_queue queue = {.max_active = 2, .max_active_per_host = 9};
    struct fetch_queue_entry a = {.host = "a"}, b = {.host = "b"}, c = {.host = "c"};
    assert_null(fetch_queue_take(&queue));
    fetch_queue_put(&queue, &a);
    fetch_queue_put(&queue, &b);
    fetch_queue_put(&queue, &c);
    assert_string_equal(take_all(&queue), "ab");
    assert_int_equal(queue.active.count, 2);
    assert_int_equal(queue.waiting.count, 1);
    fetch_queue_end(&queue, &a);
    assert_string_equal(take_all(&queue), "c");
    fetch_queue_end(&queue, &c);
    fetch_queue_end(&queue, &b);
    assert_int_equal(queue.active.count + queue.waiting.count, 0);
    assert_null(queue.active.first);
    assert_null(queue.active.last);
}

static void a_host_with_its_share_is_passed_by(void **state)
{
    (void)state;
    struct fetch_queue queue = {.max_active = 4, .max_active_per_host = 2};
    struct fetch_queue_entry a[4], b = {.host = "b"}, c = {.host = "c"};
    char names[4][8];
    for (size_t i = 0; i < 4; i++) {
        strcpy(names[i], "aaa"); /* the name counts, not its address */
        a[i] = (struct fetch_queue_entry){.host = names[i]};
        fetch_queue_put(&queue, &a[i]);
    }
    fetch_queue_put(&queue, &b);
    assert_string_equal(take_all(&queue), "aab");
    fetch_queue_put(&queue, &c);
    assert_string_equal(take_all(&queue), "c");
    fetch_queue_end(&queue, &a[1]);
    assert_ptr_equal(fetch_queue_take(&queue), &a[2]);
    assert_null(fetch_queue_take(&queue));
    fetch_queue_end(&queue, &c);
    assert_null(fetch_queue_take(&queue)); /* room in all, but not for that host */
    fetch_queue_end(&queue, &a[0]);
    assert_ptr_equal(fetch_queue_take(&queue), &a[3]);
}

static void one_that_goes_on_comes_first(void **state)
{
    (void)state;
    struct fetch_queue queue = {.max_active = 1, .max_active_per_host = 1};
    struct fetch_queue_entry a = {.host = "a"}, b = {.host = "b"}, c = {.host = "c"};
    fetch_queue_put(&queue, &a);
    fetch_queue_put(&queue, &b);
    fetch_queue_put(&queue, &c);
    assert_ptr_equal(fetch_queue_take(&queue), &a);
    fetch_queue_end(&queue, &a);
    a.host = "x";
    fetch_queue_put_first(&queue, &a);
    assert_ptr_equal(fetch_queue_take(&queue), &a);
    fetch_queue_remove(&queue, &b);
    fetch_queue_end(&queue, &a);
    assert_ptr_equal(fetch_queue_take(&queue), &c);
    assert_int_equal(queue.waiting.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_come_first_served_up_to_the_limit),
        cmocka_unit_test(a_host_with_its_share_is_passed_by),
        cmocka_unit_test(one_that_goes_on_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
