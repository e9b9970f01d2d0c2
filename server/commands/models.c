/* classifyd models: the catalogue, and which of its files are on this machine. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/commands/command_table.h"
#include "server/commands/library.h"
#include "server/commands/terminal.h"
#include "server/document.h"

/* The entry's file on this machine, NULL where it is not here. Owned. */
static char *find_path(const struct library *library, const struct catalogue_entry *entry)
{
    char *path = NULL;
    struct error unused = {0};
    return catalogue_locate(entry, library->folders, &path, &unused) ? NULL : path;
}

static void print_names(const struct library *library)
{
    puts("demo");
    for (size_t i = 0; i < catalogue_count(library->catalogue); i++) {
        const struct catalogue_entry *entry = catalogue_at(library->catalogue, i);
        if (entry->is_default)
            puts(entry->model);
        printf("%s:%s\n", entry->model, entry->weights);
    }
}

/* A published number, "-" where it is not known. */
static void format_published(double value, int decimals, const char *unit, char *ret_text,
                             size_t size)
{
    if (value > 0)
        (void)snprintf(ret_text, size, "%.*f%s", decimals, value, unit);
    else
        (void)snprintf(ret_text, size, "-");
}

static void print_entry(const struct terminal *terminal, const struct catalogue_entry *entry,
                        const char *path)
{
    char shown[512], top1[32], top5[32], parameters[32], megabytes[32];
    terminal_clean(path ? path : "-", shown, sizeof shown);
    format_published(entry->acc_at_1, 3, "", top1, sizeof top1);
    format_published(entry->acc_at_5, 3, "", top5, sizeof top5);
    format_published((double)entry->parameters, 0, "", parameters, sizeof parameters);
    format_published((double)entry->size_mib_times_1000 / 1e3, 1, " MiB", megabytes,
                     sizeof megabytes);
    printf("%s%-18s %-2s %s  %6s  %6s  %11s  %9s  %s%s\n",
           terminal_colour(terminal, path ? TERMINAL_BOLD : TERMINAL_PLAIN), entry->model,
           entry->weights, entry->is_default ? "*" : " ", top1, top5, parameters, megabytes, shown,
           terminal_colour(terminal, TERMINAL_PLAIN));
}

static void print_table(const struct library *library)
{
    struct terminal terminal = terminal_probe(stdout);
    printf("%-18s %-4s  top-1   top-5   parameters       size  on this machine\n", "model", "set");
    printf("%s%-18s %-4s  %6s  %6s  %11s  %9s  %s%s\n", terminal_colour(&terminal, TERMINAL_BOLD),
           "demo", "", "-", "-", "-", "-", "built in", terminal_colour(&terminal, TERMINAL_PLAIN));
    for (size_t i = 0; i < catalogue_count(library->catalogue); i++) {
        const struct catalogue_entry *entry = catalogue_at(library->catalogue, i);
        char *path = find_path(library, entry);
        print_entry(&terminal, entry, path);
        free(path);
    }
    char folders[1024];
    terminal_clean(library->folders, folders, sizeof folders);
    printf(
        "\n* what the bare name means. top-1 and top-5: percent on ImageNet's validation set, as "
        "published.\nFetch one with: classifyd pull MODEL. Looked for in: %s\n",
        folders);
}

static void put_entry(struct json_doc *doc, struct json_node *into, const struct library *library,
                      const struct catalogue_entry *entry)
{
    struct json_node *node = json_node_put_object(doc, into, NULL);
    char *path = find_path(library, entry);
    json_node_put_string(doc, node, "model", entry->model);
    json_node_put_string(doc, node, "weights", entry->weights);
    json_node_put_boolean(doc, node, "default", entry->is_default);
    json_node_put_boolean(doc, node, "here", path != NULL);
    if (path)
        document_put_text(doc, node, "path", path);
    json_node_put_string(doc, node, "url", entry->url);
    json_node_put_string(doc, node, "file", entry->file);
    json_node_put_string(doc, node, "sha256", entry->sha256_prefix);
    json_node_put_number(doc, node, "size_mib", (double)entry->size_mib_times_1000 / 1e3);
    json_node_put_integer(doc, node, "parameters", (int64_t)entry->parameters);
    json_node_put_number(doc, node, "acc_at_1", entry->acc_at_1);
    json_node_put_number(doc, node, "acc_at_5", entry->acc_at_5);
    json_node_put_integer(doc, node, "resize", entry->recipe.resize_px);
    json_node_put_integer(doc, node, "crop", entry->recipe.crop_px);
    document_put_three(doc, node, "mean", entry->recipe.mean);
    document_put_three(doc, node, "std", entry->recipe.std);
    free(path);
}

static void put_folders(struct json_doc *doc, const char *folders)
{
    struct json_node *array = json_node_put_array(doc, json_doc_root(doc), "model_dirs");
    char *copy = strdup(folders), *rest = copy;
    for (const char *folder; (folder = strsep(&rest, ":")) != NULL;)
        document_put_text(doc, array, NULL, folder);
    free(copy);
}

static enum status print_json(const struct library *library, struct error *error)
{
    struct json_doc *doc = json_doc_create();
    if (!doc)
        return command_print_json(NULL, error);
    put_folders(doc, library->folders);
    struct json_node *array = json_node_put_array(doc, json_doc_root(doc), "models");
    for (size_t i = 0; i < catalogue_count(library->catalogue); i++)
        put_entry(doc, array, library, catalogue_at(library->catalogue, i));
    return command_print_json(doc, error);
}

static int run(const struct command_call *call)
{
    struct library library;
    struct error error = {0};
    enum status status = library_init(&library, call, &error);
    if (!status && command_flag(call, "names"))
        print_names(&library);
    else if (!status && command_flag(call, "json"))
        status = print_json(&library, &error);
    else if (!status)
        print_table(&library);
    library_fini(&library);
    if (status)
        command_complain(call, "%s", error.text);
    return status ? COMMAND_FAILED : COMMAND_OK;
}

const struct command models_command = {
    .name = "models",
    .summary = "list the models of the catalogue, and which are on this machine",
    .description =
        "Lists torchvision's ResNet weight sets: the accuracy that was published, the size, and "
        "the file where it is on this machine.\n\nWith --json, one document: {\"model_dirs\": "
        "[...], "
        "\"models\": [{\"model\", \"weights\", \"default\", \"here\", \"path\", \"url\", \"file\", "
        "\"sha256\", \"size_mib\", \"parameters\", \"acc_at_1\", \"acc_at_5\", \"resize\", "
        "\"crop\", "
        "\"mean\", \"std\"}]}.",
    .options =
        (const struct command_option[]){
            COMMAND_OPTION_JSON("print a JSON document"),
            {COMMAND_FLAG, "names", 0, COMMAND_HINT_NONE,
             .help = "print the names that --model takes, one a line"},
            COMMAND_OPTION_FOLDERS,
            COMMAND_OPTION_CATALOGUE,
            COMMAND_OPTION_END,
        },
    .exit_failed = "the list could not be made or written",
    .examples =
        (const struct command_example[]){
            {"classifyd models", "What there is"},
            {NULL, NULL},
        },
    .run = run,
};
