/* classifyd bench: the engine alone, by batch and threads, or a running service under load. */
#include <stdio.h>
#include <string.h>

#include "model/base/output_file.h"
#include "server/commands/bench_engine.h"
#include "server/commands/bench_report.h"
#include "server/commands/bench_roofline.h"
#include "server/commands/bench_url.h"
#include "server/commands/command_table.h"
#include "server/commands/library.h"
#include "server/config/cpu_count.h"
#include "server/fetch/load.h"

enum { MAX_BATCH = 256, MAX_THREADS = 1024, MAX_RATE = 100000 };

/* A call on the engine, from its options to its results. */
struct session {
    const struct command_call *call;
    struct library library;
    struct model *model;
    struct bench_engine bench;
    struct bench_peaks peaks; /* of the threads that were measured last, at most one a CPU */
    struct json_doc *doc;     /* NULL: text */
    struct json_node *results;
};

static size_t largest_batch(const struct command_call *call)
{
    const int64_t *batches;
    size_t count = command_list(call, "batch", &batches), largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = (size_t)batches[i] > largest ? (size_t)batches[i] : largest;
    return largest;
}

static enum status session_init(struct session *session, const struct command_call *call,
                                struct error *error)
{
    int64_t seconds = 0;
    (void)command_integer(call, "seconds", &seconds);
    *session = (struct session){.call = call};
    const char *roofline = command_text(call, "roofline");
    enum status status = roofline ? output_file_try(roofline, error) : STATUS_OK;
    if (!status)
        status = library_init(&session->library, call, error);
    if (!status)
        status = library_load(&session->library, call, command_text(call, "model"), &session->model,
                              error);
    if (status)
        return status;
    const struct bench_engine_options options = {.model = session->model,
                                                 .largest_batch = largest_batch(call),
                                                 .duration_us = (uint64_t)seconds * 1000000,
                                                 .images = command_text(call, "images")};
    return bench_engine_init(&session->bench, &options, error);
}

static void session_fini(struct session *session)
{
    json_doc_destroy(session->doc);
    bench_engine_fini(&session->bench);
    model_destroy(session->model);
    library_fini(&session->library);
}

static enum status write_roofline(const struct session *session,
                                  const struct bench_profile *profile, struct error *error)
{
    char model[256], title[512];
    library_title(session->model, model, sizeof model);
    (void)snprintf(title, sizeof title, "%s, %s on %s kernels", model,
                   model_precision(session->model),
                   engine_kernel_set(model_engine(session->model))->name);
    return bench_roofline_write(profile, title, command_text(session->call, "roofline"), error);
}

static void report(struct session *session, const struct bench_engine_result *result,
                   const struct bench_profile *profile)
{
    if (session->doc)
        bench_report_put_result(session->doc, session->results, result, profile);
    else
        bench_report_print_result(result);
    if (!session->doc && profile && command_flag(session->call, "profile"))
        bench_report_print_profile(profile);
}

static enum status measure_profile(struct session *session, size_t batch, unsigned threads,
                                   struct error *error)
{
    struct bench_profile profile = {0};
    struct bench_engine_result result;
    enum status status = STATUS_OK;
    /* Threads that take turns on a CPU would each claim all of it. */
    unsigned usable = cpu_count_usable(), cpus = threads < usable ? threads : usable;
    if (session->peaks.threads != cpus)
        status = bench_peaks_measure(cpus, &session->peaks, error);
    if (!status)
        status = bench_profile_init(&profile, model_engine(session->model), batch, threads,
                                    &session->peaks, error);
    if (!status)
        status = bench_engine_measure(&session->bench, batch, threads, &profile, &result, error);
    if (!status) {
        bench_profile_finish(&profile);
        report(session, &result, &profile);
        if (command_text(session->call, "roofline"))
            status = write_roofline(session, &profile, error);
    }
    bench_profile_fini(&profile);
    return status;
}

static enum status measure(struct session *session, size_t batch, unsigned threads,
                           struct error *error)
{
    struct bench_engine_result result;
    if (command_flag(session->call, "profile") || command_text(session->call, "roofline"))
        return measure_profile(session, batch, threads, error);
    enum status status =
        bench_engine_measure(&session->bench, batch, threads, NULL, &result, error);
    if (!status)
        report(session, &result, NULL);
    return status;
}

