#include "server/commands/quantizer_report.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/net/quantization_file.h"
#include "server/commands/terminal.h"
#include "server/document.h"

const char *const quantizer_report_activations[] = {[CALIBRATION_ACTIVATIONS_BEST] = "best",
                                                    [CALIBRATION_ACTIVATIONS_LEAST_ERROR] = "mse",
                                                    [CALIBRATION_ACTIVATIONS_MAX] = "max",
                                                    NULL};

static const char *activations_name(const struct calibration_layer *layer)
{
    return quantizer_report_activations[layer->is_max ? CALIBRATION_ACTIVATIONS_MAX
                                                      : CALIBRATION_ACTIVATIONS_LEAST_ERROR];
}

static void print_fidelity(const char *name, const struct calibration_fidelity *fidelity)
{
    printf("%-7s %zu of %zu with float32's class, logits %.1f dB\n", name, fidelity->agreeing,
           fidelity->images, calibration_fidelity_db(fidelity->signal, fidelity->noise));
}

void quantizer_report_print(const struct quantizer *quantizer)
{
    const struct calibration *calibration = &quantizer->calibration;
    const struct quantization *quantization = calibration->quantization;
    struct terminal terminal = terminal_probe(stdout);
    char title[256];
    library_title(quantizer->model, title, sizeof title);
    printf("model   %s\nimages  %zu\n\n", title, calibration->images);
    printf("%s%-24s %10s %7s %10s %8s%s\n", terminal_colour(&terminal, TERMINAL_BOLD), "layer",
           "arithmetic", "scale", "MMAC", "SQNR dB", terminal_colour(&terminal, TERMINAL_PLAIN));
    for (size_t i = 0; i < quantization->layer_count; i++)
        printf("%-24s %10s %7s %10.2f %8.1f\n", quantization->layers[i].name,
               quantization->layers[i].arithmetic == STEP_INT8 ? "int8" : "bf16",
               activations_name(&calibration->layers[i]), (double)calibration->layers[i].macs / 1e6,
               calibration->layers[i].sqnr_db);
    printf("\n");
    if (!quantizer->options->is_checked)
        return;
    printf("Images that it was not calibrated with (two halves, both ways):\n");
    print_fidelity("int8", &quantizer->int8);
    print_fidelity("bf16", &quantizer->bf16);
}

static void put_fidelity(struct json_doc *doc, struct json_node *into, const char *key,
                         const struct calibration_fidelity *fidelity)
{
    struct json_node *node = json_node_put_object(doc, into, key);
    json_node_put_integer(doc, node, "images", (int64_t)fidelity->images);
    json_node_put_integer(doc, node, "agreeing", (int64_t)fidelity->agreeing);
    json_node_put_number(doc, node, "sqnr_db",
                         calibration_fidelity_db(fidelity->signal, fidelity->noise));
}

void quantizer_report_put(const struct quantizer *quantizer, struct json_doc *doc,
                          struct json_node *into)
{
    const struct calibration *calibration = &quantizer->calibration;
    quantization_file_describe(doc, into, calibration->quantization);
    struct json_node *layers = json_node_member(into, "layers");
    for (size_t i = 0; i < json_node_count(layers); i++) {
        struct json_node *node = json_node_item(layers, i);
        json_node_put_string(doc, node, "scale", activations_name(&calibration->layers[i]));
        json_node_put_number(doc, node, "sqnr_db", calibration->layers[i].sqnr_db);
        json_node_put_integer(doc, node, "macs", (int64_t)calibration->layers[i].macs);
    }
    json_node_put_integer(doc, into, "images", (int64_t)calibration->images);
    if (!quantizer->options->is_checked)
        return;
    struct json_node *check = json_node_put_object(doc, into, "check");
    put_fidelity(doc, check, "int8", &quantizer->int8);
    put_fidelity(doc, check, "bf16", &quantizer->bf16);
}

/* The file's metadata but the recipe's numbers. */
enum { RESIZE, CROP, MEAN, STD, LABELS, QUANTIZATION, GOLDEN, PAIRS };

struct metadata {
    char numbers[LABELS][96];
    char *labels, *quantization, *golden; /* owned; `golden` may be NULL */
};

static enum status format_quantization(const struct quantizer *quantizer, char **ret_text,
                                       struct error *error)
{
    struct json_doc *doc = json_doc_create();
    if (!doc)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the file's metadata");
    quantizer_report_put(quantizer, doc, json_doc_root(doc));
    enum status status = json_doc_format(doc, false, ret_text, error);
    json_doc_destroy(doc);
    return status;
}

