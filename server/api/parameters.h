/* What a client may say beside its images: the same names and the same checks for a query, a form's
 * fields and JSON's. Pure. */
#ifndef CLASSIFYD_SERVER_API_PARAMETERS_H
#define CLASSIFYD_SERVER_API_PARAMETERS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/problem.h"

enum { PARAMETERS_MAX_MODEL_BYTES = 128 };

/* Zeroed: nothing was said. */
struct parameters {
    bool has_model, has_top_k, has_min_probability;
    char model[PARAMETERS_MAX_MODEL_BYTES + 1];
    uint32_t top_k;
    float min_probability;
};

/* Takes a value. Said again it must be the same. False: `problem` names the parameter and says what
 * is wrong (PROBLEM_BAD_REQUEST). */
bool parameters_set_model(struct parameters *parameters, const char *name, struct problem *problem);
bool parameters_set_top_k(struct parameters *parameters, int64_t top_k, struct problem *problem);
bool parameters_set_min_probability(struct parameters *parameters, double min_probability,
                                    struct problem *problem);

/* Whether `name` is one of them. */
bool parameters_has_name(const char *name);

/* The value as text, which is read first; `name` is one of them. */
bool parameters_set_text(struct parameters *parameters, const char *name, const char *value,
                         struct problem *problem);

/* Refuses a name that is none of theirs and none of `others` (NULL-ended), with the nearest of all:
 * "no field "topk"; did you mean top_k?". `kind`: "parameter", "field". */
void parameters_refuse_name(const char *name, const char *kind, const char *const *others,
                            struct problem *problem);

#endif