/* Every batch size with every number of threads. */
static enum status measure_all(struct session *session, struct error *error)
{
    const int64_t *batches, *thread_counts;
    const int64_t usable[] = {cpu_count_usable()};
    size_t batch_count = command_list(session->call, "batch", &batches);
    size_t thread_count = command_list(session->call, "threads", &thread_counts);
    if (thread_count == 0) {
        thread_counts = usable;
        thread_count = 1;
    }
    for (size_t i = 0; i < thread_count; i++)
        for (size_t j = 0; j < batch_count; j++) {
            enum status status =
                measure(session, (size_t)batches[j], (unsigned)thread_counts[i], error);
            if (status || !command_flush())
                return status;
        }
    return STATUS_OK;
}

static enum status run_json(struct session *session, struct error *error)
{
    session->doc = json_doc_create();
    if (!session->doc)
        return command_print_json(NULL, error);
    bench_report_put_head(session->doc, json_doc_root(session->doc), &session->bench);
    session->results = json_node_put_array(session->doc, json_doc_root(session->doc), "results");
    enum status status = measure_all(session, error);
    if (status)
        return status;
    struct json_doc *doc = session->doc;
    session->doc = NULL; /* goes with being printed */
    return command_print_json(doc, error);
}

static int run_engine(const struct command_call *call)
{
    struct session session;
    struct error error = {0};
    enum status status = session_init(&session, call, &error);
    if (!status && command_flag(call, "json")) {
        status = run_json(&session, &error);
    } else if (!status) {
        bench_report_print_head(&session.bench);
        status = measure_all(&session, &error);
    }
    if (status)
        command_complain(call, "%s", error.text);
    session_fini(&session);
    return status ? COMMAND_FAILED : COMMAND_OK;
}

/* Options that say how the engine is to run mean nothing to a service, and the other way round. */
static bool check_options(const struct command_call *call)
{
    static const char *const for_engine[] = {"model",     "batch",     "threads",  "profile",
                                             "kernels",   "precision", "roofline", "model-dirs",
                                             "catalogue", "no-cache"};
    bool has_url = command_text(call, "url") != NULL;
    for (size_t i = 0; has_url && i < sizeof for_engine / sizeof *for_engine; i++)
        if (command_is_given(call, for_engine[i])) {
            command_complain(call,
                             "--%s does not go with --url: the service runs as it was started",
                             for_engine[i]);
            return false;
        }
    if (has_url && !command_text(call, "images")) {
        command_complain(call, "--url wants --images DIR, what to send");
        return false;
    }
    static const char *const for_url[] = {"clients", "rate"};
    for (size_t i = 0; !has_url && i < sizeof for_url / sizeof *for_url; i++)
        if (command_is_given(call, for_url[i])) {
            command_complain(call, "--%s goes with --url only", for_url[i]);
            return false;
        }
    return true;
}

static int run(const struct command_call *call)
{
    if (!check_options(call))
        return COMMAND_USAGE;
    return command_text(call, "url") ? bench_url_run(call) : run_engine(call);
}

