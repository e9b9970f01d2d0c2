/* classifyd classify: image files in, their most probable classes out. */
#include <inttypes.h>
#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/base/clock.h"
#include "model/image/decode.h"
#include "model/image/prepare.h"
#include "model/net/slot_block.h"
#include "server/answer.h"
#include "server/commands/command_table.h"
#include "server/commands/image_file.h"
#include "server/commands/library.h"
#include "server/commands/terminal.h"

enum {
    MAX_TOP_K = 1000,
    MIN_BAR_COLUMNS = 4,
    MAX_BAR_COLUMNS = 24,
    MAX_LABEL_COLUMNS = 40,
    OTHER_COLUMNS = 30, /* of a line, beside bar and label */
};

/* What one image after the other goes through. */
struct session {
    const struct command_call *call;
    struct library library;
    struct model *model;
    struct engine_scratch *scratch;
    struct image_prepare_options prepare;
    struct slot_block slots; /* one */
    float *logits;           /* [classes] */
    struct topk_entry *entries;
    size_t top_k;
    struct terminal terminal;
    bool is_json;
};

static enum status session_init(struct session *session, const struct command_call *call,
                                struct error *error)
{
    int64_t top_k = 0;
    (void)command_integer(call, "top-k", &top_k);
    *session = (struct session){.call = call,
                                .top_k = (size_t)top_k,
                                .terminal = terminal_probe(stdout),
                                .is_json = command_flag(call, "json")};
    enum status status = library_init(&session->library, call, error);
    if (!status)
        status = library_load(&session->library, call, command_text(call, "model"), &session->model,
                              error);
    if (status)
        return status;
    const struct engine *engine = model_engine(session->model);
    const struct recipe *recipe = model_recipe(session->model);
    session->prepare =
        (struct image_prepare_options){.limits = image_prepare_default_limits,
                                       .resize_px = recipe->resize_px,
                                       .crop_px = recipe->crop_px,
                                       .orient = !command_flag(call, "no-orientation"),
                                       .scale_dct = command_flag(call, "scale-dct")};
    session->logits = alloc_array(engine_classes(engine), sizeof(float), SIZE_MAX);
    session->entries = alloc_array(session->top_k, sizeof *session->entries, SIZE_MAX);
    if (!session->logits || !session->entries)
        return error_set(error, STATUS_NO_MEMORY, "no memory for an image");
    status = slot_block_init(engine, 1, &session->slots, error);
    if (status)
        return status;
    return engine_scratch_create(engine, 1, command_threads(call), &session->scratch, error);
}

static void session_fini(struct session *session)
{
    engine_scratch_destroy(session->scratch);
    free(session->entries);
    free(session->logits);
    slot_block_fini(&session->slots);
    model_destroy(session->model);
    library_fini(&session->library);
}

static enum status answer_image(struct session *session, struct answer *answer)
{
    uint64_t start_us = clock_now_us();
    uint8_t *data = NULL;
    size_t size = 0;
    struct image_prepare_times times = {0};
    enum status status = image_file_read(answer->file, &data, &size, &answer->error);
    if (!status)
        status = image_prepare(&session->prepare, (struct span){data, size},
                               slot_block_pixels(&session->slots, 0), &answer->info, &times,
                               &answer->error);
    free(data);
    if (status)
        return status;
    uint64_t run_us = clock_now_us();
    struct step_slot slot = slot_block_slot(&session->slots, 0);
    struct engine_outputs outputs = {.logits = session->logits};
    engine_run(model_engine(session->model), session->scratch, 1, &slot, &outputs);
    answer->prediction_count =
        topk_select(session->logits, engine_classes(model_engine(session->model)), session->top_k,
                    session->entries);
    if (answer->prediction_count == 0)
        return error_set(&answer->error, STATUS_BAD_MODEL,
                         "the network's answer is not a number: its values overflow float32");
    answer->predictions = session->entries;
    uint64_t end_us = clock_now_us();
    answer->times = (struct answer_times){.decode_us = times.decode_us,
                                          .preprocess_us = times.preprocess_us,
                                          .inference_us = end_us - run_us,
                                          .total_us = end_us - start_us};
    return STATUS_OK;
}

/* Columns of the widest label, so that what stands behind the labels lines up. */
static size_t label_columns(const struct session *session, const struct answer *answer)
{
    size_t widest = 0;
    for (size_t i = 0; i < answer->prediction_count; i++) {
        size_t width = terminal_width(
            labels_at(model_labels(session->model), answer->predictions[i].class_id).text);
        widest = width > widest ? width : widest;
    }
    return widest < MAX_LABEL_COLUMNS ? widest : MAX_LABEL_COLUMNS;
}

static void print_bar(const struct terminal *terminal, double fraction, size_t columns)
{
    char bar[3 * MAX_BAR_COLUMNS + 1];
    terminal_bar(terminal, fraction, (unsigned)columns, bar);
    printf("%s%s%s ", terminal_colour(terminal, TERMINAL_GREEN), bar,
           terminal_colour(terminal, TERMINAL_PLAIN));
}

