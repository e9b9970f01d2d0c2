/* item.h without a pipeline: items that a test finishes by hand. To be included by one file of a
 * program. */
#ifndef CLASSIFYD_TESTS_UNIT_ITEM_DOUBLE_H
#define CLASSIFYD_TESTS_UNIT_ITEM_DOUBLE_H

#include <stdlib.h>
#include <string.h>

#include "server/pipeline/item.h"

struct item {
    unsigned references;
    struct item_request request;
    struct item_outcome outcome;
};

static inline char *item_double_copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

enum status item_create(const struct item_request *request, struct item **ret_item,
                        struct error *error)
{
    (void)error;
    struct item *item = calloc(1, sizeof *item);
    if (!item)
        abort();
    item->references = 1;
    item->request = *request;
    item->request.blob = request->blob ? blob_retain(request->blob) : NULL;
    item->request.url = item_double_copy(request->url);
    item->request.file = item_double_copy(request->file);
    item->request.model = item_double_copy(request->model);
    *ret_item = item;
    return STATUS_OK;
}

struct item *item_retain(struct item *item)
{
    item->references++;
    return item;
}

void item_release(struct item *item)
{
    if (!item || --item->references > 0)
        return;
    blob_release(item->request.blob);
    free((void *)(uintptr_t)item->request.url);
    free((void *)(uintptr_t)item->request.file);
    free((void *)(uintptr_t)item->request.model);
    free(item);
}

const struct item_request *item_request(const struct item *item)
{
    return &item->request;
}

const struct item_outcome *item_outcome(const struct item *item)
{
    return &item->outcome;
}

#endif
