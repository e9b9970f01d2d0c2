#include "server/pipeline/task.h"

#include <stdlib.h>

#include "model/base/alloc.h"

_Static_assert(offsetof(struct task, entry) == 0, "an entry's address is its task's");

enum status task_create(struct item *item, struct lane *lane, size_t top_k, struct task **ret_task,
                        struct error *error)
{
    struct task *task = calloc(1, sizeof *task);
    struct topk_entry *predictions = alloc_array(top_k, sizeof *predictions, SIZE_MAX);
    if (!task || !predictions) {
        free(predictions);
        free(task);
        return error_set(error, STATUS_NO_MEMORY, "no memory for an image now; try again");
    }
    task->item = item_retain(item);
    task->lane = lane;
    task->bytes = item_request(item)->bytes;
    task->slot = TASK_NO_SLOT;
    task->top_k = top_k;
    task->predictions = predictions;
    *ret_task = task;
    return STATUS_OK;
}

void task_destroy(struct task *task)
{
    if (!task)
        return;
    blob_release(task->fetched);
    free(task->predictions);
    item_release(task->item);
    free(task);
}
