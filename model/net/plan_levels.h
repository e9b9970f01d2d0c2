/* Chooses how many images go through which steps together. */
#ifndef CLASSIFYD_MODEL_NET_PLAN_LEVELS_H
#define CLASSIFYD_MODEL_NET_PLAN_LEVELS_H

#include "model/net/plan.h"

/* Sets the plan's levels; its steps and their tensors' geometry are complete. `images_per_pass` > 0
 * makes one level of all steps. */
void plan_levels_choose(uint32_t images_per_pass, struct plan *plan);

/* The level of a step. */
size_t plan_levels_of(const struct plan *plan, size_t step);

#endif
