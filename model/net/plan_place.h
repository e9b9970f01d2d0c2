/* Places a plan's tensors in as few buffers as their lifetimes allow. */
#ifndef CLASSIFYD_MODEL_NET_PLAN_PLACE_H
#define CLASSIFYD_MODEL_NET_PLAN_PLACE_H

#include "model/net/plan.h"

/* Sets each tensor's `buffer` and the plan's buffers. The plan's steps are complete but for their
 * packed weights. A step whose residual nobody reads again writes over it where both take the same
 * places. Fails with STATUS_NO_MEMORY. */
MUST_CHECK enum status plan_place(struct plan *plan, struct error *error);

#endif
