#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "model/model_source.h"

static const char catalogue_json[] =
    "{\"models\": ["
    "{\"model\": \"net50\", \"weights\": \"V2\", \"default\": true, \"sha256\": \"0badcafe\", "
    "\"url\": \"https://example.org/net50-0badcafe.safetensors\", \"resize\": 232}, "
    "{\"model\": \"tiny\", \"weights\": \"C10\", \"default\": true, \"sha256\": \"0badcafe\", "
    "\"url\": \"https://example.org/tiny.safetensors\", \"crop\": 32, "
    "\"labels\": [\"cat\", \"dog\"]}]}";
static const char imagenet_tsv[] =
    "class_id\twnid\tlabel\n0\tn1\ttench\n1\tn2\tshark\n2\tn3\tray\n";

struct fixture {
    char folder[32];
    struct catalogue *catalogue;
    struct labels *labels;
    struct model_library library;
};

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    strcpy(fixture->folder, "/tmp/classifyd_test_XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(catalogue_parse(span_of(catalogue_json), &fixture->catalogue, NULL), 0);
    assert_int_equal(labels_parse_tsv(span_of(imagenet_tsv), &fixture->labels, NULL), 0);
    fixture->library = (struct model_library){
        .catalogue = fixture->catalogue,
        .imagenet_labels = fixture->labels,
        .folders = fixture->folder,
    };
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r %s", fixture->folder);
    assert_int_equal(system(command), 0);
    catalogue_destroy(fixture->catalogue);
    labels_destroy(fixture->labels);
    free(fixture);
    return 0;
}

