/* What this CPU can do, as far as the choice of kernels depends on it. */
#ifndef CLASSIFYD_MODEL_KERNELS_CPU_H
#define CLASSIFYD_MODEL_KERNELS_CPU_H

#include <stdbool.h>

struct cpu_features {
    bool is_x86, is_amd;
    bool has_avx, has_avx2_fma; /* with the operating system's leave (XCR0) */
    bool has_avx512;            /* F, DQ, BW, VL and CD, as Skylake-SP, with XCR0 */
    bool has_avx512_vnni, has_avx512_bf16;
    bool has_amx; /* tile, int8 and bf16 units present and XCR0; not yet permission to use them */
};

/* Asks the CPU. Any thread, cheap. */
struct cpu_features cpu_probe(void);

/* Asks the system for leave to use AMX, for the process and all threads that it will start; signal
 * stacks (sigaltstack) must hold AT_MINSIGSTKSZ from then on. To be called before threads start.
 * Whether it was given says cpu_may_use_amx. */
void cpu_request_amx(void);

/* Whether the CPU has AMX and this process has leave to use it. Any thread. */
bool cpu_may_use_amx(void);

/* The CPU's own name ("AMD EPYC 7763"), or "unknown"; written with its end to `ret_name`. */
void cpu_name(char *ret_name, unsigned long size);

#endif
