#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/net/weights.h"

static uint8_t file[8192];

/* A file in `file`: the header's length, the header, `data_bytes` bytes 0, 1, 2 ... */
static struct span write_file(const char *header, size_t data_bytes)
{
    size_t length = strlen(header);
    for (unsigned i = 0; i < 8; i++)
        file[i] = (uint8_t)((uint64_t)length >> (8 * i));
    memcpy(file + 8, header, length);
    for (size_t i = 0; i < data_bytes; i++)
        file[8 + length + i] = (uint8_t)i;
    return (struct span){file, 8 + length + data_bytes};
}

static void assert_refused_bytes(struct span bytes, enum status status, const char *text)
{
    struct error error = {0};
    struct weights *weights = NULL;
    assert_int_equal(weights_parse(bytes, &weights, &error), status);
    assert_null(weights);
    assert_int_equal(error.status, status);
    assert_string_equal(error.text, text);
}

static void assert_refused(const char *header, size_t data_bytes, enum status status,
                           const char *text)
{
    assert_refused_bytes(write_file(header, data_bytes), status, text);
}

static void tensors_and_metadata_are_read(void **state)
{
    (void)state;
    struct span bytes =
        write_file("{\"__metadata__\":{\"resize\":\"142\",\"note\":\"\\u00e4\"},"
                   "\"b\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[4,16]},"
                   "\"module.a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                   "\"e\":{\"dtype\":\"I32\",\"shape\":[3,0],\"data_offsets\":[4,4]}}  ",
                   16);
    struct error error = {0};
    struct weights *weights;
    assert_int_equal(weights_parse(bytes, &weights, &error), STATUS_OK);
    assert_string_equal(weights_format(weights), "safetensors");
    assert_int_equal(weights_count(weights), 3);
    assert_string_equal(weights_at(weights, 0)->name, "b");
    const struct weights_tensor *b = weights_find(weights, "b");
    assert_int_equal(b->type, WEIGHTS_F16);
    assert_int_equal(b->rank, 2);
    assert_int_equal(b->shape[1], 3);
    assert_int_equal(b->strides[0], 3);
    assert_int_equal(b->strides[1], 1);
    assert_int_equal(b->count, 6);
    assert_ptr_equal(b->data.data, bytes.data + bytes.size - 12);
    const struct weights_tensor *a = weights_find(weights, "a");
    assert_int_equal(a->rank, 0);
    assert_int_equal(a->count, 1);
    assert_int_equal(weights_find(weights, "e")->type, WEIGHTS_OTHER);
    assert_int_equal(weights_find(weights, "e")->count, 0);
    assert_null(weights_find(weights, "module.a"));
    assert_string_equal(weights_metadata(weights, "resize"), "142");
    assert_string_equal(weights_metadata(weights, "note"), "\xc3\xa4");
    assert_null(weights_metadata(weights, "crop"));
    weights_destroy(weights);
}

static void a_broken_length_or_header_is_named(void **state)
{
    (void)state;
    struct span bytes = write_file("{}", 0);
    file[0] = 3;
    assert_refused_bytes(bytes, STATUS_BAD_MODEL,
                         "safetensors: a header of 3 bytes in a file of 10");
    file[3] = 1;
    assert_refused_bytes(bytes, STATUS_TOO_LARGE,
                         "safetensors: a header of 16777219 bytes, 16777216 are the limit");
    memset(file, 0xff, 8);
    assert_refused_bytes(
        bytes, STATUS_TOO_LARGE,
        "safetensors: a header of 18446744073709551615 bytes, 16777216 are the limit");
    assert_refused("{\"a\":", 0, STATUS_BAD_MODEL,
                   "safetensors header: line 1 column 5: unexpected token near end of file");
    assert_refused("{\"a\":{},\"a\":{}}", 0, STATUS_BAD_MODEL,
                   "safetensors header: line 1 column 11: duplicate object key near '\"a\"'");
    assert_refused("{}", 0, STATUS_BAD_MODEL, "holds no tensors");
    assert_refused("{\"__metadata__\":3}", 0, STATUS_BAD_MODEL,
                   "safetensors header: __metadata__ is not an object");
    assert_refused("{\"__metadata__\":{\"k\":3}}", 0, STATUS_BAD_MODEL,
                   "safetensors header: __metadata__: 'k' is not a string");
}

static void a_broken_entry_is_named(void **state)
{
    (void)state;
    assert_refused("{\"a\":3}", 0, STATUS_BAD_MODEL, "safetensors header: 'a' is not an object");
    assert_refused("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, STATUS_BAD_MODEL,
                   "tensor 'a': 'dtype' is not a string");
    assert_refused("{\"a\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
                   STATUS_UNSUPPORTED, "tensor 'a': 'dtype' is F4");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4,
                   STATUS_BAD_MODEL, "tensor 'a': 'shape' is not a list");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4,
                   STATUS_BAD_MODEL, "tensor 'a': 'shape' holds something that is not a size");
    assert_refused(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
        STATUS_UNSUPPORTED, "tensor 'a': 9 dimensions, 8 are the limit");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4,
                   STATUS_BAD_MODEL, "tensor 'a': 'data_offsets' is not a pair of offsets");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4.0]}}", 4,
                   STATUS_BAD_MODEL, "tensor 'a': 'data_offsets' is not a pair of offsets");
    assert_refused("{\"a\\u001b[2J\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
                   STATUS_BAD_MODEL,
                   "tensor 'a?[2J': the name holds characters that are not printable ASCII");
}

static void offsets_stay_inside_and_fit_the_shape(void **state)
{
    (void)state;
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4,
                   STATUS_BAD_MODEL, "tensor 'a': bytes 0 to 8, the file holds 4 of tensors");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4,
                   STATUS_BAD_MODEL, "tensor 'a': bytes 4 to 0, the file holds 4 of tensors");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
                   STATUS_BAD_MODEL,
                   "tensor 'a': shape and type do not make the 4 bytes of its offsets");
    /* 2^62 * 4 wraps to 0, 2^32 * 2^32 too. */
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],"
                   "\"data_offsets\":[0,0]}}",
                   0, STATUS_BAD_MODEL,
                   "tensor 'a': shape and type do not make the 0 bytes of its offsets");
    assert_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],"
                   "\"data_offsets\":[0,0]}}",
                   0, STATUS_BAD_MODEL,
                   "tensor 'a': shape and type do not make the 0 bytes of its offsets");
}

static void every_byte_belongs_to_one_tensor(void **state)
{
    (void)state;
    assert_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                   "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[3,7]}}",
                   7, STATUS_BAD_MODEL, "tensor 'b': its bytes are also another's");
    assert_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[5,9]},"
                   "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
                   9, STATUS_BAD_MODEL, "tensor 'a': its bytes follow a hole in the file");
    assert_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 6,
                   STATUS_BAD_MODEL, "2 bytes behind the last tensor belong to none");
    assert_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                   "\"module.a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
                   4, STATUS_BAD_MODEL, "tensor 'a' is there twice");
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct span bytes =
        write_file("{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 16);
    for (size_t size = 0; size < bytes.size; size++) {
        struct weights *weights;
        struct error error = {0};
        assert_int_not_equal(weights_parse((struct span){file, size}, &weights, &error), STATUS_OK);
        assert_int_not_equal(error.text[0], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_and_metadata_are_read),
        cmocka_unit_test(a_broken_length_or_header_is_named),
        cmocka_unit_test(a_broken_entry_is_named),
        cmocka_unit_test(offsets_stay_inside_and_fit_the_shape),
        cmocka_unit_test(every_byte_belongs_to_one_tensor),
        cmocka_unit_test(every_truncation_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
