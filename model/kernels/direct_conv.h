/* Direct convolutions, without a matrix in between: what the kernels of several instruction sets
 * share. Each of them brings one inner function; packing, the cut into units and the pointers are
 * here.
 *
 * Output pixels of all images of a pass stand in one row and are cut into strips, strips into tiles
 * of a few pixels. An inner function computes a panel (so many output channels) of a strip. For
 * each pixel it is given a pointer to its first tap; the other taps lie at offsets that are the
 * same for all pixels, since the zeros around an image are there to be read (tensor.halo_px). K
 * goes through in steps of four bytes: one float32, two bfloat16 or four u8. A block's projection
 * is more steps, on pointers of its own. A tile leaves out the taps that would read zeros alone,
 * see pixel_order.h.
 *
 * An output's sum is formed in the order of the segments whatever strip, tile or batch it is in. */
#ifndef CLASSIFYD_MODEL_KERNELS_DIRECT_CONV_H
#define CLASSIFYD_MODEL_KERNELS_DIRECT_CONV_H

#include "model/kernels/kernels.h"

enum {
    DIRECT_CONV_STEP_BYTES = 4,
    DIRECT_CONV_MAX_SEGMENTS = 64,
    DIRECT_CONV_MAX_STRIP = 192, /* pixels */
    DIRECT_CONV_MAX_TILE = 16,
    DIRECT_CONV_MAX_PANEL = 64, /* channels */
};

/* K steps in a row. */
struct direct_conv_segment {
    uint32_t source;     /* which array of pointers: 0 the input, 1 the projection's */
    uint32_t first_step; /* of the panel's weights */
    uint32_t steps;
    size_t offset_bytes; /* from the pixel's pointer */
};

/* One panel of one strip. Behind the strip's last pixel the arrays go on to a whole tile, with
 * pointers to memory that may be read and written and is nobody's. */
struct direct_conv_panel {
    const uint8_t *const *pixels[2]; /* [tiles * tile pixels], by segment.source */
    uint8_t *const *output;          /* likewise; a pixel's channel 0 */
    const uint8_t *const *residual;  /* likewise, or NULL */
    size_t tiles;
    const struct direct_conv_segment *segments;
    size_t segment_count;
    size_t fetch_bytes;         /* of each pixel's input that may be asked for a tile ahead */
    size_t source_offset_bytes; /* to be added to every segment's: the group's first channel */
    size_t first_channel;       /* of the output and the residual */
    size_t channels;            /* to be written, 1..the panel's width */
    const void *weights;        /* [K step][panel channels][elements of a step], 64-byte aligned */
    const float *multiplier;    /* [panel channels], see requantize.h */
    const float *offset;        /* [panel channels] */
    float residual_multiplier;
    enum tensor_type output_type, residual_type;
    bool has_relu;
};

/* An instruction set's way with one arithmetic. */
struct direct_conv {
    enum step_arithmetic arithmetic;
    /* K steps hold elements of twice the size, for an instruction set that multiplies no others:
     * STEP_BF16 one float32, STEP_INT8 two s16 (activations: 0..255). */
    bool is_widened;
    uint32_t tile_px; /* <= DIRECT_CONV_MAX_TILE */
    /* By panel width, ascending; ends with a width of 0. Wider steps take several of the last. */
    struct {
        uint32_t channels;
        void (*run)(const struct direct_conv_panel *panel);
    } panels[4];
};

/* The functions of struct kernel, for STEP_CONV and STEP_LINEAR (whose images are pixels). Input:
 * with a halo as wide as the padding, of the arithmetic's type (STEP_BF16: or u8). What is not of
 * the K steps' type is copied to the scratch first. Output and residual, where there is one:
 * STEP_FLOAT32 float32 both; STEP_INT8 u8 or float32, residual u8; STEP_BF16 the same type both, or
 * float32 with a residual of another.
 */
bool direct_conv_supports(const struct direct_conv *conv, const struct step *step);
size_t direct_conv_packed_bytes(const struct direct_conv *conv, const struct step *step);
void direct_conv_pack(const struct direct_conv *conv, const struct step *step,
                      const struct step_weights *weights, void *ret_packed);
size_t direct_conv_scratch_bytes(const struct direct_conv *conv, const struct step *step);
size_t direct_conv_units(const struct direct_conv *conv, const struct step *step, size_t images);
void direct_conv_run(const struct direct_conv *conv, const struct step_run *run, size_t first,
                     size_t last, void *scratch);

/* The same for STEP_CONV_INPUT: a unit is one output row, whose input rows are normalised or copied
 * to the scratch first. */
bool direct_conv_input_supports(const struct direct_conv *conv, const struct step *step);
size_t direct_conv_input_packed_bytes(const struct direct_conv *conv, const struct step *step);
void direct_conv_input_pack(const struct direct_conv *conv, const struct step *step,
                            const struct step_weights *weights, void *ret_packed);
size_t direct_conv_input_scratch_bytes(const struct direct_conv *conv, const struct step *step);
size_t direct_conv_input_units(const struct direct_conv *conv, const struct step *step,
                               size_t images);
void direct_conv_input_run(const struct direct_conv *conv, const struct step_run *run, size_t first,
                           size_t last, void *scratch);

/* Defines `const struct kernel name` whose functions are those above: `family` is direct_conv or
 * direct_conv_input, `conv` a const struct direct_conv, `is_usable` an expression (what the CPU
 * must have beside what the set needs). struct kernel's functions carry no data of their own, so
 * each kernel needs its own set of them. */
#define DIRECT_CONV_KERNEL(kernel_name, family, conv, is_usable)                                   \
    static bool kernel_name##_supports(const struct step *step)                                    \
    {                                                                                              \
        return (is_usable) && family##_supports(&(conv), step);                                    \
    }                                                                                              \
    static size_t kernel_name##_packed_bytes(const struct step *step)                              \
    {                                                                                              \
        return family##_packed_bytes(&(conv), step);                                               \
    }                                                                                              \
    static void kernel_name##_pack(const struct step *step, const struct step_weights *weights,    \
                                   void *ret_packed)                                               \
    {                                                                                              \
        family##_pack(&(conv), step, weights, ret_packed);                                         \
    }                                                                                              \
    static size_t kernel_name##_scratch_bytes(const struct step *step)                             \
    {                                                                                              \
        return family##_scratch_bytes(&(conv), step);                                              \
    }                                                                                              \
    static size_t kernel_name##_units(const struct step *step, size_t images)                      \
    {                                                                                              \
        return family##_units(&(conv), step, images);                                              \
    }                                                                                              \
    static void kernel_name##_run(const struct step_run *run, size_t first, size_t last,           \
                                  void *scratch)                                                   \
    {                                                                                              \
        family##_run(&(conv), run, first, last, scratch);                                          \
    }                                                                                              \
    const struct kernel kernel_name = {                                                            \
        .name = #kernel_name,                                                                      \
        .supports = kernel_name##_supports,                                                        \
        .packed_bytes = kernel_name##_packed_bytes,                                                \
        .pack = kernel_name##_pack,                                                                \
        .scratch_bytes = kernel_name##_scratch_bytes,                                              \
        .units = kernel_name##_units,                                                              \
        .run = kernel_name##_run,                                                                  \
    }

#endif
