/* Writes what the reader of weight files sees, for test_weights.py to compare with PyTorch.
 *
 * Usage: dump_weights FILE OUT, or dump_weights random:NAME:SEED OUT. Standard output: the format,
 * then a line a tensor: name, type, shape. OUT: the floating tensors as float32, in that order. On
 * failure standard error has "code: text" and the exit status is 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"
#include "model/net/architecture.h"
#include "model/net/weights.h"
#include "model/net/weights_random.h"

static const char random_prefix[] = "random:";

static enum status open_random(char *name, struct weights **ret_weights, struct error *error)
{
    char *seed = strchr(name, ':');
    if (seed)
        *seed++ = 0;
    const struct architecture *architecture = architecture_find(name);
    if (!seed || !architecture)
        return error_set(error, STATUS_BAD_REQUEST, "random:NAME:SEED is wanted");
    struct weights_random_spec spec = {
        .is_bottleneck = architecture->is_bottleneck,
        .groups = architecture->groups,
        .width_per_group = architecture->width_per_group,
        .classes = 1000,
        .seed = strtoull(seed, NULL, 0),
    };
    memcpy(spec.blocks, architecture->blocks, sizeof spec.blocks);
    return weights_random_create(&spec, ret_weights, error);
}

static enum status dump_tensor(const struct weights_tensor *tensor, FILE *out, struct error *error)
{
    printf("%s\t%s\t", tensor->name, weights_type_name(tensor->type));
    for (unsigned axis = 0; axis < tensor->rank; axis++)
        printf("%s%llu", axis ? "," : "", (unsigned long long)tensor->shape[axis]);
    printf("\n");
    if (tensor->type == WEIGHTS_I64 || tensor->type == WEIGHTS_OTHER)
        return STATUS_OK;
    float *values = alloc_array(tensor->count, sizeof *values, SIZE_MAX);
    if (!values)
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    enum status status = weights_copy_f32(tensor, values, error);
    if (status == STATUS_OK && fwrite(values, sizeof *values, tensor->count, out) != tensor->count)
        status = error_set(error, STATUS_IO, "cannot write");
    free(values);
    return status;
}

static enum status dump(const struct weights *weights, FILE *out, struct error *error)
{
    printf("%s\n", weights_format(weights));
    enum status status = STATUS_OK;
    for (size_t i = 0; i < weights_count(weights) && status == STATUS_OK; i++)
        status = dump_tensor(weights_at(weights, i), out, error);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: dump_weights FILE|random:NAME:SEED OUT\n");
        return 2;
    }
    struct weights *weights = NULL;
    struct error error = {0};
    bool is_random = strncmp(argv[1], random_prefix, sizeof random_prefix - 1) == 0;
    enum status status = is_random
                             ? open_random(argv[1] + sizeof random_prefix - 1, &weights, &error)
                             : weights_open(argv[1], &weights, &error);
    FILE *out = status == STATUS_OK ? fopen(argv[2], "wb") : NULL;
    if (status == STATUS_OK && !out)
        status = error_set(&error, STATUS_IO, "%s: cannot be written", argv[2]);
    if (out) {
        status = dump(weights, out, &error);
        if (fclose(out) != 0 && status == STATUS_OK)
            status = error_set(&error, STATUS_IO, "%s: cannot be written", argv[2]);
    }
    weights_destroy(weights);
    if (status == STATUS_OK)
        return EXIT_SUCCESS;
    fprintf(stderr, "%s: %s\n", status_code(status), error.text);
    return EXIT_FAILURE;
}
