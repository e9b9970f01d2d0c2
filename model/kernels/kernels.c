#include "model/kernels/kernels.h"

#include <assert.h>
#include <string.h>

#include "model/kernels/amx/amx_set.h"
#include "model/kernels/avx2/avx2_set.h"
#include "model/kernels/avx512/avx512_set.h"
#include "model/kernels/blas/blas_set.h"
#include "model/kernels/blas/openblas.h"
#include "model/kernels/cpu.h"
#include "model/kernels/generic/generic_set.h"

#if defined(__x86_64__)
static enum status open_avx2(struct error *error)
{
    if (cpu_probe().has_avx2_fma)
        return STATUS_OK;
    return error_set(error, STATUS_UNSUPPORTED,
                     "this CPU (or the system it runs) has no AVX2 with FMA; try --kernels auto");
}

static const char *describe_avx2(void)
{
    return "AVX2 with FMA";
}

static enum status open_avx512(struct error *error)
{
    if (cpu_probe().has_avx512)
        return STATUS_OK;
    return error_set(error, STATUS_UNSUPPORTED,
                     "this CPU (or the system it runs) has no AVX-512; try --kernels auto");
}

static enum status open_amx(struct error *error)
{
    struct cpu_features cpu = cpu_probe();
    if (cpu.has_avx512_bf16 && cpu_may_use_amx())
        return STATUS_OK;
    return error_set(error, STATUS_UNSUPPORTED,
                     cpu.has_amx
                         ? "the system gives this process no leave to use AMX (Linux 5.16 "
                           "gives it, unless a sandbox forbids arch_prctl); try --kernels "
                           "auto"
                         : "this CPU (or the system it runs) has no AMX; try --kernels auto");
}

static const char *describe_amx(void)
{
    return "AMX with int8 and BF16, AVX-512";
}

/* Tensors are laid out as those kernels want them that it falls back to. */
static const struct kernel_set amx_set = {
    .name = "amx",
    .version = 1,
    .layout = {.image_pixel_multiple = 1, .has_halo = true, .pixel_multiple_bytes = 64},
    .kernels = amx_set_kernels,
    .preferred_arithmetic = STEP_BF16,
};

static const char *describe_avx512(void)
{
    struct cpu_features cpu = cpu_probe();
    return cpu.has_avx512_bf16   ? "AVX-512 with VNNI and BF16"
           : cpu.has_avx512_vnni ? "AVX-512 with VNNI"
                                 : "AVX-512";
}
#endif

/* Best first: "auto" takes the first that opens. `fallback`, of the same layout, is asked for the
 * steps that no kernel of the set supports; NULL: generic is. */
static const struct {
    const struct kernel_set *set;
    const struct kernel_set *fallback;
    enum status (*open)(struct error *error);
    const char *(*describe)(void);
} sets[] = {
#if defined(__x86_64__)
    {&amx_set, &avx512_set, open_amx, describe_amx},
    {&avx512_set, &avx2_set, open_avx512, describe_avx512},
    {&avx2_set, NULL, open_avx2, describe_avx2},
#endif
    {&blas_set, NULL, openblas_open, openblas_description},
    {&generic_set, NULL, NULL, NULL},
};

enum { SET_COUNT = sizeof sets / sizeof *sets };

static enum status open_set(size_t index, const struct kernel_set **ret_set, struct error *error)
{
    enum status status = sets[index].open ? sets[index].open(error) : STATUS_OK;
    if (status == STATUS_OK)
        *ret_set = sets[index].set;
    return status;
}

enum status kernels_choose(const char *name, const struct kernel_set **ret_set, struct error *error)
{
    bool is_auto = !name || strcmp(name, "auto") == 0;
    for (size_t i = 0; i < SET_COUNT; i++) {
        if (is_auto && open_set(i, ret_set, NULL) == STATUS_OK)
            return STATUS_OK;
        if (!is_auto && strcmp(name, sets[i].set->name) == 0)
            return open_set(i, ret_set, error);
    }
    return error_set(error, STATUS_BAD_REQUEST,
                     "no kernel set '%s'; there are auto, amx, avx512, avx2, blas and generic",
                     name);
}

const char *kernels_name(size_t index)
{
    return index < SET_COUNT ? sets[index].set->name : NULL;
}

static const struct kernel *find_kernel(const struct kernel_set *set, const struct step *step)
{
    for (size_t i = 0; set->kernels[i]; i++)
        if (set->kernels[i]->supports(step))
            return set->kernels[i];
    return NULL;
}

static const struct kernel_set *fallback_of(const struct kernel_set *set)
{
    for (size_t i = 0; i < SET_COUNT; i++)
        if (sets[i].set == set && sets[i].fallback)
            return sets[i].fallback;
    return set == &generic_set ? NULL : &generic_set;
}

const struct kernel *kernels_for_step(const struct kernel_set *set, const struct step *step)
{
    const struct kernel *kernel = NULL;
    for (; set && !kernel; set = fallback_of(set))
        kernel = find_kernel(set, step);
    assert(kernel);
    return kernel;
}

const char *kernels_description(const struct kernel_set *set)
{
    for (size_t i = 0; i < SET_COUNT; i++)
        if (sets[i].set == set && sets[i].describe)
            return sets[i].describe();
    return "plain C";
}

void kernels_prepare_process(void)
{
    openblas_prepare_environment();
    cpu_request_amx();
}
