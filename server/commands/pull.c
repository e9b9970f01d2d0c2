/* classifyd pull: weight files of the catalogue, fetched into the first model folder. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/commands/command_table.h"
#include "server/commands/library.h"
#include "server/commands/model_folders.h"
#include "server/commands/progress.h"
#include "server/fetch/download.h"

/* Of a file whose size the catalogue does not tell. */
static const uint64_t max_unknown_bytes = (uint64_t)16 << 30;

/* One file on its way. */
struct pull {
    const struct command_call *call;
    const struct catalogue_entry *entry;
    const char *path;
    char label[128];
    struct progress progress;
    bool has_progress;
};

/* What the system trusts may be replaced, as curl and other OpenSSL programs have it. */
static const char *find_ca_file(const struct command_call *call)
{
    const char *const sources[] = {command_text(call, "ca-file"), getenv("CURL_CA_BUNDLE"),
                                   getenv("SSL_CERT_FILE")};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (sources[i] && *sources[i])
            return sources[i];
    return NULL;
}

static uint64_t find_size(const struct catalogue_entry *entry)
{
    return entry->size_mib_times_1000 * ((uint64_t)1 << 20) / 1000;
}

static void show_progress(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
    struct pull *pull = user;
    if (!pull->has_progress)
        progress_init(&pull->progress, pull->label, PROGRESS_BYTES, done_bytes, total_bytes);
    pull->has_progress = true;
    progress_update(&pull->progress, done_bytes,
                    total_bytes ? total_bytes : find_size(pull->entry));
}

static void show_waiting(void *user)
{
    const struct pull *pull = user;
    command_complain(pull->call, "another process fetches %s; waiting for it", pull->entry->file);
}

static void print_result(const struct pull *pull, const struct download_result *result)
{
    char size[32], path[4096];
    progress_format_bytes(result->bytes, size, sizeof size);
    terminal_clean(pull->path, path, sizeof path);
    printf("%s: %s%s, %s, SHA-256 %s\n", pull->label, path,
           result->was_there ? " was there already" : "", size, result->sha256);
}

static void complain(const struct pull *pull, const struct error *error)
{
    command_complain(pull->call, "%s: %s", pull->label, error->text);
    if (error->status == STATUS_FETCH_FAILED || error->status == STATUS_TIMEOUT)
        command_complain(pull->call, "without a network: fetch %s elsewhere and put it here as %s",
                         pull->entry->url, pull->path);
    else if (error->status == STATUS_IO)
        command_complain(pull->call, "another folder can be given with --model-dirs");
}

static bool fetch(const struct command_call *call, const struct catalogue_entry *entry,
                  const char *path)
{
    struct pull pull = {.call = call, .entry = entry, .path = path};
    (void)snprintf(pull.label, sizeof pull.label, "%s:%s", entry->model, entry->weights);
    int64_t timeout_s = 0;
    (void)command_integer(call, "timeout", &timeout_s);
    uint64_t timeout_us = (uint64_t)timeout_s * 1000000, size = find_size(entry);
    struct download_options options = {
        .url = entry->url,
        .path = path,
        .sha256_prefix = entry->sha256_prefix,
        .ca_file = find_ca_file(call),
        /* Sizes are published in rounded MiB. */
        .max_bytes = size ? size + size / 100 + (1 << 20) : max_unknown_bytes,
        .connect_timeout_us = timeout_us,
        .stall_timeout_us = timeout_us,
        .waiting = show_waiting,
        .progress = show_progress,
        .user = &pull,
    };
    struct download_result result;
    struct error error = {0};
    enum status status = download_run(&options, &result, &error);
    if (pull.has_progress)
        progress_fini(&pull.progress);
    if (status == STATUS_OK)
        print_result(&pull, &result);
    else
        complain(&pull, &error);
    return status == STATUS_OK;
}

static int fetch_all(const struct command_call *call, const struct catalogue *catalogue,
                     const char *folder)
{
    struct error error = {0};
    const struct catalogue_entry *entry = NULL;
    for (size_t i = 0; i < call->argument_count; i++) {
        if (strcmp(call->arguments[i], "demo") == 0)
            (void)error_set(&error, STATUS_BAD_REQUEST, "demo is built in; nothing to fetch");
        else if (catalogue_find(catalogue, call->arguments[i], &entry, &error) == STATUS_OK)
            continue;
        command_complain(call, "%s", error.text);
        return COMMAND_USAGE;
    }
    bool has_all = true;
    for (size_t i = 0; i < call->argument_count; i++) {
        char *path = NULL;
        if (catalogue_find(catalogue, call->arguments[i], &entry, &error) != STATUS_OK ||
            asprintf(&path, "%s/%s", folder, entry->file) < 0)
            return COMMAND_FAILED;
        has_all = fetch(call, entry, path) && has_all;
        free(path);
        if (!command_flush())
            return COMMAND_FAILED;
    }
    return has_all ? COMMAND_OK : COMMAND_FAILED;
}

static int run(const struct command_call *call)
{
    struct library library;
    struct error error = {0};
    int result = COMMAND_USAGE;
    enum status status = library_init(&library, call, &error);
    char *folder = status == STATUS_OK ? model_folders_first(library.folders) : NULL;
    if (status != STATUS_OK)
        command_complain(call, "%s", error.text);
    else if (!folder || !*folder)
        command_complain(call, "no model folder to put files into; name one with --model-dirs");
    else
        result = fetch_all(call, library.catalogue, folder);
    free(folder);
    library_fini(&library);
    return result;
}

const struct command pull_command = {
    .name = "pull",
    .summary = "fetch the weights of a model",
    .description =
        "Fetches torchvision's weight files over HTTPS into the first model folder, checks them "
        "against the SHA-256 digits that torchvision publishes, and prints where they are and "
        "their full SHA-256. A file that is there already and right is left alone.\n\n"
        "What has arrived before the network broke off is kept as FILE.part, and the next pull "
        "goes on from there. Two pulls of the same file at once do not disturb each other. A "
        "file that turns out wrong is deleted.\n\n"
        "Proxies are taken from https_proxy and no_proxy. The certificates that are trusted are "
        "the system's, or those of --ca-file, CURL_CA_BUNDLE or SSL_CERT_FILE, in this order.",
    .arguments =
        (const struct command_argument[]){
            {"MODEL", "a name of the catalogue: resnet50, resnet50:V1", COMMAND_HINT_MODEL,
             .is_repeated = true},
            {NULL, NULL, COMMAND_HINT_NONE, false, false},
        },
    .options =
        (const struct command_option[]){
            COMMAND_OPTION_FOLDERS,
            COMMAND_OPTION_CATALOGUE,
            {COMMAND_TEXT, "ca-file", 0, COMMAND_HINT_FILE, .value = "FILE",
             .help = "the certificates to trust instead of the system's (PEM)"},
            {COMMAND_INTEGER, "timeout", 0, COMMAND_HINT_NONE, .value = "SECONDS", .preset = "30",
             .min = 1, .max = 3600,
             .help = "give up when the server does not answer, or nothing arrives, for this long"},
            COMMAND_OPTION_END,
        },
    .exit_failed = "a model could not be fetched",
    .examples =
        (const struct command_example[]){
            {"classifyd pull resnet50", "ResNet-50 with torchvision's default weights (V2)"},
            {"classifyd pull resnet18 wide_resnet50_2:V1", "Two models"},
            {NULL, NULL},
        },
    .run = run,
};