/* A line a class: bar, percent, label, number and wnid. */
static void print_predictions(const struct session *session, const struct answer *answer)
{
    const struct terminal *terminal = &session->terminal;
    const char *plain = terminal_colour(terminal, TERMINAL_PLAIN);
    size_t widest = label_columns(session, answer), taken = widest + OTHER_COLUMNS;
    size_t space =
        terminal->is_terminal && terminal->columns > taken ? terminal->columns - taken : 0;
    size_t bar_columns = space < MAX_BAR_COLUMNS ? space : MAX_BAR_COLUMNS;
    for (size_t i = 0; i < answer->prediction_count; i++) {
        const struct topk_entry *entry = &answer->predictions[i];
        struct label label = labels_at(model_labels(session->model), entry->class_id);
        char text[256];
        terminal_clean(label.text, text, sizeof text);
        size_t width = terminal_width(text);
        fputs("  ", stdout);
        if (bar_columns >= MIN_BAR_COLUMNS)
            print_bar(terminal, (double)entry->probability, bar_columns);
        printf("%6.2f %%  %s%s%s%*s  %s%4" PRIu32 "%s%s%s\n", (double)entry->probability * 100,
               i == 0 ? terminal_colour(terminal, TERMINAL_BOLD) : "", text, i == 0 ? plain : "",
               (int)(width < widest ? widest - width : 0), "",
               terminal_colour(terminal, TERMINAL_DIM), entry->class_id, label.wnid ? "  " : "",
               label.wnid ? label.wnid : "", plain);
    }
}

static void print_text(const struct session *session, const struct answer *answer)
{
    if (answer->error.status) {
        command_complain(session->call, "%s: %s", answer->file, answer->error.text);
        return;
    }
    const struct terminal *terminal = &session->terminal;
    const char *plain = terminal_colour(terminal, TERMINAL_PLAIN);
    char file[512];
    terminal_clean(answer->file, file, sizeof file);
    printf("%s%s%s  %s%s, %" PRIu32 " x %" PRIu32 " px, %.1f ms%s\n",
           terminal_colour(terminal, TERMINAL_BOLD), file, plain,
           terminal_colour(terminal, TERMINAL_DIM), decode_format_name(answer->info.format),
           answer->info.width_px, answer->info.height_px, (double)answer->times.total_us / 1e3,
           plain);
    print_predictions(session, answer);
}

static enum status print_json(const struct answer *answer, struct error *error)
{
    char *text;
    enum status status = answer_format_json(answer, &text, error);
    if (status)
        return status;
    puts(text);
    free(text);
    return STATUS_OK;
}

/* Whether every image was answered and every answer printed; how many were answered. */
static bool classify_all(struct session *session, size_t *ret_answered)
{
    bool is_done = true;
    *ret_answered = 0;
    for (size_t i = 0; i < session->call->argument_count; i++) {
        struct answer answer = {.file = session->call->arguments[i], .model = session->model};
        struct error error = {0};
        if (answer_image(session, &answer))
            is_done = false;
        else
            ++*ret_answered;
        if (!session->is_json) {
            print_text(session, &answer);
        } else if (print_json(&answer, &error)) {
            command_complain(session->call, "%s: %s", answer.file, error.text);
            is_done = false;
        }
        if (!command_flush())
            return false;
    }
    return is_done;
}

static void print_note(const struct session *session)
{
    const char *note = model_note(session->model);
    if (session->is_json || !note)
        return;
    char text[512];
    terminal_clean(note, text, sizeof text);
    printf("%s%s%s\n", terminal_colour(&session->terminal, TERMINAL_DIM), text,
           terminal_colour(&session->terminal, TERMINAL_PLAIN));
}

static int run(const struct command_call *call)
{
    struct session session;
    struct error error = {0};
    bool is_done = session_init(&session, call, &error) == STATUS_OK;
    if (!is_done)
        command_complain(call, "%s", error.text);
    size_t answered = 0;
    if (is_done)
        is_done = classify_all(&session, &answered);
    if (answered > 0)
        print_note(&session);
    session_fini(&session);
    return is_done ? COMMAND_OK : COMMAND_FAILED;
}

const struct command classify_command = {
    .name = "classify",
    .summary = "name what image files show",
    .description =
        "Prints the most probable classes of each image, with their probabilities. Images are "
        "JPEG, PNG, WebP, BMP or GIF (its first frame), told by their content; they are turned as "
        "their EXIF orientation says, resized and cropped exactly as torchvision does it.\n\n"
        "With --json, one document an image and line: {\"file\", \"model\": {\"name\", "
        "\"weights\", \"precision\", \"note\"}, \"predictions\": [{\"class_id\", \"wnid\", "
        "\"label\", \"probability\"}], \"image\": {\"format\", \"width\", \"height\", "
        "\"orientation\"}, \"timing_ms\": {\"decode\", \"preprocess\", \"inference\", "
        "\"total\"}}; for an image without an answer {\"file\", \"model\", \"error\": "
        "{\"code\", \"detail\"}}. Otherwise errors go to standard error, a line each. The other "
        "images are answered all the same.",
    .arguments =
        (const struct command_argument[]){
            {"FILE", "an image; \"-\" is standard input", COMMAND_HINT_FILE, .is_repeated = true},
            {NULL, NULL, COMMAND_HINT_NONE, false, false},
        },
    .options =
        (const struct command_option[]){
            COMMAND_OPTION_MODEL,
            {COMMAND_INTEGER, "top-k", 'k', COMMAND_HINT_NONE, .value = "N", .preset = "5",
             .min = 1, .max = MAX_TOP_K, .help = "how many classes to name"},
            COMMAND_OPTION_JSON("print JSON documents, one a line"),
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
    .exit_failed = "an image was not answered, or the model could not be loaded",
    .examples =
        (const struct command_example[]){
            {"classifyd classify dog.jpg", "The five most probable classes, by the demo model"},
            {"classifyd classify --model resnet50 --json *.jpg",
             "torchvision's ResNet-50, as JSON"},
            {"curl -s https://example.org/cat.png | classifyd classify -", "From a pipe"},
            {NULL, NULL},
        },
    .run = run,
};
