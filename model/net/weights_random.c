#include "model/net/weights_random.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "model/base/alloc.h"
#include "model/net/weights_table.h"

static const size_t max_bytes = (size_t)8 << 30;

/* SplitMix64 (Steele, Lea, Flood 2014), one stream a tensor. */
struct stream {
    uint64_t state;
};

enum fill { FILL_NORMAL, FILL_UNIFORM, FILL_CONSTANT };

/* Walks the network twice: once to count bytes (`values` is NULL), once to fill and add. */
struct builder {
    const struct weights_random_spec *spec;
    struct weights *weights;
    uint8_t *values;
    size_t used_bytes;
    struct error *error;
    enum status status;
};

struct shape {
    unsigned rank;
    uint64_t sizes[4];
};

static uint64_t draw_bits(struct stream *stream)
{
    uint64_t z = stream->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* From -1 up to, not including, 1. */
static double draw_signed(struct stream *stream)
{
    return (double)(draw_bits(stream) >> 11) * 0x1p-52 - 1.0;
}

/* Of a normal number. The C library's own may differ in the last bit between versions and CPUs;
 * this one is made of operations that IEEE 754 rounds the same everywhere: x = m 2^e with m around
 * 1, log m = 2 artanh((m - 1) / (m + 1)). */
static double natural_log(double x)
{
    int exponent;
    double mantissa = frexp(x, &exponent);
    if (mantissa < 0x1.6a09e667f3bcdp-1) { /* sqrt(1/2) */
        mantissa *= 2;
        exponent--;
    }
    double s = (mantissa - 1) / (mantissa + 1);
    double square = s * s, sum = 0;
    for (int k = 23; k > 0; k -= 2) /* |s| < 0.172: the term left out is below 2^-60 */
        sum = sum * square + 1.0 / k;
    return 2 * s * sum + exponent * 0x1.62e42fefa39efp-1;
}

/* Marsaglia's polar method: two independent normal values from two uniform ones. */
static void draw_normal(struct stream *stream, double *ret_a, double *ret_b)
{
    double u, v, square;
    do {
        u = draw_signed(stream);
        v = draw_signed(stream);
        square = u * u + v * v;
    } while (square >= 1 || square == 0);
    double factor = sqrt(-2 * natural_log(square) / square);
    *ret_a = u * factor;
    *ret_b = v * factor;
}

/* FNV-1a, so that a tensor's numbers do not move when another changes its size. */
static struct stream stream_of(uint64_t seed, const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 0x100000001b3u;
    struct stream stream = {seed};
    stream.state = draw_bits(&stream) ^ hash;
    return stream;
}

static void fill_values(float *values, size_t count, enum fill fill, double scale,
                        struct stream stream)
{
    double pair[2] = {scale, scale};
    for (size_t i = 0; i < count; i++) {
        if (fill == FILL_UNIFORM)
            pair[i % 2] = draw_signed(&stream);
        else if (fill == FILL_NORMAL && i % 2 == 0)
            draw_normal(&stream, &pair[0], &pair[1]);
        values[i] = (float)(fill == FILL_CONSTANT ? scale : pair[i % 2] * scale);
    }
}

static void add(struct builder *builder, const char *name, enum weights_type type,
                struct shape shape, enum fill fill, double scale)
{
    struct weights_tensor tensor = {.name = name, .type = type, .rank = shape.rank};
    size_t count = 1;
    for (unsigned axis = 0; axis < shape.rank; axis++) {
        tensor.shape[axis] = shape.sizes[axis];
        count *= shape.sizes[axis];
    }
    weights_table_set_dense_strides(&tensor);
    size_t element_bytes = type == WEIGHTS_I64 ? 8 : 4, bytes = count * element_bytes;
    uint8_t *values = builder->values ? builder->values + builder->used_bytes : NULL;
    builder->used_bytes += (bytes + 7) & ~(size_t)7;
    if (!values || builder->status != STATUS_OK)
        return;
    if (type == WEIGHTS_F32)
        fill_values((float *)(void *)values, count, fill, scale,
                    stream_of(builder->spec->seed, name));
    tensor.data = (struct span){values, bytes};
    builder->status = weights_table_add(builder->weights, &tensor, element_bytes, builder->error);
}

static void add_conv(struct builder *builder, const char *name, uint64_t out, uint64_t in,
                     uint64_t kernel_px)
{
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    double fan_out = (double)(out * kernel_px * kernel_px);
    add(builder, full, WEIGHTS_F32, (struct shape){4, {out, in, kernel_px, kernel_px}}, FILL_NORMAL,
        sqrt(2 / fan_out));
}

static void add_batch_norm(struct builder *builder, const char *name, uint64_t channels)
{
    static const struct {
        const char *name;
        double value;
    } parts[] = {{"weight", 1}, {"bias", 0}, {"running_mean", 0}, {"running_var", 1}};
    char full[64];
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(full, sizeof full, "%s.%s", name, parts[i].name);
        add(builder, full, WEIGHTS_F32, (struct shape){1, {channels}}, FILL_CONSTANT,
            parts[i].value);
    }
    snprintf(full, sizeof full, "%s.num_batches_tracked", name);
    add(builder, full, WEIGHTS_I64, (struct shape){0}, FILL_CONSTANT, 0);
}

