/* classifyd quantize: an int8 network from a float one and images to calibrate it with. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/output_file.h"
#include "server/commands/command_table.h"
#include "server/commands/library.h"
#include "server/commands/progress.h"
#include "server/commands/quantizer_report.h"
#include "server/document.h"

enum { FEW_IMAGES = 64 };

/* 1782 images of 224 px. */
static const size_t kept_bytes = (size_t)256 << 20;

/* One calibration, from its options to its file. */
struct job {
    const struct command_call *call;
    struct library library;
    struct model *model;
    struct dataset dataset;
    struct quantizer_options options;
    struct quantizer quantizer;
    struct progress progress;
    size_t done, total;
    struct json_doc *doc; /* NULL: text */
    struct json_node *unreadable;
    char *output;
};

static void show_progress(void *user, size_t images)
{
    struct job *job = user;
    job->done += images;
    progress_update(&job->progress, job->done, job->total);
}

static void complain_of_image(void *user, const char *path, const struct error *error)
{
    struct job *job = user;
    if (!job->doc) {
        command_complain(job->call, "%s: %s", path, error->text);
        return;
    }
    struct json_node *node = json_node_put_object(job->doc, job->unreadable, NULL);
    document_put_text(job->doc, node, "file", path);
    document_put_error(job->doc, node, error);
}

static const char *const weight_scales[] = {[CALIBRATION_WEIGHTS_LEAST_ERROR] = "mse",
                                            [CALIBRATION_WEIGHTS_WEIGHTED] = "weighted",
                                            [CALIBRATION_WEIGHTS_MAX] = "max",
                                            NULL};
static unsigned choice_of(const char *const *choices, const char *text)
{
    unsigned index = 0;
    while (choices[index + 1] && strcmp(choices[index], text) != 0)
        index++;
    return index;
}

static struct quantizer_options options_of(struct job *job)
{
    const struct command_call *call = job->call;
    const struct recipe *recipe = model_recipe(job->model);
    int64_t percent = 0, search = 0;
    (void)command_integer(call, "bf16-budget", &percent);
    (void)command_integer(call, "search-images", &search);
    struct quantizer_options options = {
        .calibration = {.engine = {.input_px = recipe->crop_px,
                                   .kernels = command_text(call, "kernels")},
                        .threads = command_threads(call),
                        .weights = choice_of(weight_scales, command_text(call, "weight-scales")),
                        .activations = choice_of(quantizer_report_activations,
                                                 command_text(call, "activation-scales")),
                        .has_bias_correction = !command_flag(call, "no-bias-correction"),
                        .bf16_share = (double)percent / 100,
                        .search_images = (size_t)search,
                        .progress = show_progress,
                        .user = job},
        .orient = !command_flag(call, "no-orientation"),
        .is_checked = !command_flag(call, "no-check"),
        .kept_bytes = kept_bytes,
        .complain = complain_of_image,
        .user = job};
    memcpy(options.calibration.engine.mean, recipe->mean, sizeof recipe->mean);
    memcpy(options.calibration.engine.std, recipe->std, sizeof recipe->std);
    return options;
}

/* --output, or the model's name without what says how a file is written. */
static enum status name_output(struct job *job, struct error *error)
{
    const char *given = command_text(job->call, "output"), *name = model_name(job->model);
    const char *set = model_weights(job->model), *dot = strrchr(name, '.');
    bool is_file = strcmp(set, "file") == 0;
    int length = (int)(is_file && dot && dot > name ? (size_t)(dot - name) : strlen(name));
    bool is_catalogued = !is_file && strcmp(set, name) != 0 && !strchr(set, ' ');
    int written = given ? asprintf(&job->output, "%s", given)
                        : asprintf(&job->output, "%.*s%s%s-int8.safetensors", length, name,
                                   is_catalogued ? "-" : "", is_catalogued ? set : "");
    if (written < 0) {
        job->output = NULL;
        return error_set(error, STATUS_NO_MEMORY, "no memory for a path");
    }
    return output_file_try(job->output, error);
}

