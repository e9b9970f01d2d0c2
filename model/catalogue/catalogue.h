/* What a model's name means: torchvision's weight sets of config/models.json, or those of another
 * catalogue, and where their files are. Immutable once parsed; any thread may read. */
#ifndef CLASSIFYD_MODEL_CATALOGUE_CATALOGUE_H
#define CLASSIFYD_MODEL_CATALOGUE_CATALOGUE_H

#include "model/base/span.h"
#include "model/base/status.h"
#include "model/catalogue/catalogue_entry.h"

struct catalogue;

/* Parses config/models.json (config/README.md has the keys). The bytes are copied. Fails with
 * STATUS_BAD_MODEL naming the entry and key. Returns owned. */
MUST_CHECK enum status catalogue_parse(struct span json, struct catalogue **ret_catalogue,
                                       struct error *error);

/* Accepts NULL. */
void catalogue_destroy(struct catalogue *catalogue);

size_t catalogue_count(const struct catalogue *catalogue);
const struct catalogue_entry *catalogue_at(const struct catalogue *catalogue, size_t index);

/* "resnet50" (its default set) or "resnet50:V1" (case of the set does not matter, torchvision's
 * IMAGENET1K_V1 and DEFAULT are understood). STATUS_NOT_FOUND names one that was probably
 * meant. */
MUST_CHECK enum status catalogue_find(const struct catalogue *catalogue, const char *name,
                                      const struct catalogue_entry **ret_entry,
                                      struct error *error);

/* The entry that a weight file's name (no folder) belongs to, as catalogue_locate would look for
 * it; NULL where there is none, and for a bare resnet50.pth, which does not say which set it is. */
const struct catalogue_entry *catalogue_find_file(const struct catalogue *catalogue,
                                                  const char *file);

/* The path of the entry's file in the first of the folders (colon-separated, as in PATH) that has
 * it, also as model name + ".pth" or ".safetensors" (resnet50.pth, resnet50-V1.pth ...; MODEL.md
 * lists them). STATUS_NOT_FOUND says which file to put where and the pull command. `ret_path` is
 * returned owned. */
MUST_CHECK enum status catalogue_locate(const struct catalogue_entry *entry, const char *folders,
                                        char **ret_path, struct error *error);

#endif
