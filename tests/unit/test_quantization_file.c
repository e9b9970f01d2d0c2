#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/net/quantization_file.h"

/* Two convolutions are all of a network that the reader looks at. */
static struct graph_layer layers[] = {
    {.name = "conv1", .op = GRAPH_CONV, .out_channels = 2},
    {.name = "layer1.0.conv1", .op = GRAPH_CONV, .out_channels = 3},
    {.name = "fc", .op = GRAPH_LINEAR, .out_channels = 2},
};
static const struct graph graph = {.layer_count = 3, .layers = layers};

static float scales[] = {0.5f, 0.25f}, biases[] = {1.0f, -2.0f}, other_biases[] = {0, 3.0f, 4.0f};
static struct quantization_layer given_layers[] = {
    {.name = "conv1",
     .arithmetic = STEP_INT8,
     .output_scale = 0.1f,
     .channels = 2,
     .scale = scales,
     .bias = biases},
    {.name = "layer1.0.conv1",
     .arithmetic = STEP_BF16,
     .output_scale = 3e-5f,
     .channels = 3,
     .bias = other_biases},
};
static const struct quantization given = {.layer_count = 2, .layers = given_layers};

/* Weights [2, 3] stored column by column, half precision beside whole numbers. */
static const float values[] = {1, 4, 2, 5, 3, 6};
static const uint16_t halves[] = {0x3c00};
static const char base[] = "{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]},"
                           "\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[2,10]}}";

