/* AMX for tests on a CPU without it: the machine code of our kernels runs, each tile instruction
 * carried out by a handler of SIGILL. Everything else runs on the CPU, so the tests need AVX-512
 * for the kernels around the tiles.
 *
 * Carried out as Intel's manuals (SDM volume 2; the exceptions' classes AMX-E1 to E6) have it:
 * LDTILECFG, STTILECFG, TILERELEASE, TILEZERO, TILELOADD, TILELOADDT1, TILESTORED, TDPBSSD,
 * TDPBSUD, TDPBUSD, TDPBUUD and TDPBF16PS. What a CPU would answer with #UD or #GP ends the process
 * with a line that says why. */
#ifndef CLASSIFYD_TESTS_SUPPORT_AMX_EMULATOR_H
#define CLASSIFYD_TESTS_SUPPORT_AMX_EMULATOR_H

#include <stdbool.h>
#include <ucontext.h>

enum amx_emulator_state {
    AMX_EMULATOR_ON,       /* tile instructions trap into the emulator */
    AMX_EMULATOR_HARDWARE, /* the CPU has AMX and this process may use it: nothing was installed */
    AMX_EMULATOR_UNSUPPORTED, /* not x86, or a CPU without FMA */
};

/* Takes SIGILL for the process, on an alternate stack for the calling thread; other threads take it
 * on their own. A test framework that takes SIGILL around each test makes this a test's first call.
 * Every thread begins without tiles. */
enum amx_emulator_state amx_emulator_install(void);

/* Carries out the instruction at the context's program counter on the calling thread's emulated
 * tiles and steps over it; false, and nothing done, where it is not of AMX. The handler is made of
 * it; tests compare it with the hardware. */
bool amx_emulator_execute(ucontext_t *context);

/* Tile instructions carried out so far, by all threads: that a kernel really used them. */
unsigned long amx_emulator_count(void);

#endif
