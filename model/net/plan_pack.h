/* Folds and packs a plan's weights into one block. */
#ifndef CLASSIFYD_MODEL_NET_PLAN_PACK_H
#define CLASSIFYD_MODEL_NET_PLAN_PACK_H

#include "model/net/plan.h"

/* Fills plan->packed and each step's `packed`. The plan's steps are complete otherwise. Fails with
 * STATUS_BAD_MODEL, STATUS_NO_MEMORY. */
MUST_CHECK enum status plan_pack(const struct graph *graph, const struct plan_options *options,
                                 struct plan *plan, struct error *error);

#endif
