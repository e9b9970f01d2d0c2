/* classifyd eval: a model's accuracy on a test set. */
#include <inttypes.h>
#include <stdlib.h>

#include "server/commands/command_table.h"
#include "server/commands/evaluation.h"
#include "server/commands/library.h"
#include "server/commands/progress.h"
#include "server/commands/terminal.h"
#include "server/document.h"

/* One evaluation, from its options to its result. */
struct trial {
    const struct command_call *call;
    struct library library;
    struct model *model;
    struct dataset dataset;
    struct evaluation evaluation;
    struct progress progress;
    size_t batch;
    unsigned threads;
};

static void show_progress(void *user, size_t done)
{
    struct trial *trial = user;
    progress_update(&trial->progress, done, trial->dataset.count);
}

static enum status trial_run(struct trial *trial, struct error *error)
{
    const struct command_call *call = trial->call;
    enum status status = library_init(&trial->library, call, error);
    if (!status)
        status = library_load(&trial->library, call, call->arguments[0], &trial->model, error);
    if (!status)
        status = dataset_init(&trial->dataset, call->arguments[1], model_labels(trial->model),
                              engine_classes(model_engine(trial->model)), error);
    if (status)
        return status;
    int64_t limit;
    if (command_integer(call, "limit", &limit))
        dataset_thin(&trial->dataset, (size_t)limit);
    /* A thread without a batch would hold memory for nothing. */
    size_t batches = (trial->dataset.count + trial->batch - 1) / trial->batch;
    if (trial->threads > batches)
        trial->threads = (unsigned)batches;
    struct evaluation_options options = {.batch = trial->batch,
                                         .threads = trial->threads,
                                         .orient = !command_flag(call, "no-orientation"),
                                         .scale_dct = command_flag(call, "scale-dct"),
                                         .progress = show_progress,
                                         .user = trial};
    progress_init(&trial->progress, model_name(trial->model), PROGRESS_IMAGES, 0,
                  trial->dataset.count);
    status = evaluation_run(&trial->evaluation, trial->model, &trial->dataset, &options, error);
    progress_fini(&trial->progress);
    return status;
}

static void trial_fini(struct trial *trial)
{
    evaluation_fini(&trial->evaluation);
    dataset_fini(&trial->dataset);
    model_destroy(trial->model);
    library_fini(&trial->library);
}

