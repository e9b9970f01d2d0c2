#include "model/kernels/blas/openblas.h"

#include <cblas.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARALLEL_OPENMP = 2 }; /* openblas_get_parallel: 0 sequential, 1 pthreads, 2 OpenMP */

/* The library is one a process, whoever asks: written once, under `once`, and only read after. */
static struct {
    __typeof__(cblas_sgemm) *sgemm;
    char description[96];
    struct error error;
} library;
static pthread_once_t once = PTHREAD_ONCE_INIT;

const char *openblas_core_type(const struct cpu_features *features)
{
    if (features->has_avx512)
        return "SkylakeX";
    if (features->has_avx2_fma)
        return features->is_amd ? "Zen" : "Haswell";
    return NULL;
}

void openblas_prepare_environment(void)
{
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    struct cpu_features features = cpu_probe();
    const char *core = openblas_core_type(&features);
    if (core)
        setenv("OPENBLAS_CORETYPE", core, 0);
}

/* "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..." down to the version. */
static void describe(const char *config, const char *core)
{
    char version[32] = "";
    if (sscanf(config, "OpenBLAS %31s", version) != 1)
        snprintf(version, sizeof version, "of unknown version");
    snprintf(library.description, sizeof library.description, "OpenBLAS %s, core %.40s", version,
             core);
}

static void load(void)
{
    void *handle = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror();
        error_set(&library.error, STATUS_UNSUPPORTED,
                  "OpenBLAS could not be loaded (%s); install libopenblas0-pthread, or run with "
                  "--kernels generic",
                  why);
        return;
    }
    __typeof__(openblas_get_parallel) *get_parallel = NULL;
    __typeof__(openblas_get_config) *get_config = NULL;
    __typeof__(openblas_get_corename) *get_corename = NULL;
    __typeof__(cblas_sgemm) *sgemm = NULL;
    /* POSIX says that dlsym's pointer may be copied to a function pointer this way; ISO C knows no
     * cast. */
    *(void **)(&get_parallel) = dlsym(handle, "openblas_get_parallel");
    *(void **)(&get_config) = dlsym(handle, "openblas_get_config");
    *(void **)(&get_corename) = dlsym(handle, "openblas_get_corename");
    *(void **)(&sgemm) = dlsym(handle, "cblas_sgemm");
    if (!get_parallel || !get_config || !get_corename || !sgemm) {
        error_set(&library.error, STATUS_UNSUPPORTED,
                  "libopenblas.so.0 is not an OpenBLAS with a C interface");
    } else if (get_parallel() == PARALLEL_OPENMP) {
        error_set(&library.error, STATUS_UNSUPPORTED,
                  "this OpenBLAS is built on OpenMP, whose threads get in our way; install "
                  "libopenblas0-pthread");
    } else {
        describe(get_config(), get_corename());
        library.sgemm = sgemm;
    }
    /* cppcheck-suppress resourceLeak; the library stays open until the process ends */
}

enum status openblas_open(struct error *error)
{
    pthread_once(&once, load);
    if (library.error.status != STATUS_OK)
        return error_set(error, library.error.status, "%s", library.error.text);
    return STATUS_OK;
}

const char *openblas_description(void)
{
    return library.description;
}

void openblas_sgemm(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                    size_t ldb, bool accumulate, float *c, size_t ldc)
{
    library.sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)m, (blasint)n, (blasint)k, 1.0f,
                  a, (blasint)lda, b, (blasint)ldb, accumulate ? 1.0f : 0.0f, c, (blasint)ldc);
}
