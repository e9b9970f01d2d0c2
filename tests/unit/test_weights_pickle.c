#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/net/weights_pickle.h"

/* A literal's bytes without its NUL, NULs inside included. */
#define BYTES(literal) ((struct span){(const uint8_t *)(literal), sizeof(literal) - 1})

static struct weights_pickle *parse(struct span bytes)
{
    struct weights_pickle *pickle = NULL;
    struct error error = {0};
    enum status status = weights_pickle_parse(bytes, 0, "", &pickle, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(status, STATUS_OK);
    return pickle;
}

static void assert_refused(struct span bytes, enum status status, const char *text)
{
    struct weights_pickle *pickle = NULL;
    struct error error = {0};
    assert_int_equal(weights_pickle_parse(bytes, 0, " of x", &pickle, &error), status);
    assert_null(pickle);
    assert_string_equal(error.text, text);
}

/* What Python's pickle.dumps([None, True, 7, -2, 300, -5000000000, 1.5, 'ab', (), (1, 2)], 2)
 * writes. */
static void plain_values_are_read(void **state)
{
    (void)state;
    struct weights_pickle *pickle =
        parse(BYTES("\x80\x02]q\x00(N\x88K\x07J\xfe\xff\xff\xffM,\x01\x8a\x05\x00\x0e\xfa\xd5\xfe"
                    "G?\xf8\0\0\0\0\0\0X\x02\0\0\0abq\x01)K\x01K\x02\x86q\x02"
                    "e."));
    const struct weights_pickle_value *root = weights_pickle_root(pickle);
    assert_int_equal(root->kind, WEIGHTS_PICKLE_LIST);
    assert_int_equal(root->count, 10);
    assert_int_equal(weights_pickle_item(pickle, root, 0)->kind, WEIGHTS_PICKLE_NONE);
    assert_int_equal(weights_pickle_item(pickle, root, 1)->integer, 1);
    assert_int_equal(weights_pickle_item(pickle, root, 2)->integer, 7);
    assert_int_equal(weights_pickle_item(pickle, root, 3)->integer, -2);
    assert_int_equal(weights_pickle_item(pickle, root, 4)->integer, 300);
    assert_true(weights_pickle_item(pickle, root, 5)->integer == -5000000000);
    assert_true(weights_pickle_item(pickle, root, 6)->number == 1.5);
    assert_true(weights_pickle_is_text(weights_pickle_item(pickle, root, 7), "ab"));
    assert_false(weights_pickle_is_text(weights_pickle_item(pickle, root, 7), "abc"));
    assert_int_equal(weights_pickle_item(pickle, root, 8)->count, 0);
    const struct weights_pickle_value *pair = weights_pickle_item(pickle, root, 9);
    assert_int_equal(weights_pickle_item(pickle, pair, 1)->integer, 2);
    assert_null(weights_pickle_item(pickle, pair, 2));
    assert_null(weights_pickle_item(pickle, root, 10));
    assert_null(weights_pickle_item(pickle, weights_pickle_item(pickle, root, 2), 0));
    weights_pickle_destroy(pickle);
    weights_pickle_destroy(NULL);
}

static void dicts_answer_by_key(void **state)
{
    (void)state;
    struct weights_pickle *pickle = parse(BYTES("\x80\x02}(U\x01"
                                                "aK\x01U\x01"
                                                "bK\x02uU\x01"
                                                "aK\x03s."));
    const struct weights_pickle_value *root = weights_pickle_root(pickle);
    assert_int_equal(root->count, 6);
    assert_int_equal(weights_pickle_member(pickle, root, "a")->integer, 3);
    assert_int_equal(weights_pickle_member(pickle, root, "b")->integer, 2);
    assert_null(weights_pickle_member(pickle, root, "c"));
    assert_null(weights_pickle_member(pickle, weights_pickle_member(pickle, root, "a"), "b"));
    weights_pickle_destroy(pickle);
}

static void a_tensor_keeps_what_it_is_made_of(void **state)
{
    (void)state;
    struct weights_pickle *pickle =
        parse(BYTES("\x80\x02"
                    "ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nHalfStorage\n"
                    "U\x01"
                    "5U\x03"
                    "cpuK\x06tQK\x01K\x02\x85K\x01\x85\x89"
                    "ccollections\nOrderedDict\n)RtR."));
    const struct weights_pickle_value *tensor = weights_pickle_root(pickle);
    assert_int_equal(tensor->kind, WEIGHTS_PICKLE_TENSOR);
    const struct weights_pickle_value *storage = weights_pickle_item(pickle, tensor, 0);
    assert_int_equal(storage->kind, WEIGHTS_PICKLE_STORAGE);
    assert_int_equal(weights_pickle_item(pickle, storage, 1)->global->type, WEIGHTS_F16);
    assert_true(weights_pickle_is_text(weights_pickle_item(pickle, storage, 2), "5"));
    assert_int_equal(weights_pickle_item(pickle, tensor, 1)->integer, 1);
    weights_pickle_destroy(pickle);
}

static void reading_begins_at_the_offset_and_tells_the_end(void **state)
{
    (void)state;
    struct weights_pickle *pickle = NULL;
    struct span bytes = BYTES("xx\x80\x02K\x01.\x80\x02K");
    assert_int_equal(weights_pickle_parse(bytes, 2, "", &pickle, NULL), STATUS_OK);
    assert_int_equal(weights_pickle_end(pickle), 7);
    assert_int_equal(weights_pickle_at(pickle, 0)->integer, 1);
    assert_null(weights_pickle_at(pickle, 1));
    weights_pickle_destroy(pickle);
}

static void names_are_refused_and_shown_harmlessly(void **state)
{
    (void)state;
    assert_refused(BYTES("\x80\x02"
                         "cposix\nsystem\n"),
                   STATUS_UNSUPPORTED,
                   "posix.system at byte 2 of x: not something a state dict needs; nothing was "
                   "run");
    assert_refused(BYTES("\x80\x04\x8c\x08"
                         "builtins\x8c\x04"
                         "eval\x93"),
                   STATUS_UNSUPPORTED,
                   "builtins.eval at byte 18 of x: not something a state dict needs; nothing was "
                   "run");
    assert_refused(BYTES("\x80\x02"
                         "ctorch\n\x1b[2Jstorage\n"),
                   STATUS_UNSUPPORTED,
                   "torch.?[2Jstorage at byte 2 of x: not something a state dict needs; nothing "
                   "was run");
    /* Known names are not known in another module, nor as part of another name. */
    assert_refused(BYTES("\x80\x02"
                         "ctorch\nOrderedDict\n"),
                   STATUS_UNSUPPORTED,
                   "torch.OrderedDict at byte 2 of x: not something a state dict needs; nothing "
                   "was run");
    assert_refused(BYTES("\x80\x02"
                         "ctorch\nFloatStorage2\n"),
                   STATUS_UNSUPPORTED,
                   "torch.FloatStorage2 at byte 2 of x: not something a state dict needs; nothing "
                   "was run");
}

static void marks_guard_what_is_below_them(void **state)
{
    (void)state;
    assert_refused(BYTES("\x80\x02]K\x01(a."), STATUS_BAD_MODEL,
                   "pickle: APPEND at byte 6 of x: the stack is too short");
    assert_refused(BYTES("\x80\x02]K\x01(\x86."), STATUS_BAD_MODEL,
                   "pickle: TUPLE2 at byte 6 of x: the stack is too short");
    assert_refused(BYTES("\x80\x02((e."), STATUS_BAD_MODEL,
                   "pickle: APPENDS at byte 4 of x: there is nothing to put its items into");
    assert_refused(BYTES("\x80\x02(."), STATUS_BAD_MODEL,
                   "pickle: STOP at byte 3 of x: the stack does not hold one value");
    assert_refused(BYTES("\x80\x02"
                         "0"),
                   STATUS_BAD_MODEL, "pickle: POP at byte 2 of x: the stack is empty");
    assert_refused(BYTES("\x80\x02N1"), STATUS_BAD_MODEL,
                   "pickle: POP_MARK at byte 3 of x: there is no mark");
}

static void storages_are_checked(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "(U\x07storagectorch\nSize\nU\x01"
        "5U\x03"
        "cpuK\x06tQ.", /* a global, but no storage's */
        "(U\x07storagectorch\nFloatStorage\nU\x01"
        "5U\x03"
        "cpuJ\xff\xff\xff\xfftQ.", /* a negative count */
        "(U\x07storagectorch\nFloatStorage\nK\x01U\x03"
        "cpuK\x06tQ.", /* the key is a number */
        "(U\x06modulectorch\nFloatStorage\nU\x01"
        "5U\x03"
        "cpuK\x06tQ.",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct span bytes = {(const uint8_t *)wrong[i], strlen(wrong[i])};
        struct weights_pickle *pickle;
        struct error error = {0};
        assert_int_equal(weights_pickle_parse(bytes, 0, "", &pickle, &error), STATUS_BAD_MODEL);
        assert_non_null(strstr(error.text, "is no storage"));
    }
}

