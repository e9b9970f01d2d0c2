/* Steps of a plan and the kernels that run them.
 *
 * A plan is a list of steps; a step says everything about its operation as data: geometry, layouts,
 * packing and epilogue. A kernel set holds one kernel a kind of step for one instruction set; what
 * its kernel does not support falls to generic/, which supports every step and is the definition of
 * correct. */
#ifndef CLASSIFYD_MODEL_KERNELS_KERNELS_H
#define CLASSIFYD_MODEL_KERNELS_KERNELS_H

#include <stdbool.h>

#include "model/base/status.h"
#include "model/kernels/tensor.h"

enum step_op {
    STEP_CONV_INPUT,
    STEP_CONV,
    STEP_MAX_POOL,
    STEP_AVERAGE_POOL,
    STEP_LINEAR,
    STEP_OP_COUNT
};

/* How the products of a convolution are formed. STEP_INT8 is exact: u8 activations times s8
 * weights, summed in int32; model/kernels/requantize.h says how a sum becomes an output. */
enum step_arithmetic { STEP_FLOAT32, STEP_BF16, STEP_INT8 };

/* What its activations are stored as. */
static inline enum tensor_type step_tensor_type(enum step_arithmetic arithmetic)
{
    return arithmetic == STEP_INT8 ? TENSOR_U8 : arithmetic == STEP_BF16 ? TENSOR_BF16 : TENSOR_F32;
}

struct kernel;

/* One operation of the plan. A convolution is out = relu?(conv(input) + projection? + residual? +
 * bias): `residual` may lie where `output` does; the projection is a 1x1 convolution of
 * `projection` (a block's shortcut), extra K to the same sum. STEP_CONV_INPUT reads the batch slots
 * instead of `input` and normalises. STEP_LINEAR is a 1x1 convolution of one pixel. */
struct step {
    enum step_op op;
    enum step_arithmetic arithmetic;
    char name[64];              /* the graph layer's */
    size_t layer;               /* index into the graph's layers */
    const struct tensor *input; /* STEP_CONV_INPUT: shape of a slot, u8 dense; no address */
    const struct tensor *output;
    const struct tensor *residual;   /* NULL: none */
    const struct tensor *projection; /* NULL: none */
    uint32_t projection_stride_px;
    uint32_t kernel_px, stride_px, pad_px, groups;
    bool has_relu;
    float mean[3], std[3]; /* STEP_CONV_INPUT: of pixels scaled to 0..1 */
    const struct kernel *kernel;
    const void *packed; /* in the kernel's own layout, 64-byte aligned */
    size_t packed_bytes;
    size_t scratch_bytes; /* a thread */
};

/* The folded weights of a convolution or linear step, row-major float32; reachable as long as
 * packing. */
struct step_weights {
    const float *weight;     /* [out, kernel_px, kernel_px, in/groups] */
    const float *bias;       /* [out]; the projection's is already added */
    const float *projection; /* [out, projection channels], or NULL */
    const float *scale; /* [out]: the real value of one step of the int32 sum; STEP_INT8 only */
};

/* Where one image's input lies; see engine.h. */
struct step_slot {
    enum tensor_type type;
    const void *data; /* [h, w, 3] dense */
};

/* One pass of a step over some images of the batch. */
struct step_run {
    const struct step *step;
    uint8_t *const *buffers;       /* the activation buffers, by tensor.buffer */
    const struct step_slot *slots; /* [images], STEP_CONV_INPUT only; slots[0] is first_image's */
    size_t first_image, images;    /* which images of the tensors */
};

/* A kernel's work is cut into units, numbered from 0. The cut depends on the step and the number of
 * images, never on the threads; whoever runs a unit writes the same bits, in any order, beside any
 * other. */
struct kernel {
    const char *name; /* <op>_<dtype>_<tile>_<isa> */
    bool (*supports)(const struct step *step);
    size_t (*packed_bytes)(const struct step *step);
    /* NULL for a kernel without weights, whose packed_bytes is 0. */
    void (*pack)(const struct step *step, const struct step_weights *weights, void *ret_packed);
    size_t (*scratch_bytes)(const struct step *step);
    size_t (*units)(const struct step *step, size_t images);
    /* Units [first, last). `scratch` is the thread's own, 64-byte aligned. */
    void (*run)(const struct step_run *run, size_t first, size_t last, void *scratch);
};

/* How a set wants activations laid out. */
struct kernel_layout {
    uint32_t
        image_pixel_multiple; /* an image's pixels are padded to this many rows of a GEMM, zeroed */
    bool has_halo;            /* zeros around what a convolution with padding reads */
    uint32_t pixel_multiple_bytes; /* a pixel is padded to a multiple of it; 0: dense */
};

/* A pixel of this many bytes or more that is a power of two gets pixel_multiple_bytes more: its
 * neighbours would share the sets of the first cache otherwise. */
enum { KERNELS_POWER_OF_TWO_BYTES = 512 };

struct kernel_set {
    const char *name; /* "generic", "blas", "avx2", "avx512" */
    uint32_t version; /* of the packed layouts; a packed file of another is stale */
    struct kernel_layout layout;
    const struct kernel *const *kernels;       /* best first, NULL behind the last */
    enum step_arithmetic preferred_arithmetic; /* of "auto": bf16 where it costs half, without a
                                                  calibration */
};

/* The set of that name ("auto" or NULL: the best that this machine can run). Opens what the set
 * needs (OpenBLAS). Fails with STATUS_BAD_REQUEST for an unknown name, STATUS_UNSUPPORTED where the
 * machine cannot run it. Any thread; may block on loading a library. */
MUST_CHECK enum status kernels_choose(const char *name, const struct kernel_set **ret_set,
                                      struct error *error);

/* The name of set `index`, best first; NULL behind the last. Any thread. */
const char *kernels_name(size_t index);

/* The kernel that runs `step` in `set`: the first of its own that supports the step, else of what
 * it falls back to; generic supports every step. Never NULL. */
const struct kernel *kernels_for_step(const struct kernel_set *set, const struct step *step);

/* A line on what runs: "OpenBLAS 0.3.21, core Zen". Borrowed, valid for ever. */
const char *kernels_description(const struct kernel_set *set);

/* Sets what libraries read from the environment when they are loaded (OPENBLAS_CORETYPE,
 * OPENBLAS_NUM_THREADS), and asks for leave to use AMX. To be called first in main, before any
 * thread. */
void kernels_prepare_process(void);

#endif