static enum status load(struct job *job, struct error *error)
{
    const struct command_call *call = job->call;
    const struct model_options options = {
        .engine = {.kernels = command_text(call, "kernels"), .precision = "float32"}};
    enum status status = library_init(&job->library, call, error);
    if (!status)
        status = model_load(&job->library.view, call->arguments[0], &options, &job->model, error);
    if (!status)
        status = name_output(job, error);
    if (!status)
        status = dataset_init_folder(&job->dataset, command_text(call, "images"), error);
    int64_t limit;
    if (!status && command_integer(call, "limit", &limit))
        dataset_thin(&job->dataset, (size_t)limit);
    return status;
}

/* An interrupt waits until the file is there or gone: no part of it stays behind. */
static enum status write_output(const struct job *job, struct error *error)
{
    sigset_t ends, before;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &ends, &before);
    enum status status = quantizer_report_write(&job->quantizer, &job->library, job->output, error);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}

static enum status job_run(struct job *job, struct error *error)
{
    if (command_flag(job->call, "json")) {
        job->doc = json_doc_create();
        if (!job->doc)
            return error_set(error, STATUS_NO_MEMORY, "no memory for a document");
        job->unreadable = json_node_put_array(job->doc, json_doc_root(job->doc), "unreadable");
    }
    enum status status = load(job, error);
    if (status)
        return status;
    job->options = options_of(job);
    status = quantizer_init(&job->quantizer, job->model, &job->dataset, &job->options, error);
    if (status)
        return status;
    if (job->quantizer.images < FEW_IMAGES)
        command_complain(job->call,
                         "%zu images are few to correct biases by; 64 and more are better",
                         job->quantizer.images);
    job->total = quantizer_image_runs(&job->quantizer);
    progress_init(&job->progress, model_name(job->model), PROGRESS_IMAGES, 0, job->total);
    status = quantizer_run(&job->quantizer, error);
    progress_fini(&job->progress);
    if (!status)
        status = write_output(job, error);
    return status;
}

static void job_fini(struct job *job)
{
    quantizer_fini(&job->quantizer);
    dataset_fini(&job->dataset);
    model_destroy(job->model);
    library_fini(&job->library);
    json_doc_destroy(job->doc);
    free(job->output);
}

static enum status print_json(struct job *job, struct error *error)
{
    struct json_node *root = json_doc_root(job->doc);
    struct json_doc *doc = job->doc;
    job->doc = NULL; /* destroyed by the printing */
    document_put_model(doc, root, job->model);
    document_put_text(doc, root, "output", job->output);
    quantizer_report_put(&job->quantizer, doc, json_node_put_object(doc, root, "quantization"));
    return command_print_json(doc, error);
}

static enum status show(struct job *job, struct error *error)
{
    if (job->doc)
        return print_json(job, error);
    quantizer_report_print(&job->quantizer);
    printf("written %s\n", job->output);
    return STATUS_OK;
}

static int run(const struct command_call *call)
{
    struct job job = {.call = call};
    struct error error = {0};
    if (!command_text(call, "images")) {
        command_complain(call, "--images is missing: a folder of images to calibrate with");
        return COMMAND_USAGE;
    }
    enum status status = job_run(&job, &error);
    if (!status)
        status = show(&job, &error);
    if (status)
        command_complain(call, "%s", error.text);
    bool is_complete = !status && job.quantizer.unreadable == 0;
    job_fini(&job);
    return is_complete ? COMMAND_OK : COMMAND_FAILED;
}