static struct weights *parse(uint8_t *file, const char *header, size_t block_bytes)
{
    struct weights *weights = NULL;
    struct error error = {0};
    size_t length = strlen(header);
    memset(file, 0, 8);
    file[0] = (uint8_t)length;
    file[1] = (uint8_t)(length >> 8);
    memcpy(file + 8, header, length);
    struct span bytes = {file, 8 + length + block_bytes};
    if (weights_parse(bytes, &weights, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return weights;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    uint8_t file[1024] = {0};
    char path[] = "/tmp/quantization_file.XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    (void)close(descriptor);
    struct weights *from = parse(file, base, 10);
    struct json_doc *doc = json_doc_create();
    char *text = NULL;
    quantization_file_describe(doc, json_doc_root(doc), &given);
    assert_int_equal(json_doc_format(doc, false, &text, NULL), STATUS_OK);
    const struct weights_save_pair pairs[] = {{"crop", "32"}, {QUANTIZATION_FILE_KEY, text}};
    assert_int_equal(quantization_file_write(path, from, &given, pairs, 2, NULL), STATUS_OK);
    struct weights *weights = NULL;
    struct quantization *found = NULL;
    assert_int_equal(weights_open(path, &weights, NULL), STATUS_OK);
    assert_int_equal(quantization_file_read(weights, &graph, &found, NULL), STATUS_OK);
    assert_non_null(found);
    assert_int_equal(found->layer_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct quantization_layer *layer = &found->layers[i], *expected = &given.layers[i];
        assert_string_equal(layer->name, expected->name);
        assert_int_equal(layer->arithmetic, expected->arithmetic);
        assert_memory_equal(&layer->output_scale, &expected->output_scale, sizeof(float));
        assert_int_equal(layer->channels, expected->channels);
        assert_memory_equal(layer->bias, expected->bias, layer->channels * sizeof(float));
        assert_int_equal(layer->scale != NULL, expected->scale != NULL);
    }
    assert_memory_equal(found->layers[0].scale, scales, sizeof scales);
    assert_string_equal(weights_metadata(weights, "crop"), "32");
    assert_int_equal(weights_find(weights, "a")->type, WEIGHTS_F16);
    assert_null(weights_find(weights, "n")); /* no floating point */
    quantization_destroy(found);
    weights_destroy(weights);
    weights_destroy(from);
    json_doc_destroy(doc);
    free(text);
    (void)unlink(path);
}

static void tensors_are_written_row_by_row(void **state)
{
    (void)state;
    char path[] = "/tmp/weights_save.XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    (void)close(descriptor);
    const struct weights_tensor tensors[] = {{.name = "h",
                                              .type = WEIGHTS_F16,
                                              .rank = 1,
                                              .shape = {1},
                                              .strides = {1},
                                              .count = 1,
                                              .data = {(const uint8_t *)halves, sizeof halves}},
                                             {.name = "w",
                                              .type = WEIGHTS_F32,
                                              .rank = 2,
                                              .shape = {2, 3},
                                              .strides = {1, 2},
                                              .count = 6,
                                              .data = {(const uint8_t *)values, sizeof values}}};
    const struct weights_save_content content = {.tensors = tensors, .tensor_count = 2};
    assert_int_equal(weights_save(path, &content, NULL), STATUS_OK);
    struct weights *weights = NULL;
    float found[6];
    assert_int_equal(weights_open(path, &weights, NULL), STATUS_OK);
    assert_int_equal(weights_copy_f32(weights_find(weights, "w"), found, NULL), STATUS_OK);
    for (size_t i = 0; i < 6; i++)
        assert_float_equal(found[i], (float)(i + 1), 0);
    assert_int_equal(weights_find(weights, "w")->strides[0], 3);
    weights_destroy(weights);
    (void)unlink(path);
}

static void a_place_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    struct error error = {0};
    const struct weights_save_content content = {0};
    assert_int_equal(weights_save("/nowhere/at/all", &content, &error), STATUS_IO);
    assert_string_equal(error.text, "/nowhere/at/all: No such file or directory");
}

/* A file with that metadata, conv1's scale {0.5, scale} and bias {1, bias} and, with `extra`, a
 * tensor of that name. */
static void expect_refusal(const char *metadata, float scale, float bias, const char *extra,
                           enum status status, const char *text)
{
    uint8_t file[4096] = {0};
    char header[2048], more[256] = "";
    if (extra)
        (void)snprintf(more, sizeof more,
                       ",\"%s\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[16,16]}", extra);
    (void)snprintf(
        header, sizeof header,
        "{\"__metadata__\":{%s%s%s},\"quantization.conv1.scale\":{\"dtype\":\"F32\",\"shape\":[2],"
        "\"data_offsets\":[0,8]},\"quantization.conv1.bias\":{\"dtype\":\"F32\",\"shape\":[2],"
        "\"data_offsets\":[8,16]}%s}",
        metadata ? "\"quantization\":\"" : "", metadata ? metadata : "", metadata ? "\"" : "",
        more);
    const float block[] = {0.5f, scale, 1.0f, bias};
    memcpy(file + 8 + strlen(header), block, sizeof block);
    struct weights *weights = parse(file, header, sizeof block);
    struct quantization *found = NULL;
    struct error error = {0};
    assert_int_equal(quantization_file_read(weights, &graph, &found, &error), status);
    assert_null(found);
    if (!strstr(error.text, text))
        fail_msg("expected \"%s\" in \"%s\"", text, error.text);
    weights_destroy(weights);
}

#define LAYER(name, arithmetic, scale)                                                             \
    "{\\\"name\\\":\\\"" name "\\\",\\\"arithmetic\\\":\\\"" arithmetic                            \
    "\\\",\\\"output_scale\\\":" scale "}"
#define LAYERS(list) "{\\\"version\\\":1,\\\"layers\\\":[" list "]}"
#define CONV1        LAYER("conv1", "int8", "0.1")

static void damaged_files_are_refused(void **state)
{
    (void)state;
    const enum status bad = STATUS_BAD_MODEL;
    const char *const conv1 = LAYERS(CONV1);
    expect_refusal("nothing", 1, 0, NULL, bad, "not a JSON object");
    expect_refusal("[]", 1, 0, NULL, bad, "no version");
    expect_refusal("{\\\"version\\\":7}", 1, 0, NULL, STATUS_UNSUPPORTED, "version 7");
    expect_refusal("{\\\"version\\\":1}", 1, 0, NULL, bad, "\"layers\" is no list");
    expect_refusal(LAYERS(""), 1, 0, NULL, bad, "\"layers\" is no list");
    expect_refusal(LAYERS("1,2,3,4"), 1, 0, NULL, bad, "\"layers\" is no list");
    expect_refusal(LAYERS("1"), 1, 0, NULL, bad, "no convolution's");
    expect_refusal(LAYERS(LAYER("fc", "int8", "1")), 1, 0, NULL, bad, "no convolution's");
    expect_refusal(LAYERS(LAYER("conv1", "int4", "1")), 1, 0, NULL, bad, "neither \"int8\"");
    expect_refusal(LAYERS(LAYER("conv1", "int8", "0")), 1, 0, NULL, bad, "output_scale");
    expect_refusal(LAYERS(LAYER("conv1", "int8", "-1")), 1, 0, NULL, bad, "output_scale");
    expect_refusal(LAYERS(LAYER("conv1", "int8", "1e300")), 1, 0, NULL, bad, "output_scale");
    expect_refusal(LAYERS(CONV1 "," CONV1), 1, 0, NULL, bad, "conv1 is there twice");
    expect_refusal(LAYERS(CONV1 "," LAYER("layer1.0.conv1", "bf16", "1")), 1, 0, NULL, bad,
                   "quantization.layer1.0.conv1.bias is missing");
    expect_refusal(LAYERS(LAYER("layer1.0.conv1", "bf16", "1")), 1, 0,
                   "quantization.layer1.0.conv1.bias", bad, "expected F32 of shape [3]");
    expect_refusal(conv1, 0, 0, NULL, bad, "scale: element 1 is 0");
    expect_refusal(conv1, -1, 0, NULL, bad, "scale: element 1 is -1");
    expect_refusal(conv1, NAN, 0, NULL, bad, "scale: element 1");
    expect_refusal(conv1, INFINITY, 0, NULL, bad, "scale: element 1 is inf");
    expect_refusal(conv1, 1, -INFINITY, NULL, bad, "bias: element 1 is -inf");
    expect_refusal(conv1, 1, NAN, NULL, bad, "bias: element 1");
    expect_refusal(conv1, 1, 0, "quantization.conv1.more", bad, "belongs to no layer");
    expect_refusal(conv1, 1, 0, "quantization.x", bad, "belongs to no layer");
    expect_refusal(LAYERS(LAYER("conv1", "bf16", "1")), 1, 0, NULL, bad, "belongs to no layer");
    expect_refusal(NULL, 1, 0, NULL, bad, "belongs to no layer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(tensors_are_written_row_by_row),
        cmocka_unit_test(a_place_that_cannot_be_written_is_named),
        cmocka_unit_test(damaged_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
