/* How the stages move an item on and finish it; for the pipeline's own files and for job.c. */
#ifndef CLASSIFYD_SERVER_PIPELINE_ITEM_PROGRESS_H
#define CLASSIFYD_SERVER_PIPELINE_ITEM_PROGRESS_H

#include "server/metrics.h"
#include "server/pipeline/item.h"

/* What a run of the model found out. */
struct item_answer {
    size_t prediction_count;
    struct topk_entry *predictions; /* owned; taken by the finish that wins, which writes NULL */
    struct image_info info;
    struct item_times times; /* total_us is the finish's to fill in */
    size_t batch_size;
};

/* Has `finished` called once, by whoever finishes the item, after its outcome is written, with no
 * lock held. Before the item is known to a second thread. */
void item_watch(struct item *item, void (*finished)(void *user), void *user);

/* The pipeline takes the item on: from now on its problem, if it comes to one, is counted in
 * `metrics` (may be NULL), exactly once, also where it was finished before this call. Whether it is
 * live. Once; any thread. */
bool item_begin(struct item *item, struct metrics *metrics);

/* Any thread; for the outcome of whoever finishes. */
void item_set_stage(struct item *item, enum item_stage stage);
void item_set_model(struct item *item, const struct model *model);

/* Whether nobody has finished it yet; asked at each hand-over. Any thread; an atomic read. */
bool item_is_live(const struct item *item);

/* The first of all calls of the two finishes the item: writes the outcome, then calls what
 * item_watch was given, which may end everything but the caller's own reference to the item. The
 * others return false and have touched nothing. Cannot fail. Any thread, no lock held. */
bool item_finish_problem(struct item *item, enum problem_code code, const char *detail);
bool item_finish_answer(struct item *item, struct item_answer *answer);

#endif
