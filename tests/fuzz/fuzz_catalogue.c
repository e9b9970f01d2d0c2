/* catalogue: whatever parses can be found by its own name, and its file names stay in a folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/catalogue/catalogue.h"
#include "tests/fuzz/fuzz.h"

static void check_entry(const struct catalogue *catalogue, const struct catalogue_entry *entry)
{
    char name[128], file[CATALOGUE_ENTRY_FILE_BYTES];
    const struct catalogue_entry *found = NULL;
    (void)snprintf(name, sizeof name, "%s:%s", entry->model, entry->weights);
    /* A set may be called DEFAULT, which means another then. */
    if (catalogue_find(catalogue, name, &found, NULL) != STATUS_OK ||
        strcmp(found->model, entry->model) != 0)
        abort();
    if (!catalogue_find_file(catalogue, entry->file))
        abort();
    for (size_t i = 0; catalogue_entry_file_name(entry, i, file); i++)
        if (strchr(file, '/') || file[0] == '.')
            abort();
    if (entry->recipe.resize_px == 0 || entry->recipe.crop_px == 0)
        abort();
    for (size_t i = 0; entry->labels && i < labels_count(entry->labels); i++)
        if (!*labels_at(entry->labels, i).text)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct catalogue *catalogue;
    if (catalogue_parse((struct span){data, size}, &catalogue, &error) != STATUS_OK) {
        if (error.status == STATUS_OK || !*error.text)
            abort();
        return 0;
    }
    for (size_t i = 0; i < catalogue_count(catalogue); i++)
        check_entry(catalogue, catalogue_at(catalogue, i));
    catalogue_destroy(catalogue);
    return 0;
}