static void every_limit_holds(void **state)
{
    (void)state;
    static const struct {
        const char *repeated;
        const char *text;
    } cases[] = {
        {"(", "pickle: more than 65536 stack entries at byte 65536"},
        {"N0", "pickle: more than 1048576 values at byte 2097152"},
        {"]Na0", "pickle: more than 1048576 values at byte 2097152"},
    };
    size_t size = (size_t)8 << 20;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = strlen(cases[i].repeated);
        for (size_t at = 0; at < size; at++)
            bytes[at] = (uint8_t)cases[i].repeated[at % length];
        struct weights_pickle *pickle;
        struct error error = {0};
        assert_int_equal(weights_pickle_parse((struct span){bytes, size}, 0, "", &pickle, &error),
                         STATUS_TOO_LARGE);
        assert_string_equal(error.text, cases[i].text);
    }
    free(bytes);
    assert_refused(BYTES("Nr\x00\x00\x10\x00"), STATUS_TOO_LARGE,
                   "pickle: more than 1048576 memo entries at byte 1 of x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_values_are_read),
        cmocka_unit_test(dicts_answer_by_key),
        cmocka_unit_test(a_tensor_keeps_what_it_is_made_of),
        cmocka_unit_test(reading_begins_at_the_offset_and_tells_the_end),
        cmocka_unit_test(names_are_refused_and_shown_harmlessly),
        cmocka_unit_test(marks_guard_what_is_below_them),
        cmocka_unit_test(storages_are_checked),
        cmocka_unit_test(every_limit_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
