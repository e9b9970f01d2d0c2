#include "server/api/parameters.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/nearest.h"

static bool refuse_twice(const char *name, struct problem *problem)
{
    problem_set(problem, PROBLEM_BAD_REQUEST, "%s is given twice, with different values", name);
    return false;
}

bool parameters_set_model(struct parameters *parameters, const char *name, struct problem *problem)
{
    if (parameters->has_model && strcmp(parameters->model, name) != 0)
        return refuse_twice("model", problem);
    size_t length = strlen(name);
    if (length == 0 || length > PARAMETERS_MAX_MODEL_BYTES) {
        problem_set(problem, PROBLEM_BAD_REQUEST, "model must be a name of 1 to %d bytes",
                    PARAMETERS_MAX_MODEL_BYTES);
        return false;
    }
    memcpy(parameters->model, name, length + 1);
    parameters->has_model = true;
    return true;
}

bool parameters_set_top_k(struct parameters *parameters, int64_t top_k, struct problem *problem)
{
    if (top_k < 1 || top_k > UINT32_MAX) {
        problem_set(problem, PROBLEM_BAD_REQUEST,
                    "top_k is %" PRId64 "; it must be from 1 to the number of the model's classes",
                    top_k);
        return false;
    }
    if (parameters->has_top_k && parameters->top_k != (uint32_t)top_k)
        return refuse_twice("top_k", problem);
    parameters->top_k = (uint32_t)top_k;
    parameters->has_top_k = true;
    return true;
}

bool parameters_set_min_probability(struct parameters *parameters, double min_probability,
                                    struct problem *problem)
{
    if (!(min_probability >= 0 && min_probability <= 1)) { /* neither is NaN */
        problem_set(problem, PROBLEM_BAD_REQUEST, "min_probability is %g; it must be from 0 to 1",
                    min_probability);
        return false;
    }
    if (parameters->has_min_probability && parameters->min_probability != (float)min_probability)
        return refuse_twice("min_probability", problem);
    parameters->min_probability = (float)min_probability;
    parameters->has_min_probability = true;
    return true;
}

/* A number begins with a digit here: no white space, no sign but minus, no "inf". */
static bool is_number(const char *text)
{
    text += *text == '-';
    return *text >= '0' && *text <= '9';
}

static bool set_top_k_text(struct parameters *parameters, const char *value,
                           struct problem *problem)
{
    char *end;
    errno = 0;
    long long top_k = strtoll(value, &end, 10);
    if (is_number(value) && *end == '\0' && errno == 0)
        return parameters_set_top_k(parameters, top_k, problem);
    problem_set(problem, PROBLEM_BAD_REQUEST, "top_k must be a whole number, not \"%.40s\"", value);
    return false;
}

static bool set_min_probability_text(struct parameters *parameters, const char *value,
                                     struct problem *problem)
{
    char *end;
    double min_probability = strtod(value, &end);
    bool is_decimal =
        value[strspn(value, "-+.0123456789eE")] == '\0'; /* strtod takes hexadecimal */
    if (is_number(value) && is_decimal && *end == '\0')
        return parameters_set_min_probability(parameters, min_probability, problem);
    problem_set(problem, PROBLEM_BAD_REQUEST, "min_probability must be a number, not \"%.40s\"",
                value);
    return false;
}

static const struct {
    const char *name;
    bool (*set)(struct parameters *parameters, const char *value, struct problem *problem);
} table[] = {
    {"top_k", set_top_k_text},
    {"min_probability", set_min_probability_text},
    {"model", parameters_set_model},
};

enum { TABLE_COUNT = sizeof table / sizeof table[0] };

bool parameters_has_name(const char *name)
{
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (strcmp(table[i].name, name) == 0)
            return true;
    return false;
}

bool parameters_set_text(struct parameters *parameters, const char *name, const char *value,
                         struct problem *problem)
{
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].set(parameters, value, problem);
    problem_set(problem, PROBLEM_INTERNAL, "\"%.40s\" is no parameter", name);
    return false;
}

void parameters_refuse_name(const char *name, const char *kind, const char *const *others,
                            struct problem *problem)
{
    struct nearest nearest = {.wanted = name};
    for (size_t i = 0; i < TABLE_COUNT; i++)
        nearest_offer(&nearest, table[i].name);
    for (const char *const *other = others; *other; other++)
        nearest_offer(&nearest, *other);
    if (nearest.name)
        problem_set(problem, PROBLEM_BAD_REQUEST, "no %s \"%.40s\"; did you mean %s?", kind, name,
                    nearest.name);
    else
        problem_set(problem, PROBLEM_BAD_REQUEST,
                    "no %s \"%.40s\"; there are url, top_k, min_probability and model", kind, name);
}
