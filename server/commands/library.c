#include "server/commands/library.h"

#include <stdlib.h>
#include <string.h>

#include "model/base/mapped_file.h"
#include "server/commands/model_folders.h"
#include "server/commands/terminal.h"
#include "server/config/cpu_count.h"
#include "server/web/assets.h"

enum { MAX_CATALOGUE_BYTES = 16 << 20 };

static enum status load_catalogue(const char *file, struct catalogue **ret_catalogue,
                                  struct error *error)
{
    if (!file)
        return catalogue_parse(assets_catalogue(), ret_catalogue, error);
    struct mapped_file mapped = {0};
    enum status status = mapped_file_init(file, MAX_CATALOGUE_BYTES, &mapped, error);
    if (status != STATUS_OK)
        return status;
    status = catalogue_parse(mapped.bytes, ret_catalogue, error);
    if (status != STATUS_OK)
        error_prefix(error, "%s", file);
    mapped_file_fini(&mapped);
    return status;
}

enum status library_init_from(struct library *library, const char *folders, const char *catalogue,
                              struct error *error)
{
    *library = (struct library){.folders = model_folders_list(folders),
                                .user_cache = model_folders_cache()};
    if (!library->folders || !library->user_cache)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the list of model folders");
    enum status status = load_catalogue(catalogue, &library->catalogue, error);
    if (!status)
        status = labels_parse_tsv(assets_labels(), &library->labels, error);
    library->view = (struct model_library){.catalogue = library->catalogue,
                                           .imagenet_labels = library->labels,
                                           .demo_weights = assets_demo_weights(),
                                           .folders = library->folders};
    return status;
}

enum status library_init(struct library *library, const struct command_call *call,
                         struct error *error)
{
    return library_init_from(library, command_text(call, "model-dirs"),
                             command_text(call, "catalogue"), error);
}

void library_fini(struct library *library)
{
    labels_destroy(library->labels);
    catalogue_destroy(library->catalogue);
    free(library->folders);
    free(library->user_cache);
    *library = (struct library){0};
}

enum status library_load(const struct library *library, const struct command_call *call,
                         const char *name, struct model **ret_model, struct error *error)
{
    struct model_options options = {.engine = {.kernels = command_text(call, "kernels"),
                                               .precision = command_text(call, "precision"),
                                               .threads = cpu_count_usable(),
                                               .lock_memory = true},
                                    .cache = command_flag(call, "no-cache") ? "off" : "auto",
                                    .user_cache = library->user_cache};
    enum status status = model_load(&library->view, name, &options, ret_model, error);
    if (!status)
        model_store_packed(*ret_model);
    return status;
}

void library_title(const struct model *model, char *ret_text, size_t size)
{
    char title[256];
    const char *name = model_name(model), *weights = model_weights(model);
    if (strcmp(name, weights) == 0)
        (void)snprintf(title, sizeof title, "%s", name);
    else
        (void)snprintf(title, sizeof title, "%s (%s)", name, weights);
    terminal_clean(title, ret_text, size);
}