const struct command quantize_command = {
    .name = "quantize",
    .summary = "make an int8 network of a model, calibrated with images",
    .description =
        "Runs images through a float32 network, and finds from what it sees the steps of 8-bit "
        "weights and activations, the corrections of the biases, and which layers are better left "
        "to bf16. Writes one file with the model's own weights, recipe and labels and the "
        "calibration beside them: it runs as the model did before, and with --precision int8 in "
        "8-bit integers. The images should be like those that the model will see, 64 and more; "
        "their classes are not asked for.\n\nThe check, before: one half of the images "
        "calibrates, "
        "the other is classified in float32 and in int8, and the other way round. It says how many "
        "images get the same class, and how far the logits are from float32's (SQNR, in decibel; "
        "20 dB are a tenth of their spread). Each choice is tried by running the network, so a "
        "calibration takes some hundred times as long as classifying the images.\n\nWith --json, "
        "one document: {\"model\", \"output\", \"unreadable\": [{\"file\", \"error\"}], "
        "\"quantization\": {\"version\", \"images\", \"layers\": [{\"name\", "
        "\"arithmetic\", "
        "\"output_scale\", \"scale\", \"sqnr_db\", \"macs\"}], \"check\": {\"int8\": "
        "{\"images\", \"agreeing\", \"sqnr_db\"}, \"bf16\": ...}}}.",
    .arguments =
        (const struct command_argument[]){
            {"MODEL", "a model, as classify --model takes it", COMMAND_HINT_MODEL,
             .is_repeated = false},
            {NULL, NULL, COMMAND_HINT_NONE, false, false},
        },
    .options =
        (const struct command_option[]){
            {COMMAND_TEXT, "images", 'i', COMMAND_HINT_FOLDER, .value = "DIR",
             .help = "images like those that the model will see, also in folders of DIR; needed"},
            {COMMAND_TEXT, "output", 'o', COMMAND_HINT_FILE, .value = "FILE",
             .help = "where the network goes; otherwise MODEL-int8.safetensors in this folder"},
            {COMMAND_INTEGER, "limit", 'n', COMMAND_HINT_NONE, .value = "N", .preset = "512",
             .min = 2, .max = 100000, .help = "take at most N images, evenly spread over DIR"},
            {COMMAND_INTEGER, "bf16-budget", 0, COMMAND_HINT_NONE, .value = "PERCENT",
             .preset = "5", .min = 0, .max = 100,
             .help = "share of the multiply-adds that the most sensitive layers may do in bf16"},
            {COMMAND_CHOICE, "weight-scales", 0, COMMAND_HINT_NONE, .value = "HOW", .preset = "mse",
             .choices = weight_scales, .help = "how the step of a channel's weights is found"},
            {COMMAND_CHOICE, "activation-scales", 0, COMMAND_HINT_NONE, .value = "HOW",
             .preset = "mse", .choices = quantizer_report_activations,
             .help = "how the step of a tensor's activations is found"},
            {COMMAND_FLAG, "no-bias-correction", 0, COMMAND_HINT_NONE,
             .help = "leave the biases as they are"},
            {COMMAND_INTEGER, "search-images", 0, COMMAND_HINT_NONE, .value = "N", .preset = "16",
             .min = 1, .max = 128, .help = "with how many images each choice is tried"},
            {COMMAND_FLAG, "no-check", 0, COMMAND_HINT_NONE,
             .help = "do not calibrate with each half to compare on the other"},
            COMMAND_OPTION_JSON("print a JSON document"),
            COMMAND_OPTION_NO_ORIENTATION,
            COMMAND_OPTION_THREADS,
            COMMAND_OPTION_KERNELS,
            COMMAND_OPTION_FOLDERS,
            COMMAND_OPTION_CATALOGUE,
            COMMAND_OPTION_END,
        },
    .exit_failed = "an image could not be read, or the calibration could not be made or written",
    .examples =
        (const struct command_example[]){
            {"classifyd quantize resnet50 --images photographs",
             "Writes resnet50-V2-int8.safetensors"},
            {"classifyd classify -m ./resnet50-V2-int8.safetensors --precision int8 dog.jpg",
             "Runs it in 8-bit integers"},
            {NULL, NULL},
        },
    .run = run,
};
