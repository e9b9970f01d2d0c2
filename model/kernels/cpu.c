#include "model/kernels/cpu.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Bits of XCR0, the register state that the operating system saves (Intel SDM volume 1, 13.3). */
enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xe6, XCR0_AMX = 0x60000 };

/* Linux gives the state of the tiles, 8 KiB a thread, to processes that asked for it (arch_prctl,
 * Documentation/arch/x86/xstate.rst). */
enum { GET_STATE_PERMISSION = 0x1022, REQUEST_STATE_PERMISSION = 0x1023, STATE_TILE_DATA = 18 };

static unsigned long long read_xcr0(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (unsigned long long)high << 32 | low;
}

static bool has_bits(unsigned value, unsigned bits)
{
    return (value & bits) == bits;
}

/* CPUID leaf 7, subleaves 0 and 1; `xcr0` says what of it may be used. */
static void probe_leaf_7(unsigned long long xcr0, struct cpu_features *features)
{
    unsigned eax, ebx, ecx, edx, eax1 = 0, unused;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
        return;
    if (eax >= 1)
        __get_cpuid_count(7, 1, &eax1, &unused, &unused, &unused);
    features->has_avx2_fma = features->has_avx2_fma && has_bits(ebx, bit_AVX2);
    bool may_avx512 = (xcr0 & XCR0_AVX512) == XCR0_AVX512;
    const unsigned skylake =
        bit_AVX512F | bit_AVX512DQ | bit_AVX512CD | bit_AVX512BW | bit_AVX512VL;
    features->has_avx512 = may_avx512 && has_bits(ebx, skylake);
    features->has_avx512_vnni = features->has_avx512 && has_bits(ecx, bit_AVX512VNNI);
    features->has_avx512_bf16 = features->has_avx512 && has_bits(eax1, 1u << 5);
    const unsigned amx = 1u << 22 | 1u << 24 | 1u << 25; /* AMX-BF16, AMX-TILE, AMX-INT8 */
    features->has_amx = may_avx512 && (xcr0 & XCR0_AMX) == XCR0_AMX && has_bits(edx, amx);
}

struct cpu_features cpu_probe(void)
{
    struct cpu_features features = {.is_x86 = true};
    unsigned eax, ebx, ecx, edx;
    if (__get_cpuid(0, &eax, &ebx, &ecx, &edx))
        features.is_amd =
            ebx == signature_AMD_ebx && ecx == signature_AMD_ecx && edx == signature_AMD_edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !has_bits(ecx, bit_OSXSAVE))
        return features;
    unsigned long long xcr0 = read_xcr0();
    features.has_avx = (xcr0 & XCR0_AVX) == XCR0_AVX && has_bits(ecx, bit_AVX);
    features.has_avx2_fma = features.has_avx && has_bits(ecx, bit_FMA);
    probe_leaf_7(xcr0, &features);
    return features;
}

void cpu_request_amx(void)
{
    if (cpu_probe().has_amx)
        syscall(SYS_arch_prctl, REQUEST_STATE_PERMISSION, STATE_TILE_DATA);
}

bool cpu_may_use_amx(void)
{
    unsigned long permitted = 0;
    return cpu_probe().has_amx && syscall(SYS_arch_prctl, GET_STATE_PERMISSION, &permitted) == 0 &&
           permitted >> STATE_TILE_DATA & 1;
}

void cpu_name(char *ret_name, unsigned long size)
{
    unsigned words[12] = {0};
    bool is_named = true;
    for (unsigned i = 0; i < 3; i++)
        is_named = is_named && __get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1],
                                           &words[4 * i + 2], &words[4 * i + 3]);
    char name[sizeof words + 1] = {0};
    memcpy(name, words, sizeof words);
    const char *start = name + strspn(name, " ");
    snprintf(ret_name, size, "%s", is_named && *start ? start : "unknown");
}

#else

struct cpu_features cpu_probe(void)
{
    return (struct cpu_features){0};
}

void cpu_request_amx(void)
{
}

bool cpu_may_use_amx(void)
{
    return false;
}

void cpu_name(char *ret_name, unsigned long size)
{
    snprintf(ret_name, size, "unknown");
}

#endif
