#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/net/weights.h"

#define MAGIC                                                                                      \
    "\x80\2\x8a\x0al\xfc\x9c"                                                                      \
    "F\xf9 j\xa8P\x19."
#define VERSION "\x80\2M\xe9\3."
#define SYSTEM  "\x80\2}U\x0dlittle_endian\x88s."
#define STORAGE(key, type, count, view)                                                            \
    "(U\7storagectorch\n" type "Storage\nU\1" key "U\3cpuK" count view "tQ"
#define TENSOR(storage, size)                                                                      \
    "ctorch._utils\n_rebuild_tensor\n(" storage "K\0K" size "\x85K\1\x85tR"
#define OBJECTS(items) "\x80\2}(" items "u."
#define KEYS(keys)     "\x80\2](" keys "e."
#define COUNT(count)   count "\0\0\0\0\0\0\0"

static const char good[] =
    MAGIC VERSION SYSTEM OBJECTS("U\1a" TENSOR(STORAGE("x", "Half", "\2", "N"), "\2") "U\1b" TENSOR(
        STORAGE("y", "Long", "\1", "N"),
        "\1") "U\1v" TENSOR(STORAGE("x", "Half", "\2", "(U\1zK\1K\1t"), "\1")) KEYS("U\1xU\1y")
        COUNT("\2") "\0\x3c\0\x40" COUNT("\1") "\7\0\0\0\0\0\0\0";

static enum status parse(const char *bytes, size_t size, struct weights **ret_weights,
                         struct error *error)
{
    return weights_parse((struct span){(const uint8_t *)bytes, size}, ret_weights, error);
}

static void assert_refused(const char *bytes, size_t size, enum status status, const char *text)
{
    struct weights *weights = NULL;
    struct error error = {0};
    assert_int_equal(parse(bytes, size, &weights, &error), status);
    assert_null(weights);
    assert_string_equal(error.text, text);
}

#define ASSERT_REFUSED(bytes, status, text) assert_refused(bytes, sizeof(bytes) - 1, status, text)

static void storages_follow_the_pickles(void **state)
{
    (void)state;
    struct weights *weights;
    struct error error = {0};
    enum status status = parse(good, sizeof good - 1, &weights, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(status, STATUS_OK);
    assert_string_equal(weights_format(weights), "torch legacy");
    float pair[2];
    assert_int_equal(weights_copy_f32(weights_find(weights, "a"), pair, NULL), STATUS_OK);
    assert_true(pair[0] == 1 && pair[1] == 2);
    assert_int_equal(weights_copy_f32(weights_find(weights, "v"), pair, NULL), STATUS_OK);
    assert_true(pair[0] == 2);
    assert_int_equal(weights_find(weights, "b")->type, WEIGHTS_I64);
    assert_int_equal(weights_find(weights, "b")->data.data[0], 7);
    weights_destroy(weights);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof good - 1; size++) {
        struct weights *weights;
        struct error error = {0};
        assert_int_not_equal(parse(good, size, &weights, &error), STATUS_OK);
        assert_int_not_equal(error.text[0], 0);
    }
}

static void the_prologue_is_checked(void **state)
{
    (void)state;
    ASSERT_REFUSED("\x80\2K\1.", STATUS_BAD_MODEL, "a pickle, but not one that torch.save wrote");
    ASSERT_REFUSED(MAGIC "\x80\2K\1.", STATUS_UNSUPPORTED,
                   "PyTorch's old form, but not version 1001");
    ASSERT_REFUSED(MAGIC VERSION "\x80\2}.", STATUS_UNSUPPORTED,
                   "was not written on a little-endian machine");
    ASSERT_REFUSED(MAGIC VERSION "\x80\2}U\x0dlittle_endian\x89s.", STATUS_UNSUPPORTED,
                   "was not written on a little-endian machine");
}

#define BEFORE MAGIC VERSION SYSTEM OBJECTS("U\1a" TENSOR(STORAGE("x", "Half", "\2", "N"), "\2"))

static void storages_are_checked(void **state)
{
    (void)state;
    ASSERT_REFUSED(BEFORE "\x80\2}.", STATUS_BAD_MODEL, "the storages' keys are not a list");
    ASSERT_REFUSED(BEFORE KEYS("K\1"), STATUS_BAD_MODEL,
                   "the list of storages holds something that is not a key");
    ASSERT_REFUSED(BEFORE KEYS("U\1y") COUNT("\2") "1234", STATUS_BAD_MODEL,
                   "storage 'y': stands in the file but in no object");
    ASSERT_REFUSED(BEFORE KEYS("U\1xU\1x") COUNT("\2") "1234" COUNT("\2") "1234", STATUS_BAD_MODEL,
                   "storage 'x': is there twice");
    ASSERT_REFUSED(BEFORE KEYS(""), STATUS_BAD_MODEL,
                   "tensor 'a': its storage 'x' is not in the file");
    ASSERT_REFUSED(BEFORE KEYS("U\1x") COUNT("\3") "123456", STATUS_BAD_MODEL,
                   "storage 'x': 4 bytes are wanted, which byte 143 does not begin");
    ASSERT_REFUSED(BEFORE KEYS("U\1x") COUNT("\2") "123", STATUS_BAD_MODEL,
                   "storage 'x': 4 bytes are wanted, which byte 143 does not begin");
    ASSERT_REFUSED(MAGIC VERSION SYSTEM OBJECTS(
                       "U\1a" TENSOR(STORAGE("x", "Half", "\2", "N"), "\2") "U\1b" TENSOR(
                           STORAGE("x", "Float", "\1", "N"), "\1")) KEYS("U\1x") COUNT("\2") "1234",
                   STATUS_BAD_MODEL, "storage 'x': named with two sizes or types");
}

static void views_stay_inside(void **state)
{
    (void)state;
    static const char *const text = "tensor 'a': its view of storage 'x' reaches outside";
#define VIEW(view)                                                                                 \
    MAGIC VERSION SYSTEM OBJECTS("U\1a" TENSOR(STORAGE("x", "Half", "\2", view), "\1"))            \
        KEYS("U\1x") COUNT("\2") "1234"
    ASSERT_REFUSED(VIEW("(U\1zK\2K\1t"), STATUS_BAD_MODEL, text);
    ASSERT_REFUSED(VIEW("(U\1zK\1K\2t"), STATUS_BAD_MODEL, text);
    ASSERT_REFUSED(VIEW("(U\1zJ\xff\xff\xff\xffK\1t"), STATUS_BAD_MODEL, text);
    ASSERT_REFUSED(VIEW("(U\1zNK\1t"), STATUS_BAD_MODEL, text);
    ASSERT_REFUSED(VIEW("K\1"), STATUS_BAD_MODEL, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storages_follow_the_pickles),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(the_prologue_is_checked),
        cmocka_unit_test(storages_are_checked),
        cmocka_unit_test(views_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
