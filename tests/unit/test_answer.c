/* The whole document, letter by letter: its keys' order is part of what people read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/answer.h"
#include "server/web/assets.h"

struct fixture {
    char folder[32];
    struct catalogue *catalogue;
    struct labels *labels;
    struct model *demo;   /* has a note, labels with wnids */
    struct model *random; /* has a note, labels without */
    struct model *file;   /* has no note */
};

static struct model *loaded(const struct fixture *fixture, const char *name)
{
    struct model_library library = {.catalogue = fixture->catalogue,
                                    .imagenet_labels = fixture->labels,
                                    .demo_weights = assets_demo_weights(),
                                    .folders = ""};
    struct model_options options = {0};
    struct model *model = NULL;
    struct error error = {0};
    if (model_load(&library, name, &options, &model, &error) != STATUS_OK)
        fail_msg("%s: %s", name, error.text);
    return model;
}

/* The demo's weights as somebody's own file. */
static struct model *load_file(const struct fixture *fixture)
{
    char path[64];
    struct span weights = assets_demo_weights();
    (void)snprintf(path, sizeof path, "%s/own.safetensors", fixture->folder);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(weights.data, 1, weights.size, file), weights.size);
    assert_int_equal(fclose(file), 0);
    return loaded(fixture, path);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    strcpy(fixture->folder, "/tmp/classifyd_test_XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(catalogue_parse(assets_catalogue(), &fixture->catalogue, NULL), STATUS_OK);
    assert_int_equal(labels_parse_tsv(assets_labels(), &fixture->labels, NULL), STATUS_OK);
    fixture->demo = loaded(fixture, "demo");
    fixture->random = loaded(fixture, "random:resnet18?seed=7&classes=2");
    fixture->file = load_file(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r %s", fixture->folder);
    assert_int_equal(system(command), 0);
    model_destroy(fixture->demo);
    model_destroy(fixture->random);
    model_destroy(fixture->file);
    catalogue_destroy(fixture->catalogue);
    labels_destroy(fixture->labels);
    free(fixture);
    return 0;
}

/* What was formatted, parsed again; the text must be `expected`. */
static struct json_doc *formatted(const struct answer *answer, const char *expected)
{
    char *text = NULL;
    struct json_doc *doc = NULL;
    struct error error = {0};
    assert_int_equal(answer_format_json(answer, &text, &error), STATUS_OK);
    assert_string_equal(text, expected);
    struct span span = {(const uint8_t *)text, strlen(text)};
    assert_int_equal(json_doc_parse(span, &doc, &error), STATUS_OK);
    free(text);
    return doc;
}

static const struct json_node *at(const struct json_doc *doc, const char *outer, const char *inner)
{
    return json_node_member(json_node_member(json_doc_root(doc), outer), inner);
}

static void expect_number(const struct json_node *node, double expected)
{
    double value;
    assert_true(json_node_number(node, &value));
    assert_true(value == expected);
}

static void expect_integer(const struct json_node *node, int64_t expected)
{
    int64_t value;
    assert_true(json_node_integer(node, &value));
    assert_int_equal(value, expected);
}

#define DEMO                                                                                       \
    "\"model\": {\"name\": \"demo\", \"weights\": \"demo\", \"precision\": \"float32\", "          \
    "\"note\": \"the embedded demo model: it knows 20 of ImageNet's 1000 classes and answers "     \
    "with one of them whatever it is shown; `classifyd pull resnet50` brings a real one\"}"
#define RANDOM                                                                                     \
    "\"model\": {\"name\": \"resnet18\", \"weights\": \"seed 7\", \"precision\": \"float32\", "    \
    "\"note\": \"random weights: the answers mean nothing\"}"
#define OWN                                                                                        \
    "\"model\": {\"name\": \"own.safetensors\", \"weights\": \"file\", "                           \
    "\"precision\": \"float32\"}"

static void classified_with_a_note(void **state)
{
    const struct fixture *fixture = *state;
    static const struct topk_entry predictions[] = {
        {.class_id = 207, .probability = 0.75F},
        {.class_id = 0, .probability = 0.125F},
    };
    struct answer answer = {
        .file = "dog.jpg",
        .model = fixture->demo,
        .prediction_count = 2,
        .predictions = predictions,
        .info = {.format = IMAGE_FORMAT_JPEG, .width_px = 640, .height_px = 480, .orientation = 6},
        .times = {.decode_us = 1500,
                  .preprocess_us = 250,
                  .inference_us = 12345,
                  .total_us = 14095},
    };
    struct json_doc *doc = formatted(
        &answer, "{\"file\": \"dog.jpg\", " DEMO ", \"predictions\": ["
                 "{\"class_id\": 207, \"wnid\": \"n02099601\", \"label\": \"golden retriever\", "
                 "\"probability\": 0.75}, "
                 "{\"class_id\": 0, \"wnid\": \"n01440764\", \"label\": \"tench\", "
                 "\"probability\": 0.125}], "
                 "\"image\": {\"format\": \"jpeg\", \"width\": 640, \"height\": 480, "
                 "\"orientation\": 6}, "
                 "\"timing_ms\": {\"decode\": 1.5, \"preprocess\": 0.25, \"inference\": 12.345, "
                 "\"total\": 14.095}}");
    assert_int_equal(json_node_count(json_doc_root(doc)), 5);
    const struct json_node *predicted = json_node_member(json_doc_root(doc), "predictions");
    assert_int_equal(json_node_count(predicted), 2);
    expect_integer(json_node_member(json_node_item(predicted, 0), "class_id"), 207);
    expect_number(json_node_member(json_node_item(predicted, 1), "probability"), 0.125);
    assert_string_equal(json_node_string(at(doc, "image", "format")), "jpeg");
    expect_integer(at(doc, "image", "width"), 640);
    expect_integer(at(doc, "image", "orientation"), 6);
    expect_number(at(doc, "timing_ms", "inference"), 12.345);
    json_doc_destroy(doc);
}

/* Nothing was asked for, nothing took time: the members are there all the same, times as fractions.
 */
static void classified_without_a_note(void **state)
{
    const struct fixture *fixture = *state;
    struct answer answer = {
        .file = "-",
        .model = fixture->file,
        .info = {.format = IMAGE_FORMAT_WEBP, .width_px = 1, .height_px = 16383, .orientation = 1},
        .times = {.decode_us = 0, .preprocess_us = 0, .inference_us = 2000, .total_us = 1000000},
    };
    struct json_doc *doc = formatted(
        &answer, "{\"file\": \"-\", " OWN ", \"predictions\": [], "
                 "\"image\": {\"format\": \"webp\", \"width\": 1, \"height\": 16383, "
                 "\"orientation\": 1}, "
                 "\"timing_ms\": {\"decode\": 0.0, \"preprocess\": 0.0, \"inference\": 2.0, "
                 "\"total\": 1000.0}}");
    int64_t whole;
    assert_false(json_node_integer(at(doc, "timing_ms", "decode"), &whole));
    assert_null(at(doc, "model", "note"));
    json_doc_destroy(doc);
}

static void label_without_a_wnid_has_no_such_member(void **state)
{
    const struct fixture *fixture = *state;
    static const struct topk_entry prediction = {.class_id = 1, .probability = 1};
    struct answer answer = {
        .file = "a.bmp",
        .model = fixture->random,
        .prediction_count = 1,
        .predictions = &prediction,
        .info = {.format = IMAGE_FORMAT_BMP, .width_px = 3, .height_px = 2, .orientation = 1},
        .times = {.decode_us = 1, .preprocess_us = 10, .inference_us = 100, .total_us = 111},
    };
    json_doc_destroy(formatted(
        &answer, "{\"file\": \"a.bmp\", " RANDOM ", \"predictions\": ["
                 "{\"class_id\": 1, \"label\": \"class 1\", \"probability\": 1.0}], "
                 "\"image\": {\"format\": \"bmp\", \"width\": 3, \"height\": 2, "
                 "\"orientation\": 1}, "
                 "\"timing_ms\": {\"decode\": 0.001, \"preprocess\": 0.01, \"inference\": 0.1, "
                 "\"total\": 0.111}}"));
}

static void error_takes_the_place_of_the_results(void **state)
{
    const struct fixture *fixture = *state;
    static const struct topk_entry prediction = {.class_id = 1, .probability = 1};
    struct answer answer = {
        .file = "broken.png",
        .model = fixture->demo,
        .prediction_count = 1,
        .predictions = &prediction,
        .error = {STATUS_NOT_DECODABLE, "the file ends early"},
    };
    struct json_doc *doc =
        formatted(&answer, "{\"file\": \"broken.png\", " DEMO ", \"error\": {\"code\": "
                           "\"not_decodable\", \"detail\": \"the file ends early\"}}");
    assert_int_equal(json_node_count(json_doc_root(doc)), 3);
    assert_string_equal(json_node_string(at(doc, "error", "detail")), "the file ends early");
    json_doc_destroy(doc);

    answer.model = fixture->file;
    answer.error = (struct error){STATUS_TOO_LARGE, "a \"quoted\" word"};
    json_doc_destroy(formatted(&answer, "{\"file\": \"broken.png\", " OWN ", \"error\": {\"code\": "
                                        "\"too_large\", \"detail\": \"a \\\"quoted\\\" word\"}}"));
}

/* What a service says more, between and behind what the command says. */
static void answer_of_a_service(void **state)
{
    const struct fixture *fixture = *state;
    static const struct topk_entry prediction = {.class_id = 1, .probability = 1};
    struct answer answer = {
        .url = "http://a/b?c=d",
        .model = fixture->random,
        .prediction_count = 1,
        .predictions = &prediction,
        .info = {.format = IMAGE_FORMAT_GIF, .width_px = 3, .height_px = 2, .orientation = 1},
        .times = {.decode_us = 1,
                  .preprocess_us = 10,
                  .inference_us = 100,
                  .total_us = 21111,
                  .fetch_us = 20000,
                  .queue_us = 1000},
        .batch_size = 4,
        .request_id = "id-1",
    };
    json_doc_destroy(formatted(
        &answer, "{\"url\": \"http://a/b?c=d\", " RANDOM ", \"predictions\": ["
                 "{\"class_id\": 1, \"label\": \"class 1\", \"probability\": 1.0}], "
                 "\"image\": {\"format\": \"gif\", \"width\": 3, \"height\": 2, "
                 "\"orientation\": 1}, \"batch_size\": 4, \"request_id\": \"id-1\", "
                 "\"timing_ms\": {\"fetch\": 20.0, \"decode\": 0.001, \"preprocess\": 0.01, "
                 "\"queue\": 1.0, \"inference\": 0.1, \"total\": 21.111}}"));
}

/* A file name is any bytes but NUL and slash; the document is UTF-8 on one line. */
static void any_file_name_makes_valid_json(void **state)
{
    const struct fixture *fixture = *state;
    struct answer answer = {
        .file = "a\xE4\n\"\\\xC3\x9F\x01.jpg",
        .model = fixture->file,
        .error = {STATUS_IO, "no \xFF"},
    };
    struct json_doc *doc =
        formatted(&answer, "{\"file\": \"a\xEF\xBF\xBD\\n\\\"\\\\\xC3\x9F\\u0001.jpg\", " OWN
                           ", \"error\": {\"code\": \"io\", \"detail\": \"no \xEF\xBF\xBD\"}}");
    assert_string_equal(json_node_string(json_node_member(json_doc_root(doc), "file")),
                        "a\xEF\xBF\xBD\n\"\\\xC3\x9F\x01.jpg");
    json_doc_destroy(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classified_with_a_note),
        cmocka_unit_test(classified_without_a_note),
        cmocka_unit_test(label_without_a_wnid_has_no_such_member),
        cmocka_unit_test(error_takes_the_place_of_the_results),
        cmocka_unit_test(answer_of_a_service),
        cmocka_unit_test(any_file_name_makes_valid_json),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
