/* Images whose class is known: a tree of one folder a class, or a list. */
#ifndef CLASSIFYD_SERVER_COMMANDS_DATASET_H
#define CLASSIFYD_SERVER_COMMANDS_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "model/base/status.h"
#include "model/catalogue/labels.h"

struct dataset_image {
    char *path;
    uint32_t class_id;
};

struct dataset {
    size_t count, capacity;
    struct dataset_image *images; /* a tree's in the order of their paths, a list's in its own */
    size_t passed_over;           /* files of a tree that are no images by their name */
};

/* A folder is a tree: its folders are classes, named by wnid, label or number, and hold images
 * (.jpg, .jpeg, .png, .webp, .bmp, .gif in any case), also in folders of their own; hidden files
 * are not looked at. A file is a list of lines "path<TAB>class", paths relative to the list's
 * folder, the class a wnid, label or number below `classes`. Fails with STATUS_NOT_FOUND,
 * STATUS_IO, STATUS_BAD_REQUEST (the folder or line that fits no class, or no images at all),
 * STATUS_NO_MEMORY. To be ended with dataset_fini, also after a failure. */
MUST_CHECK enum status dataset_init(struct dataset *dataset, const char *path,
                                    const struct labels *labels, uint32_t classes,
                                    struct error *error);

/* The images of a folder and the folders in it, whatever their class; class_id is 0. The rest as
 * above. */
MUST_CHECK enum status dataset_init_folder(struct dataset *dataset, const char *path,
                                           struct error *error);
void dataset_fini(struct dataset *dataset);

/* Keeps `limit` images, evenly spread over all of them (a tree's first ones would be of one class).
 * Nothing where there are not more than that. */
void dataset_thin(struct dataset *dataset, size_t limit);

#endif
