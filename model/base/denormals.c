#include "model/base/denormals.h"

#if defined(__x86_64__)
enum {
    DENORMALS_ARE_ZERO = 1 << 6,
    FLUSH_TO_ZERO = 1 << 15,
    FLUSH = DENORMALS_ARE_ZERO | FLUSH_TO_ZERO
};

static uint64_t read_state(void)
{
    return __builtin_ia32_stmxcsr();
}

static void write_state(uint64_t state)
{
    __builtin_ia32_ldmxcsr((uint32_t)state);
}
#elif defined(__aarch64__)
enum { FLUSH = 1 << 24 };

static uint64_t read_state(void)
{
    uint64_t state;
    __asm__ volatile("mrs %0, fpcr" : "=r"(state));
    return state;
}

static void write_state(uint64_t state)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(state));
}
#else
enum { FLUSH = 0 };

static uint64_t read_state(void)
{
    return 0;
}

static void write_state(uint64_t state)
{
    (void)state;
}
#endif

uint64_t denormals_flush(void)
{
    uint64_t before = read_state();
    write_state(before | FLUSH);
    return before;
}

void denormals_restore(uint64_t before)
{
    write_state(before);
}