static double share(size_t part, size_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static double images_per_second(const struct evaluation *evaluation)
{
    double seconds = (double)evaluation->elapsed_us / 1e6;
    return seconds > 0 ? (double)evaluation->all.images / seconds : 0;
}

static void complain_of_images(const struct trial *trial)
{
    for (size_t i = 0; i < trial->dataset.count; i++)
        if (trial->evaluation.errors[i])
            command_complain(trial->call, "%s: %s", trial->dataset.images[i].path,
                             trial->evaluation.errors[i]->text);
}

static void print_text(const struct trial *trial)
{
    const struct evaluation *evaluation = &trial->evaluation;
    const struct evaluation_count *all = &evaluation->all;
    struct terminal terminal = terminal_probe(stdout);
    char title[256];
    library_title(trial->model, title, sizeof title);
    complain_of_images(trial);
    printf("model   %s\n", title);
    printf("images  %zu", all->images);
    if (evaluation->unreadable)
        printf(", and %zu that could not be read", evaluation->unreadable);
    if (trial->dataset.passed_over)
        printf(", and %zu passed over as no images by their name", trial->dataset.passed_over);
    printf("\n");
    if (all->images == 0)
        return; /* shares of nothing, and no speed */
    printf("%stop-1   %.3f %%\ntop-5   %.3f %%%s\n", terminal_colour(&terminal, TERMINAL_BOLD),
           100 * share(all->top1, all->images), 100 * share(all->top5, all->images),
           terminal_colour(&terminal, TERMINAL_PLAIN));
    printf("speed   %.1f images/s in %.1f s, %u thread%s, batch %zu\n",
           images_per_second(evaluation), (double)evaluation->elapsed_us / 1e6, trial->threads,
           trial->threads == 1 ? "" : "s", trial->batch);
}

static void put_classes(struct json_doc *doc, struct json_node *into, const struct trial *trial)
{
    struct json_node *array = json_node_put_array(doc, into, "classes");
    for (uint32_t id = 0; id < engine_classes(model_engine(trial->model)); id++) {
        const struct evaluation_count *counted = &trial->evaluation.classes[id];
        if (counted->images == 0)
            continue;
        struct json_node *node = json_node_put_object(doc, array, NULL);
        document_put_class(doc, node, model_labels(trial->model), id);
        json_node_put_integer(doc, node, "images", (int64_t)counted->images);
        json_node_put_number(doc, node, "top1", share(counted->top1, counted->images));
        json_node_put_number(doc, node, "top5", share(counted->top5, counted->images));
    }
}

static void put_unreadable(struct json_doc *doc, struct json_node *into, const struct trial *trial)
{
    struct json_node *array = json_node_put_array(doc, into, "unreadable");
    for (size_t i = 0; i < trial->dataset.count; i++) {
        if (!trial->evaluation.errors[i])
            continue;
        struct json_node *node = json_node_put_object(doc, array, NULL);
        document_put_text(doc, node, "file", trial->dataset.images[i].path);
        document_put_error(doc, node, trial->evaluation.errors[i]);
    }
}

static enum status print_json(const struct trial *trial, struct error *error)
{
    const struct evaluation *evaluation = &trial->evaluation;
    struct json_doc *doc = json_doc_create();
    if (!doc)
        return command_print_json(NULL, error);
    struct json_node *root = json_doc_root(doc);
    document_put_model(doc, root, trial->model);
    json_node_put_integer(doc, root, "images", (int64_t)evaluation->all.images);
    json_node_put_number(doc, root, "top1", share(evaluation->all.top1, evaluation->all.images));
    json_node_put_number(doc, root, "top5", share(evaluation->all.top5, evaluation->all.images));
    json_node_put_number(doc, root, "images_per_second", images_per_second(evaluation));
    json_node_put_number(doc, root, "seconds", (double)evaluation->elapsed_us / 1e6);
    json_node_put_integer(doc, root, "threads", trial->threads);
    json_node_put_integer(doc, root, "batch", (int64_t)trial->batch);
    json_node_put_integer(doc, root, "passed_over", (int64_t)trial->dataset.passed_over);
    put_unreadable(doc, root, trial);
    put_classes(doc, root, trial);
    return command_print_json(doc, error);
}

static int run(const struct command_call *call)
{
    int64_t batch = 0;
    (void)command_integer(call, "batch", &batch);
    struct trial trial = {.call = call, .batch = (size_t)batch, .threads = command_threads(call)};
    struct error error = {0};
    enum status status = trial_run(&trial, &error);
    if (!status && command_flag(call, "json"))
        status = print_json(&trial, &error);
    else if (!status)
        print_text(&trial);
    if (status)
        command_complain(call, "%s", error.text);
    bool is_complete = !status && trial.evaluation.unreadable == 0;
    trial_fini(&trial);
    return is_complete ? COMMAND_OK : COMMAND_FAILED;
}

const struct command eval_command = {
    .name = "eval",
    .summary = "measure a model's accuracy on images whose class is known",
    .description =
        "Classifies a test set on all cores and prints how often the right class was the first "
        "(top-1) or among the first five (top-5). The set is a tree of one folder a class, named "
        "by the class's wnid, label or number, or a list file with a line \"path<TAB>class\" an "
        "image, paths relative to the list's folder. Images that cannot be read are listed and "
        "left out of the percentages.\n\nWith --json, one document: {\"model\", \"images\", "
        "\"top1\", \"top5\", \"images_per_second\", \"seconds\", \"threads\", \"batch\", "
        "\"passed_over\", \"unreadable\": [{\"file\", \"error\"}], \"classes\": [{\"class_id\", "
        "\"wnid\", \"label\", \"images\", \"top1\", \"top5\"}]}; top1 and top5 are shares from 0 "
        "to "
        "1, passed_over counts a tree's files that are no images by their name.",
    .arguments =
        (const struct command_argument[]){
            {"MODEL", "a model, as classify --model takes it", COMMAND_HINT_MODEL,
             .is_repeated = false},
            {"DIR|LIST", "a tree of one folder a class, or a list file", COMMAND_HINT_FILE,
             .is_repeated = false},
            {NULL, NULL, COMMAND_HINT_NONE, false, false},
        },
    .options =
        (const struct command_option[]){
            {COMMAND_INTEGER, "limit", 'n', COMMAND_HINT_NONE, .value = "N", .min = 1,
             .max = INT32_MAX, .help = "take only N images, evenly spread over the set"},
            {COMMAND_INTEGER, "batch", 'b', COMMAND_HINT_NONE, .value = "N", .preset = "8",
             .min = 1, .max = EVALUATION_MAX_BATCH, .help = "images that a thread runs together"},
            COMMAND_OPTION_JSON("print a JSON document"),
            COMMAND_OPTION_NO_ORIENTATION,
            COMMAND_OPTION_SCALE_DCT,
            COMMAND_OPTION_THREADS,
            COMMAND_OPTION_KERNELS,
            COMMAND_OPTION_PRECISION,
            COMMAND_OPTION_NO_CACHE,
            COMMAND_OPTION_FOLDERS,
            COMMAND_OPTION_CATALOGUE,
            COMMAND_OPTION_END,
        },
    .exit_failed = "an image could not be read, or the evaluation could not be made",
    .examples =
        (const struct command_example[]){
            {"classifyd eval demo imagenette2/val", "A tree: val/n01440764/..., val/n02102040/..."},
            {"classifyd eval resnet50 --limit 5000 imagenet/val", "A tenth of ImageNet's"},
            {NULL, NULL},
        },
    .run = run,
};
