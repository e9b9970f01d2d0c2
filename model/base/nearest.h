/* The name that was probably meant, for "did you mean". */
#ifndef CLASSIFYD_MODEL_BASE_NEAREST_H
#define CLASSIFYD_MODEL_BASE_NEAREST_H

/* Offers one candidate at a time. Zeroed but for `wanted` before the first. */
struct nearest {
    const char *wanted;
    const char *name; /* the best so far, borrowed; NULL where nothing came close */
    unsigned distance;
};

/* Keeps `name` where it is nearer to `wanted` than what came before, and near enough to be meant: a
 * third of its letters may differ, or `wanted` begins it. */
void nearest_offer(struct nearest *nearest, const char *name);

#endif