/* "layer1.0.conv2.weight" and its BatchNorm. */
static void add_unit(struct builder *builder, const char *block, unsigned unit, uint64_t out,
                     uint64_t in, uint64_t kernel_px)
{
    char name[48];
    snprintf(name, sizeof name, "%s.conv%u", block, unit);
    add_conv(builder, name, out, in, kernel_px);
    snprintf(name, sizeof name, "%s.bn%u", block, unit);
    add_batch_norm(builder, name, out);
}

/* Returns the block's output channels. */
static uint64_t add_block(struct builder *builder, unsigned stage, unsigned block, uint64_t in)
{
    const struct weights_random_spec *spec = builder->spec;
    uint64_t planes = (uint64_t)64 << stage, out = spec->is_bottleneck ? planes * 4 : planes;
    char name[32], part[48];
    snprintf(name, sizeof name, "layer%u.%u", stage + 1, block);
    if (spec->is_bottleneck) {
        uint64_t mid = planes * spec->width_per_group / 64 * spec->groups;
        add_unit(builder, name, 1, mid, in, 1);
        add_unit(builder, name, 2, mid, mid / spec->groups, 3);
        add_unit(builder, name, 3, out, mid, 1);
    } else {
        add_unit(builder, name, 1, out, in, 3);
        add_unit(builder, name, 2, out, out, 3);
    }
    if (block == 0 && (stage > 0 || in != out)) {
        snprintf(part, sizeof part, "%s.downsample.0", name);
        add_conv(builder, part, out, in, 1);
        snprintf(part, sizeof part, "%s.downsample.1", name);
        add_batch_norm(builder, part, out);
    }
    return out;
}

static void add_network(struct builder *builder)
{
    const struct weights_random_spec *spec = builder->spec;
    uint64_t channels = 64;
    add_conv(builder, "conv1", channels, 3, 7);
    add_batch_norm(builder, "bn1", channels);
    for (unsigned stage = 0; stage < 4; stage++) {
        for (unsigned block = 0; block < spec->blocks[stage]; block++)
            channels = add_block(builder, stage, block, channels);
    }
    double bound = 1 / sqrt((double)channels);
    add(builder, "fc.weight", WEIGHTS_F32, (struct shape){2, {spec->classes, channels}},
        FILL_UNIFORM, bound);
    add(builder, "fc.bias", WEIGHTS_F32, (struct shape){1, {spec->classes}}, FILL_UNIFORM, bound);
}

enum status weights_random_create(const struct weights_random_spec *spec,
                                  struct weights **ret_weights, struct error *error)
{
    for (unsigned stage = 0; stage < 4; stage++)
        assert(spec->blocks[stage] >= 1 && spec->blocks[stage] <= 256);
    assert(spec->groups >= 1 && spec->groups <= 4096);
    assert(spec->width_per_group >= 1 && spec->width_per_group <= 4096);
    assert(spec->classes >= 1 && spec->classes <= 1 << 24);
    struct builder builder = {.spec = spec, .error = error};
    add_network(&builder);
    size_t bytes = builder.used_bytes;
    builder.used_bytes = 0;
    enum status status = weights_table_create("random", &builder.weights, error);
    if (status != STATUS_OK)
        return status;
    builder.values = builder.weights->values = alloc_array(bytes, 1, max_bytes);
    if (!builder.values) {
        status = error_set(error, STATUS_NO_MEMORY, "no memory for %zu bytes of weights", bytes);
        goto out;
    }
    add_network(&builder);
    status = builder.status;
    if (status == STATUS_OK)
        status = weights_table_finish(builder.weights, error);
    if (status == STATUS_OK) {
        *ret_weights = builder.weights;
        builder.weights = NULL;
    }
out:
    weights_table_destroy(builder.weights);
    return status;
}
