#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/net/weights.h"

static void assert_unknown(const char *bytes, size_t size, const char *text)
{
    struct error error = {0};
    struct weights *weights = NULL;
    assert_int_equal(weights_parse((struct span){(const uint8_t *)bytes, size}, &weights, &error),
                     STATUS_BAD_MODEL);
    assert_null(weights);
    assert_string_equal(error.text, text);
}

static void an_unknown_format_is_refused(void **state)
{
    (void)state;
    assert_unknown(NULL, 0, "is empty");
    assert_unknown("<ht", 3,
                   "neither a safetensors file nor a PyTorch state dict: begins with 3c 68 74");
    assert_unknown("\xff\xd8\xff\xe0 image", 10,
                   "neither a safetensors file nor a PyTorch state dict: begins with "
                   "ff d8 ff e0 20 69 6d 61");
}

static void files_open_and_errors_name_the_path(void **state)
{
    (void)state;
    struct error error = {0};
    struct weights *weights = NULL;
    assert_int_equal(weights_open("no such file", &weights, &error), STATUS_NOT_FOUND);
    assert_string_equal(error.text, "no such file: No such file or directory");

    char path[] = "/tmp/test_weights_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    const char good[] = "\x37\0\0\0\0\0\0\0"
                        "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}  \1\2";
    assert_int_equal(write(fd, good, sizeof good - 1), sizeof good - 1);
    memset(&error, 0, sizeof error);
    assert_int_equal(weights_open(path, &weights, &error), STATUS_OK);
    assert_int_equal(weights_find(weights, "a")->data.data[1], 2);
    weights_destroy(weights);

    assert_int_equal(ftruncate(fd, 10), 0);
    assert_int_equal(weights_open(path, &weights, &error), STATUS_BAD_MODEL);
    char expect[128];
    snprintf(expect, sizeof expect, "%s: safetensors: a header of 55 bytes in a file of 10", path);
    assert_string_equal(error.text, expect);
    close(fd);
    unlink(path);
}

static void types_are_named_as_safetensors_names_them(void **state)
{
    (void)state;
    assert_string_equal(weights_type_name(WEIGHTS_F32), "F32");
    assert_string_equal(weights_type_name(WEIGHTS_BF16), "BF16");
    assert_string_equal(weights_type_name(WEIGHTS_OTHER), "other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_format_is_refused),
        cmocka_unit_test(files_open_and_errors_name_the_path),
        cmocka_unit_test(types_are_named_as_safetensors_names_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
