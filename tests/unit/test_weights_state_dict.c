#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/net/weights_state_dict.h"
#include "model/net/weights_table.h"

/* Pickled: _rebuild_tensor_v2(storage "k" of 12 floats, ...). */
#define TENSOR(offset, size, strides)                                                              \
    "ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\1kU\3cpuK\x0ctQ"     \
    "K" offset size strides "\x89NtR"

static const float values[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

/* Knows one storage. */
static enum status find_bytes(const void *user, const struct weights_pickle *pickle,
                              const struct weights_pickle_value *storage, struct span *ret_bytes,
                              struct error *error)
{
    if (!weights_pickle_is_text(weights_pickle_item(pickle, storage, 2), "k"))
        return error_set(error, STATUS_BAD_MODEL, "no such storage");
    *ret_bytes = (struct span){user, sizeof values};
    return STATUS_OK;
}

/* Parses `size` bytes of a pickle and reads its state dict into `*ret_weights`, which the caller
 * destroys also on failure. */
static enum status read_dict(const char *bytes, size_t size, struct weights **ret_weights,
                             struct error *error)
{
    struct weights_pickle *pickle;
    assert_int_equal(weights_table_create("torch zip", ret_weights, NULL), STATUS_OK);
    assert_int_equal(
        weights_pickle_parse((struct span){(const uint8_t *)bytes, size}, 0, "", &pickle, error),
        STATUS_OK);
    struct weights_state_dict_storages storages = {find_bytes, values};
    enum status status = weights_state_dict_read(pickle, &storages, *ret_weights, error);
    weights_pickle_destroy(pickle);
    return status;
}

static void assert_refused(const char *bytes, size_t size, enum status status, const char *text)
{
    struct weights *weights;
    struct error error = {0};
    assert_int_equal(read_dict(bytes, size, &weights, &error), status);
    assert_string_equal(error.text, text);
    weights_destroy(weights);
}

#define ASSERT_REFUSED(bytes, status, text) assert_refused(bytes, sizeof(bytes) - 1, status, text)

static void assert_reads(const char *bytes, size_t size)
{
    struct weights *weights;
    struct error error = {0};
    enum status status = read_dict(bytes, size, &weights, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(weights_count(weights), 1);
    const struct weights_tensor *tensor = weights_find(weights, "a");
    assert_int_equal(tensor->type, WEIGHTS_F32);
    assert_int_equal(tensor->rank, 2);
    assert_int_equal(tensor->count, 6);
    float copied[6];
    assert_int_equal(weights_copy_f32(tensor, copied, NULL), STATUS_OK);
    assert_memory_equal(copied, ((const float[]){3, 5, 7, 4, 6, 8}), sizeof copied);
    weights_destroy(weights);
}

#define GOOD TENSOR("\3", "K\2K\3\x86", "K\1K\2\x86")

static void tensors_are_found_in_and_under_the_dict(void **state)
{
    (void)state;
    static const char plain[] = "}(U\1a" GOOD "U\5epochK\3u.";
    static const char under[] = "}(U\5epochK\3U\4best" GOOD "U\12state_dict}U\1a" GOOD "su.";
    static const char model[] = "}U\5model}U\10module.a" GOOD "ss.";
    assert_reads(plain, sizeof plain - 1);
    assert_reads(under, sizeof under - 1);
    assert_reads(model, sizeof model - 1);
}

static void a_pickle_without_tensors_is_refused(void **state)
{
    (void)state;
    ASSERT_REFUSED("K\1.", STATUS_BAD_MODEL, "the pickle holds no dict of tensors");
    const char *none = "no tensors in the pickle's dict, nor in one under 'state_dict' or 'model'; "
                       "save model.state_dict() alone";
    ASSERT_REFUSED("}.", STATUS_BAD_MODEL, none);
    ASSERT_REFUSED("}U\3net}U\1a" GOOD "ss.", STATUS_BAD_MODEL, none);
}

static void keys_are_names(void **state)
{
    (void)state;
    ASSERT_REFUSED("}K\1" GOOD "s.", STATUS_BAD_MODEL,
                   "state dict: the key of tensor 0 is not a name of less than 512 bytes");
    ASSERT_REFUSED("}U\3a\0b" GOOD "s.", STATUS_BAD_MODEL,
                   "state dict: the key of tensor 0 is not a name of less than 512 bytes");
    ASSERT_REFUSED("}(U\1a" GOOD "U\1a" GOOD "u.", STATUS_BAD_MODEL, "tensor 'a' is there twice");
}

static void numbers_must_fit(void **state)
{
    (void)state;
    const char *fit = "tensor 'a': offset, sizes and strides are not numbers that fit";
    ASSERT_REFUSED("}U\1a" TENSOR("\0", "K\2K\3\x86", "K\1\x85") "s.", STATUS_BAD_MODEL, fit);
    ASSERT_REFUSED("}U\1a" TENSOR("\0", "K\2J\xff\xff\xff\xff\x86", "K\1K\1\x86") "s.",
                   STATUS_BAD_MODEL, fit);
    ASSERT_REFUSED("}U\1a" TENSOR("\0", "K\2N\x86", "K\1K\1\x86") "s.", STATUS_BAD_MODEL, fit);
    ASSERT_REFUSED("}U\1a" TENSOR("\0", "N", ")") "s.", STATUS_BAD_MODEL, fit);
    ASSERT_REFUSED("}U\1a" TENSOR("\x0d", "K\1\x85", "K\1\x85") "s.", STATUS_BAD_MODEL,
                   "tensor 'a': begins at element 13 of a storage of 48 bytes");
    ASSERT_REFUSED("}U\1a" TENSOR("\x0c", "K\1\x85", "K\1\x85") "s.", STATUS_BAD_MODEL,
                   "tensor 'a': its elements reach outside their storage of 0 bytes");
    ASSERT_REFUSED("}U\1a" TENSOR("\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", "K\1\x85") "s.",
                   STATUS_UNSUPPORTED, "tensor 'a': 9 dimensions, 8 are the limit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_found_in_and_under_the_dict),
        cmocka_unit_test(a_pickle_without_tensors_is_refused),
        cmocka_unit_test(keys_are_names),
        cmocka_unit_test(numbers_must_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
