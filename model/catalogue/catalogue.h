/* What a model's name means: torchvision's weight sets of config/models.json, and where their files
 * are. */
#ifndef CLASSIFYD_MODEL_CATALOGUE_CATALOGUE_H
#define CLASSIFYD_MODEL_CATALOGUE_CATALOGUE_H

#include "model/base/span.h"
#include "model/base/status.h"
#include "model/catalogue/recipe.h"

/* One weight set. Strings are borrowed from the catalogue. */
struct catalogue_entry {
    const char *model;   /* "resnet50" */
    const char *weights; /* "V1", "V2" */
    bool is_default;     /* what the bare model name means: torchvision's DEFAULT */
    const char *url;
    const char *file;             /* the name on disk: the URL's last part */
    const char *sha256_prefix;    /* lower-case hex, 8 digits as torchvision publishes, or all 64 */
    uint64_t size_mib_times_1000; /* as published, thousandths of a MiB */
    uint64_t parameters;
    double acc_at_1, acc_at_5; /* published, percent */
    struct recipe recipe;
};

struct catalogue;

/* Parses config/models.json. Fails with STATUS_BAD_MODEL naming the entry and key. Returns owned.
 */
MUST_CHECK enum status catalogue_parse(struct span json, struct catalogue **ret_catalogue,
                                       struct error *error);
void catalogue_destroy(struct catalogue *catalogue);

size_t catalogue_count(const struct catalogue *catalogue);
const struct catalogue_entry *catalogue_at(const struct catalogue *catalogue, size_t index);

/* "resnet50" (its default set) or "resnet50:V1" (case of the set does not matter). STATUS_NOT_FOUND
 * names the nearest entry. */
MUST_CHECK enum status catalogue_find(const struct catalogue *catalogue, const char *name,
                                      const struct catalogue_entry **ret_entry,
                                      struct error *error);

/* The path of the entry's file in the first of the folders (colon-separated, as in PATH) that has
 * it, also as model name + ".pth" or ".safetensors" (resnet50.pth, resnet50-V1.pth ...; MODEL.md
 * lists them). STATUS_NOT_FOUND says which file to put where and the pull command. `ret_path` is
 * returned owned. */
MUST_CHECK enum status catalogue_locate(const struct catalogue_entry *entry, const char *folders,
                                        char **ret_path, struct error *error);

#endif
