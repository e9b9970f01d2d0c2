/* One weight set of the catalogue: where it comes from, what is published about it, how its images
 * are prepared, and the names that its file may have on disk. */
#ifndef CLASSIFYD_MODEL_CATALOGUE_CATALOGUE_ENTRY_H
#define CLASSIFYD_MODEL_CATALOGUE_CATALOGUE_ENTRY_H

#include "model/base/json_doc.h"
#include "model/base/status.h"
#include "model/catalogue/labels.h"
#include "model/catalogue/recipe.h"

/* Strings are borrowed from the catalogue. */
struct catalogue_entry {
    const char *model;   /* "resnet50" */
    const char *weights; /* "V1", "V2" */
    bool is_default;     /* what the bare model name means: torchvision's DEFAULT */
    const char *url;
    const char *file;             /* the name on disk: the URL's last part, safe as a file name */
    const char *sha256_prefix;    /* lower-case hex, 8 digits as torchvision publishes, or all 64 */
    uint64_t size_mib_times_1000; /* as published, thousandths of a MiB; 0 where unpublished */
    uint64_t parameters;          /* 0 where unpublished */
    double acc_at_1, acc_at_5;    /* published, percent; 0 where unpublished */
    struct recipe recipe;
    const struct labels *labels; /* the entry's own; NULL: ImageNet's 1000 */
};

/* Longest file name that catalogue_entry_file_name writes, with its end. */
enum { CATALOGUE_ENTRY_FILE_BYTES = 192 };

/* Reads one object of the catalogue; borrows its strings. Fails with STATUS_BAD_MODEL naming the
 * key (unknown, missing, of a wrong form). */
MUST_CHECK enum status catalogue_entry_read(const struct json_node *object,
                                            struct catalogue_entry *ret_entry, struct error *error);

/* Frees what the entry owns: its labels. Accepts a zeroed struct. */
void catalogue_entry_fini(struct catalogue_entry *entry);

/* The names that the entry's file may have, the best first: as published, the same as .safetensors,
 * MODEL-SET.pth and .safetensors, and for the default set MODEL.pth and .safetensors. False when
 * `index` is past the last. */
bool catalogue_entry_file_name(const struct catalogue_entry *entry, size_t index,
                               char ret_file[CATALOGUE_ENTRY_FILE_BYTES]);

/* Whether `file` is one of these names, MODEL.pth and MODEL.safetensors excepted: they do not say
 * which set they hold. */
bool catalogue_entry_is_file(const struct catalogue_entry *entry, const char *file);

#endif
