/* What a plan's packed weights depend on, as one number. */
#ifndef CLASSIFYD_MODEL_NET_PLAN_KEY_H
#define CLASSIFYD_MODEL_NET_PLAN_KEY_H

#include "model/net/plan.h"

/* Of the plan's steps and their kernels, the options and, where they name a cache, its source: two
 * plans of one key pack the same bytes, unless a layout changed without its set's version. The
 * plan's steps are complete but for `packed`. Any thread. */
uint64_t plan_key(const struct plan *plan, const struct plan_options *options);

#endif