const struct command bench_command = {
    .name = "bench",
    .summary = "measure the engine's speed, or a running service's",
    .description =
        "Runs the network on images that are in memory, already decoded, and prints for each batch "
        "size and number of threads the images a second of the median run, and the median and the "
        "99th percentile of a batch's time. With --profile it says layer by layer where the time "
        "goes: the speed, its share of the peak that this machine was measured to have for that "
        "arithmetic, the bytes that have to be moved, and which of the two bounds the layer "
        "(a kernel that multiplies less than the layer's definition, as Winograd's do, may pass "
        "100 %). --roofline draws the same.\n\nWith --url nothing is loaded: clients with a "
        "connection each post the images of --images to a service, the next when the last is "
        "answered, and what is printed is the images a second, the percentiles of the time to an "
        "answer, and errors by their status. With --rate images arrive at random moments instead, "
        "whatever becomes of those before, as from many people: the time to an answer is counted "
        "from there, waiting for a client that is free included. An interrupt ends it "
        "early.\n\nWith --json, one "
        "document: {\"model\", \"kernels\", \"macs\", \"input\", \"results\": [{\"batch\", "
        "\"threads\", \"runs\", \"images_per_second\", \"latency_ms\": {\"p50\", \"p99\"}, "
        "\"gmac_per_second\", \"profile\": {\"peaks\": {\"threads\", \"gop_per_second\", "
        "\"gb_per_second\"}, "
        "\"time_ms\", \"run_ms\", \"layers\": [{\"name\", \"stage\", \"kernel\", \"arithmetic\", "
        "\"shape\", "
        "\"macs\", \"time_ms\", \"share\", \"gop_per_second\", \"peak_share\", \"bytes\", "
        "\"bound\"}], \"stages\": [{\"name\", \"macs\", \"time_ms\", \"share\"}]}}]}; with --url "
        "{\"url\", \"clients\", \"rate\", \"images\", \"answered\", \"seconds\", "
        "\"images_per_second\", "
        "\"latency_ms\": {\"p50\", \"p90\", \"p99\"}, \"unsent\", \"errors\": [{\"status\", "
        "\"count\", "
        "\"detail\"}], \"interrupted\"}.",
    .options =
        (const struct command_option[]){
            COMMAND_OPTION_MODEL,
            {COMMAND_LIST, "batch", 'b', COMMAND_HINT_NONE, .value = "N[,N...]", .preset = "1,8",
             .min = 1, .max = MAX_BATCH, .help = "batch sizes"},
            {COMMAND_LIST, "threads", 't', COMMAND_HINT_NONE, .value = "N[,N...]", .min = 1,
             .max = MAX_THREADS,
             .help = "numbers of threads; otherwise the CPUs that this process may use"},
            {COMMAND_INTEGER, "seconds", 's', COMMAND_HINT_NONE, .value = "S", .preset = "3",
             .min = 0, .max = 3600, .help = "how long to measure each; three runs at least"},
            {COMMAND_TEXT, "images", 'i', COMMAND_HINT_FOLDER, .value = "DIR",
             .help = "photographs to run on, or to send; otherwise the engine runs on noise"},
            {COMMAND_FLAG, "profile", 'p', COMMAND_HINT_NONE,
             .help = "print time, speed and bound by layer"},
            {COMMAND_TEXT, "roofline", 0, COMMAND_HINT_FILE, .value = "FILE",
             .help = "draw the layers under the machine's peaks, as SVG; of the last batch size "
                     "and number of threads"},
            {COMMAND_TEXT, "url", 'u', COMMAND_HINT_NONE, .value = "URL",
             .help = "measure the service there (http://localhost:8080) instead of the engine"},
            {COMMAND_INTEGER, "clients", 'c', COMMAND_HINT_NONE, .value = "N", .preset = "8",
             .min = 1, .max = LOAD_MOST_CLIENTS, .help = "how many clients, with --url"},
            {COMMAND_INTEGER, "rate", 'r', COMMAND_HINT_NONE, .value = "N", .min = 1,
             .max = MAX_RATE,
             .help = "images a second that arrive, with --url; otherwise each client asks again "
                     "at once"},
            COMMAND_OPTION_JSON("print a JSON document"),
            COMMAND_OPTION_KERNELS,
            COMMAND_OPTION_PRECISION,
            COMMAND_OPTION_NO_CACHE,
            COMMAND_OPTION_FOLDERS,
            COMMAND_OPTION_CATALOGUE,
            COMMAND_OPTION_END,
        },
    .exit_failed = "the model or the images could not be loaded, the picture could not be written, "
                   "or a request was not answered",
    .examples =
        (const struct command_example[]){
            {"classifyd bench --model random:resnet50 --threads 1,2", "No weight file is needed"},
            {"classifyd bench --model resnet50 -b 8 -t 1 --profile --roofline resnet50.svg",
             "Where the time goes, also as a picture"},
            {"classifyd bench --url http://localhost:8080 --images photos --clients 16",
             "A service that runs already"},
            {"classifyd bench --url http://localhost:8080 --images photos --rate 50",
             "How long people wait at 50 images a second"},
            {NULL, NULL},
        },
    .run = run,
};