/* "imagenet1k", or a JSON array: what a document with one in it has between its brackets. */
static enum status format_labels(const struct labels *labels, const struct library *library,
                                 char **ret_text, struct error *error)
{
    if (labels == library->labels) {
        *ret_text = strdup("imagenet1k");
        return *ret_text ? STATUS_OK
                         : error_set(error, STATUS_NO_MEMORY, "no memory for the labels");
    }
    struct json_doc *doc = json_doc_create();
    if (!doc)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the labels");
    struct json_node *array = json_node_put_array(doc, json_doc_root(doc), "labels");
    for (size_t i = 0; i < labels_count(labels); i++)
        document_put_text(doc, array, NULL, labels_at(labels, i).text);
    char *text = NULL;
    enum status status = json_doc_format(doc, false, &text, error);
    json_doc_destroy(doc);
    if (status != STATUS_OK)
        return status;
    char *first = strchr(text, '['), *last = strrchr(text, ']');
    assert(first && last); /* the array's own */
    last[1] = '\0';
    memmove(text, first, strlen(first) + 1);
    *ret_text = text;
    return STATUS_OK;
}

static enum status format_golden(const struct engine_golden *golden, char **ret_text,
                                 struct error *error)
{
    struct json_doc *doc = json_doc_create();
    if (!doc)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the golden values");
    struct json_node *logits = json_node_put_array(doc, json_doc_root(doc), "logits");
    for (size_t i = 0; i < golden->count; i++) {
        struct json_node *pair = json_node_put_array(doc, logits, NULL);
        json_node_put_integer(doc, pair, NULL, golden->logits[i].class_id);
        json_node_put_number(doc, pair, NULL, (double)golden->logits[i].logit);
    }
    json_node_put_number(doc, json_doc_root(doc), "tolerance", (double)golden->tolerance);
    enum status status = json_doc_format(doc, false, ret_text, error);
    json_doc_destroy(doc);
    return status;
}

static void format_three(const float values[3], char *ret_text, size_t size)
{
    (void)snprintf(ret_text, size, "%.9g,%.9g,%.9g", (double)values[0], (double)values[1],
                   (double)values[2]);
}

static enum status metadata_init(struct metadata *metadata, const struct quantizer *quantizer,
                                 const struct library *library, struct error *error)
{
    const struct recipe *recipe = model_recipe(quantizer->model);
    const struct engine_golden *golden = model_golden(quantizer->model);
    (void)snprintf(metadata->numbers[RESIZE], sizeof *metadata->numbers, "%" PRIu32,
                   recipe->resize_px);
    (void)snprintf(metadata->numbers[CROP], sizeof *metadata->numbers, "%" PRIu32, recipe->crop_px);
    format_three(recipe->mean, metadata->numbers[MEAN], sizeof *metadata->numbers);
    format_three(recipe->std, metadata->numbers[STD], sizeof *metadata->numbers);
    enum status status =
        format_labels(model_labels(quantizer->model), library, &metadata->labels, error);
    if (status == STATUS_OK)
        status = format_quantization(quantizer, &metadata->quantization, error);
    if (status == STATUS_OK && golden)
        status = format_golden(golden, &metadata->golden, error);
    return status;
}

enum status quantizer_report_write(const struct quantizer *quantizer, const struct library *library,
                                   const char *path, struct error *error)
{
    struct metadata metadata = {0};
    enum status status = metadata_init(&metadata, quantizer, library, error);
    const struct weights_save_pair pairs[PAIRS] = {
        [RESIZE] = {"resize", metadata.numbers[RESIZE]},
        [CROP] = {"crop", metadata.numbers[CROP]},
        [MEAN] = {"mean", metadata.numbers[MEAN]},
        [STD] = {"std", metadata.numbers[STD]},
        [LABELS] = {"labels", metadata.labels},
        [QUANTIZATION] = {QUANTIZATION_FILE_KEY, metadata.quantization},
        [GOLDEN] = {"golden", metadata.golden}};
    if (status == STATUS_OK)
        status = quantization_file_write(path, model_tensors(quantizer->model),
                                         quantizer->calibration.quantization, pairs,
                                         metadata.golden ? PAIRS : GOLDEN, error);
    free(metadata.labels);
    free(metadata.quantization);
    free(metadata.golden);
    return status;
}