/* Writes FOLDER/file and its path into `ret_path`. */
static void write_file(const struct fixture *fixture, const char *file, const void *bytes,
                       size_t size, char ret_path[128])
{
    (void)snprintf(ret_path, 128, "%s/%s", fixture->folder, file);
    FILE *stream = fopen(ret_path, "w");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

enum { WEIGHTS_BYTES = 1024 };

/* A safetensors file of one tensor, with this metadata object. Returns its size. */
static size_t make_weights(const char *metadata, uint8_t ret_bytes[WEIGHTS_BYTES])
{
    memset(ret_bytes, 0, WEIGHTS_BYTES);
    int length =
        snprintf((char *)ret_bytes + 8, WEIGHTS_BYTES - 16,
                 "{\"__metadata__\": %s, \"fc.bias\": {\"dtype\": \"F32\", \"shape\": [1], "
                 "\"data_offsets\": [0, 4]}}",
                 metadata);
    assert_in_range(length, 1, WEIGHTS_BYTES - 16);
    ret_bytes[8 + length] = 0;
    ret_bytes[0] = (uint8_t)(length & 0xff);
    ret_bytes[1] = (uint8_t)(length >> 8);
    return 8 + (size_t)length + 4;
}

static void write_weights(const struct fixture *fixture, const char *file, const char *metadata,
                          char ret_path[128])
{
    uint8_t bytes[WEIGHTS_BYTES];
    size_t size = make_weights(metadata, bytes);
    write_file(fixture, file, bytes, size, ret_path);
}

static struct model_source opened(const struct fixture *fixture, const char *name)
{
    struct model_source source = {0};
    struct error error = {0};
    if (model_source_init(&fixture->library, name, &source, &error) != STATUS_OK)
        fail_msg("%s: %s", name, error.text);
    return source;
}

static void assert_refused(const struct fixture *fixture, const char *name, enum status status,
                           const char *reason)
{
    struct model_source source = {0};
    struct error error = {0};
    assert_int_equal(model_source_init(&fixture->library, name, &source, &error), status);
    assert_int_equal(error.status, status);
    model_source_fini(&source);
    if (!strstr(error.text, reason))
        fail_msg("%s: \"%s\" does not say \"%s\"", name, error.text, reason);
}

static void catalogue_names_lead_to_their_file(void **state)
{
    const struct fixture *fixture = *state;
    char path[128];
    assert_refused(fixture, "net50", STATUS_NOT_FOUND, "classifyd pull net50:V2");
    write_weights(fixture, "net50-0badcafe.safetensors", "{}", path);
    struct model_source source = opened(fixture, "net50:v2");
    assert_string_equal(source.name, "net50");
    assert_string_equal(source.set, "V2");
    assert_string_equal(source.path, path);
    assert_null(source.note);
    assert_null(source.labels);
    assert_int_equal(source.recipe.resize_px, 232);
    assert_non_null(weights_find(source.weights, "fc.bias"));
    model_source_fini(&source);
    assert_int_equal(unlink(path), 0);

    assert_refused(fixture, "net51", STATUS_NOT_FOUND, "net50");
    assert_refused(fixture, "net50:V7", STATUS_NOT_FOUND, "V2");
    assert_refused(fixture, "", STATUS_NOT_FOUND, "no model");
}

static void catalogue_may_bring_labels(void **state)
{
    const struct fixture *fixture = *state;
    char path[128];
    write_weights(fixture, "tiny.safetensors", "{}", path);
    struct model_source source = opened(fixture, "tiny");
    assert_int_equal(source.recipe.crop_px, 32);
    assert_string_equal(labels_at(source.labels, 1).text, "dog");
    assert_int_equal(model_source_settle_labels(&fixture->library, 2, &source, NULL), STATUS_OK);
    struct error error = {0};
    assert_int_equal(model_source_settle_labels(&fixture->library, 3, &source, &error),
                     STATUS_BAD_MODEL);
    assert_string_equal(error.text, "2 labels for a network of 3 classes");
    model_source_fini(&source);
    assert_int_equal(unlink(path), 0);
}

static void paths_name_their_file(void **state)
{
    const struct fixture *fixture = *state;
    char path[128];
    write_weights(fixture, "own.safetensors", "{}", path);
    struct model_source source = opened(fixture, path);
    assert_string_equal(source.name, "own.safetensors");
    assert_string_equal(source.set, "file");
    assert_string_equal(source.path, path);
    assert_memory_equal(&source.recipe, &recipe_imagenet, sizeof source.recipe);
    model_source_fini(&source);

    write_weights(fixture, "net50-V2.safetensors", "{\"crop\": \"192\"}", path);
    source = opened(fixture, path);
    assert_string_equal(source.name, "net50");
    assert_string_equal(source.set, "V2");
    assert_int_equal(source.recipe.resize_px, 232);
    assert_int_equal(source.recipe.crop_px, 192);
    model_source_fini(&source);
    assert_int_equal(unlink(path), 0);

    assert_refused(fixture, "./nowhere", STATUS_NOT_FOUND, "./nowhere");
    assert_refused(fixture, "nowhere.pth", STATUS_NOT_FOUND, "nowhere.pth");
    assert_refused(fixture, fixture->folder, STATUS_IO, fixture->folder);
}

static void metadata_is_believed(void **state)
{
    const struct fixture *fixture = *state;
    char path[128];
    write_weights(fixture, "m.safetensors",
                  "{\"resize\": \"32\", \"crop\": \"28\", \"mean\": \"0.5,0.5,0.5\", "
                  "\"labels\": \"[\\\"a\\\", \\\"b\\\"]\", \"format\": \"pt\"}",
                  path);
    struct model_source source = opened(fixture, path);
    assert_int_equal(source.recipe.resize_px, 32);
    assert_int_equal(source.recipe.crop_px, 28);
    assert_float_equal(source.recipe.mean[2], 0.5F, 0);
    assert_int_equal(labels_count(source.labels), 2);
    assert_string_equal(labels_at(source.labels, 1).text, "b");
    model_source_fini(&source);

    write_weights(fixture, "m.safetensors", "{\"labels\": \"imagenet1k\"}", path);
    source = opened(fixture, path);
    assert_ptr_equal(source.labels, fixture->labels);
    model_source_fini(&source);

    static const char *const broken[][2] = {
        {"{\"resize\": \"zero\"}", "metadata: resize"},
        {"{\"labels\": \"imagenet21k\"}", "metadata: labels"},
        {"{\"labels\": \"[1, 2]\"}", "metadata: labels: entry 0"},
        {"{\"labels\": \"{}\"}", "metadata: labels"},
        {"{\"golden\": \"golden\"}", "metadata: golden: not a JSON object"},
        {"{\"golden\": \"{}\"}", "metadata: golden: expected"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        write_weights(fixture, "m.safetensors", broken[i][0], path);
        assert_refused(fixture, path, STATUS_BAD_MODEL, broken[i][1]);
        assert_refused(fixture, path, STATUS_BAD_MODEL, path);
    }
}

static void file_beside_goes_before_metadata(void **state)
{
    const struct fixture *fixture = *state;
    char path[128], beside[128];
    write_weights(fixture, "s.safetensors", "{\"resize\": \"32\", \"labels\": \"[\\\"a\\\"]\"}",
                  path);
    static const char json[] = "{\"resize\": 40, \"crop\": 36, \"labels\": [\"x\", \"y\", \"z\"], "
                               "\"note\": \"an experiment\"}";
    write_file(fixture, "s.safetensors.json", json, strlen(json), beside);
    struct model_source source = opened(fixture, path);
    assert_int_equal(source.recipe.resize_px, 40);
    assert_int_equal(source.recipe.crop_px, 36);
    assert_int_equal(labels_count(source.labels), 3);
    assert_string_equal(source.note, "an experiment");
    model_source_fini(&source);

    static const char *const broken[][2] = {
        {"{", "line 1"},
        {"[]", "expected an object"},
        {"{\"crop_size\": 32}", "crop_size: unknown key"},
        {"{\"labels\": \"cifar10\"}", "labels: expected"},
        {"{\"labels\": []}", "labels: expected"},
        {"{\"note\": 1}", "note: expected"},
        {"{\"golden\": 1}", "golden: expected"},
        {"{\"mean\": [1, 2, 3]}", "mean: expected"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        write_file(fixture, "s.safetensors.json", broken[i][0], strlen(broken[i][0]), beside);
        assert_refused(fixture, path, STATUS_BAD_MODEL, broken[i][1]);
        assert_refused(fixture, path, STATUS_BAD_MODEL, beside);
    }
}

static void golden_values_belong_to_an_input(void **state)
{
    const struct fixture *fixture = *state;
    static const struct {
        const char *beside;
        size_t count;
        float logit;
    } rows[] = {
        {"{\"note\": \"x\"}", 1, 2},
        {"{\"resize\": 40, \"crop\": 28}", 1, 2},
        {"{\"crop\": 36}", 0, 0},
        {"{\"mean\": [0.1, 0.2, 0.3]}", 0, 0},
        {"{\"std\": [0.1, 0.2, 0.3]}", 0, 0},
        {"{\"crop\": 36, \"golden\": {\"logits\": [[0, 5]]}}", 1, 5},
    };
    char path[128], beside[128];
    write_weights(fixture, "g.safetensors",
                  "{\"crop\": \"28\", \"golden\": \"{\\\"logits\\\": [[0, 2]]}\"}", path);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_file(fixture, "g.safetensors.json", rows[i].beside, strlen(rows[i].beside), beside);
        struct model_source source = opened(fixture, path);
        assert_int_equal(source.golden.count, rows[i].count);
        if (rows[i].count > 0)
            assert_float_equal(source.golden.logits[0].logit, rows[i].logit, 0);
        model_source_fini(&source);
    }
}

static void labels_fall_back_to_imagenet_or_numbers(void **state)
{
    const struct fixture *fixture = *state;
    char path[128];
    write_weights(fixture, "plain.safetensors", "{}", path);
    struct model_source source = opened(fixture, path);
    assert_int_equal(model_source_settle_labels(&fixture->library, 3, &source, NULL), STATUS_OK);
    assert_ptr_equal(source.labels, fixture->labels);
    model_source_fini(&source);
    source = opened(fixture, path);
    assert_int_equal(model_source_settle_labels(&fixture->library, 10, &source, NULL), STATUS_OK);
    assert_string_equal(labels_at(source.labels, 9).text, "class 9");
    model_source_fini(&source);
}

static void random_models_have_their_shape(void **state)
{
    const struct fixture *fixture = *state;
    struct model_source source = opened(fixture, "random:resnet18?classes=10&seed=7");
    assert_string_equal(source.name, "resnet18");
    assert_string_equal(source.set, "seed 7");
    assert_string_equal(source.path, "random");
    assert_non_null(strstr(source.note, "random"));
    const struct weights_tensor *head = weights_find(source.weights, "fc.weight");
    assert_int_equal(head->shape[0], 10);
    assert_int_equal(head->shape[1], 512);
    model_source_fini(&source);

    assert_refused(fixture, "random:", STATUS_NOT_FOUND, "architecture");
    assert_refused(fixture, "random:resnet", STATUS_NOT_FOUND, "\"resnet\"");
    static const char *const broken[] = {"seed",    "seed=",     "seed=-1",
                                         "seed=1x", "classes=0", "classes=65537",
                                         "speed=1", "=1",        "seed=99999999999999999999"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char name[80];
        (void)snprintf(name, sizeof name, "random:resnet18?%s", broken[i]);
        assert_refused(fixture, name, STATUS_BAD_REQUEST, "seed=NUMBER");
    }
}

static void demo_is_embedded(void **state)
{
    struct fixture fixture = *(struct fixture *)*state;
    uint8_t bytes[WEIGHTS_BYTES];
    size_t size = make_weights("{\"resize\": \"142\", \"labels\": \"imagenet1k\"}", bytes);
    fixture.library.demo_weights = (struct span){bytes, size};
    struct model_source source = opened(&fixture, "demo");
    assert_string_equal(source.name, "demo");
    assert_string_equal(source.set, "demo");
    assert_string_equal(source.path, "embedded");
    assert_non_null(strstr(source.note, "demo model"));
    assert_int_equal(source.recipe.resize_px, 142);
    assert_ptr_equal(source.labels, fixture.labels);
    model_source_fini(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(catalogue_names_lead_to_their_file),
        cmocka_unit_test(catalogue_may_bring_labels),
        cmocka_unit_test(paths_name_their_file),
        cmocka_unit_test(metadata_is_believed),
        cmocka_unit_test(file_beside_goes_before_metadata),
        cmocka_unit_test(golden_values_belong_to_an_input),
        cmocka_unit_test(labels_fall_back_to_imagenet_or_numbers),
        cmocka_unit_test(random_models_have_their_shape),
        cmocka_unit_test(demo_is_embedded),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
