/* The AMX emulator's instructions, as the assembler encodes them, against plain C: odd shapes,
 * extreme values, every form of address, every refusal. On a CPU with AMX the same checks are of
 * the hardware, and the emulator is compared with it bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/amx_emulator.h"

enum { ROWS = 16, ROW_BYTES = 64, STRIDE = 80 };

/* As LDTILECFG reads it. */
struct config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/* One instruction on the memory at %rdi, with the stride in %rsi. */
typedef void stub(void *memory, long stride);
#define STUB(name, instruction)                                                                    \
    stub name;                                                                                     \
    __asm__(".pushsection .text\n" #name ":\n\t" instruction "\n\tret\n.popsection\n")

STUB(stub_configure, "ldtilecfg (%rdi)");
STUB(stub_read_configuration, "sttilecfg (%rdi)");
STUB(stub_release, "tilerelease");
STUB(stub_zero_0, "tilezero %tmm0");
STUB(stub_load_0, "tileloadd (%rdi,%rsi,1), %tmm0");
STUB(stub_load_1, "tileloadd (%rdi,%rsi,1), %tmm1");
STUB(stub_load_2, "tileloaddt1 (%rdi,%rsi,1), %tmm2");
STUB(stub_load_7, "tileloadd (%rdi,%rsi,1), %tmm7");
STUB(stub_store_0, "tilestored %tmm0, (%rdi,%rsi,1)");
STUB(stub_tdpbssd, "tdpbssd %tmm2, %tmm1, %tmm0");
STUB(stub_tdpbsud, "tdpbsud %tmm2, %tmm1, %tmm0");
STUB(stub_tdpbusd, "tdpbusd %tmm2, %tmm1, %tmm0");
STUB(stub_tdpbuud, "tdpbuud %tmm2, %tmm1, %tmm0");
STUB(stub_tdpbf16ps, "tdpbf16ps %tmm2, %tmm1, %tmm0");
/* tdpbssd %tmm1, %tmm1, %tmm0, which the assembler refuses */
STUB(stub_same_tiles, ".byte 0xc4, 0xe2, 0x73, 0x5e, 0xc1");

/* rows of the sums, groups of four bytes of K, columns */
struct shape {
    uint8_t rows, groups, columns;
};

static const struct shape shapes[] = {{16, 16, 16}, {1, 1, 1},   {1, 16, 16}, {16, 1, 16},
                                      {16, 16, 1},  {13, 5, 11}, {7, 16, 3},  {2, 9, 16}};

struct operands {
    uint8_t sum[ROWS * STRIDE], a[ROWS * STRIDE], b[ROWS * STRIDE];
};

static uint32_t draw(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static enum amx_emulator_state install(void)
{
    enum amx_emulator_state state = amx_emulator_install();
    if (state == AMX_EMULATOR_UNSUPPORTED) {
        print_message("skipped: the emulator needs an x86-64 CPU with FMA\n");
        skip();
    }
    return state;
}

static struct config config_of(struct shape shape)
{
    struct config config = {.palette = 1};
    const uint8_t columns[3] = {shape.columns, shape.groups, shape.columns};
    const uint8_t rows[3] = {shape.rows, shape.rows, shape.groups};
    for (unsigned i = 0; i < 3; i++) {
        config.row_bytes[i] = (uint16_t)(columns[i] * 4);
        config.rows[i] = rows[i];
    }
    return config;
}

static void load_operands(struct operands *operands, const struct config *config)
{
    struct config copy = *config;
    stub_configure(&copy, 0);
    stub_load_0(operands->sum, STRIDE);
    stub_load_1(operands->a, STRIDE);
    stub_load_2(operands->b, STRIDE);
}

static int32_t byte_at(const uint8_t *matrix, size_t row, size_t column, bool is_signed)
{
    uint8_t byte = matrix[row * STRIDE + column];
    return is_signed ? (int8_t)byte : byte;
}

static void expect_int8(struct operands *operands, struct shape shape, bool a_signed, bool b_signed)
{
    for (size_t row = 0; row < shape.rows; row++)
        for (size_t column = 0; column < shape.columns; column++) {
            int32_t before;
            memcpy(&before, &operands->sum[row * STRIDE + 4 * column], 4);
            int64_t sum = before;
            for (size_t k = 0; k < 4u * shape.groups; k++)
                sum += byte_at(operands->a, row, k, a_signed) *
                       byte_at(operands->b, k / 4, 4 * column + k % 4, b_signed);
            uint32_t wrapped = (uint32_t)(uint64_t)sum;
            memcpy(&operands->sum[row * STRIDE + 4 * column], &wrapped, 4);
        }
}

static float flush(float value)
{
    return fpclassify(value) == FP_SUBNORMAL ? copysignf(0, value) : value;
}

static float bf16_at(const uint8_t *matrix, size_t row, size_t element)
{
    uint16_t half;
    memcpy(&half, &matrix[row * STRIDE + 2 * element], 2);
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, 4);
    return flush(value);
}

static void expect_bf16(struct operands *operands, struct shape shape)
{
    for (size_t row = 0; row < shape.rows; row++)
        for (size_t column = 0; column < shape.columns; column++) {
            uint8_t *place = &operands->sum[row * STRIDE + 4 * column];
            float before, halves[2] = {0, 0};
            memcpy(&before, place, 4);
            for (size_t k = 0; k < 2u * shape.groups; k++)
                halves[k % 2] =
                    flush(fmaf(bf16_at(operands->a, row, k),
                               bf16_at(operands->b, k / 2, 2 * column + k % 2), halves[k % 2]));
            float sum = flush(flush(before) + flush(halves[0] + halves[1]));
            memcpy(place, &sum, 4);
        }
}

/* NaNs compare as NaNs: which payload comes out of two is not promised. */
static void compare_sums(const uint8_t *found, const uint8_t *expected, bool is_float,
                         const char *name, struct shape shape)
{
    for (size_t i = 0; i < (size_t)ROWS * STRIDE; i += 4) {
        float a, b;
        memcpy(&a, found + i, 4);
        memcpy(&b, expected + i, 4);
        if (memcmp(found + i, expected + i, 4) != 0 && !(is_float && isnan(a) && isnan(b)))
            fail_msg("%s of %u rows, %u groups, %u columns: %g (0x%08x) at byte %zu, not %g", name,
                     shape.rows, shape.groups, shape.columns, (double)a,
                     *(const uint32_t *)(const void *)(found + i), i, (double)b);
    }
}

/* The same instruction by the emulator itself, from the bytes of the stub. */
static void emulate(stub *code, void *memory, long stride)
{
    ucontext_t context = {0};
    context.uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)code;
    context.uc_mcontext.gregs[REG_RDI] = (greg_t)(uintptr_t)memory;
    context.uc_mcontext.gregs[REG_RSI] = stride;
    assert_true(amx_emulator_execute(&context));
}

static void compare_with_hardware(stub *code, const struct operands *operands,
                                  const struct config *config, const uint8_t *hardware,
                                  const char *name, struct shape shape)
{
    struct operands own = *operands;
    struct config copy = *config;
    emulate(stub_configure, &copy, 0);
    emulate(stub_load_0, own.sum, STRIDE);
    emulate(stub_load_1, own.a, STRIDE);
    emulate(stub_load_2, own.b, STRIDE);
    emulate(code, NULL, 0);
    emulate(stub_store_0, own.sum, STRIDE);
    compare_sums(own.sum, hardware, strstr(name, "bf16"), name, shape);
}

static const uint8_t extreme_bytes[] = {0, 1, 127, 128, 129, 255};
/* zeros, the smallest and largest denormals, the smallest normal, 1, the largest, inf, NaN */
static const uint16_t extreme_halves[] = {0x0000, 0x8000, 0x0001, 0x807f, 0x0080, 0x8081,
                                          0x3f80, 0xbf80, 0x7f7f, 0xff80, 0x7f80, 0x7fc1};
static const uint32_t extreme_sums[] = {0x00000000, 0x80000000, 0x7fffffff, 0xffffffff, 0x00000001,
                                        0x00800000, 0x3f800000, 0x7f800000, 0xff7fffff};

static uint16_t draw_half(uint32_t *state, bool is_extreme)
{
    if (is_extreme && draw(state) % 4 == 0)
        return extreme_halves[draw(state) % (sizeof extreme_halves / 2)];
    /* sign and mantissa anyhow; magnitudes of 2^-15 to 2^16, or small enough to underflow */
    uint32_t exponent =
        is_extreme && draw(state) % 2 ? 50 + draw(state) % 30 : 112 + draw(state) % 32;
    return (uint16_t)((draw(state) & 0x807f) | exponent << 7);
}

static void fill_operands(struct operands *operands, bool is_float, bool is_extreme,
                          uint32_t *state)
{
    uint8_t *bytes = (uint8_t *)operands;
    for (size_t i = 0; i < sizeof *operands; i++)
        bytes[i] = is_extreme ? extreme_bytes[draw(state) % 6] : (uint8_t)draw(state);
    for (size_t i = 0; i < sizeof operands->a && is_float; i += 2) {
        uint16_t halves[2] = {draw_half(state, is_extreme), draw_half(state, is_extreme)};
        memcpy(operands->a + i, &halves[0], 2);
        memcpy(operands->b + i, &halves[1], 2);
    }
    for (size_t i = 0; i < sizeof operands->sum; i += 4) {
        float sum = (float)draw(state) / 1000.0f;
        if (is_float)
            memcpy(operands->sum + i, &sum, 4);
        if (is_extreme)
            memcpy(operands->sum + i, &extreme_sums[draw(state) % 9], 4);
    }
}

static const struct product {
    const char *name;
    stub *code;
    bool is_float, a_signed, b_signed;
} products[] = {{"tdpbssd", stub_tdpbssd, false, true, true},
                {"tdpbsud", stub_tdpbsud, false, true, false},
                {"tdpbusd", stub_tdpbusd, false, false, true},
                {"tdpbuud", stub_tdpbuud, false, false, false},
                {"tdpbf16ps", stub_tdpbf16ps, true, false, false}};

/* Also that nothing is written beyond the tile, and that the instruction was emulated at all. */
static void check_product(const struct product *product, struct shape shape, bool is_extreme,
                          enum amx_emulator_state emulator, uint32_t *random)
{
    struct operands operands, expected;
    const struct config config = config_of(shape);
    fill_operands(&operands, product->is_float, is_extreme, random);
    expected = operands;
    if (product->is_float)
        expect_bf16(&expected, shape);
    else
        expect_int8(&expected, shape, product->a_signed, product->b_signed);
    struct operands before = operands;
    unsigned long count = amx_emulator_count();
    load_operands(&operands, &config);
    product->code(NULL, 0);
    stub_store_0(operands.sum, STRIDE);
    assert_int_equal(amx_emulator_count() - count, emulator == AMX_EMULATOR_ON ? 6 : 0);
    compare_sums(operands.sum, expected.sum, product->is_float, product->name, shape);
    if (emulator == AMX_EMULATOR_HARDWARE)
        compare_with_hardware(product->code, &before, &config, operands.sum, product->name, shape);
    stub_release(NULL, 0);
}

static void products_agree(void **state)
{
    (void)state;
    enum amx_emulator_state emulator = install();
    if (emulator == AMX_EMULATOR_ON)
        print_message("emulator against hardware: skipped, this CPU has no AMX\n");
    uint32_t random = 1;
    for (size_t p = 0; p < sizeof products / sizeof *products; p++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (unsigned round = 0; round < 8; round++)
                check_product(&products[p], shapes[s], round % 2, emulator, &random);
}

/* Worked out by hand, with values where the order shows: the even and the odd elements have a sum
 * each. One after the other the first would give 0 and the second 1, pair by pair 1 and 1, exactly
 * 2 and 2. */
static void order_of_the_bf16_sum(void **state)
{
    (void)state;
    install();
    enum { ONE = 0x3f80, LARGE = 0x4b80, MINUS_LARGE = 0xcb80 }; /* 2^24, which swallows 1 */
    static const uint16_t factors[2][4] = {{LARGE, ONE, ONE, MINUS_LARGE},
                                           {LARGE, ONE, MINUS_LARGE, ONE}};
    static const uint16_t ones[2] = {ONE, ONE};
    static const float expected[2] = {1, 2};
    for (size_t i = 0; i < 2; i++) {
        const struct config config = config_of((struct shape){1, 2, 1});
        struct operands operands = {0};
        memcpy(operands.a, factors[i], sizeof factors[i]);
        memcpy(operands.b, ones, sizeof ones);
        memcpy(operands.b + STRIDE, ones, sizeof ones);
        load_operands(&operands, &config);
        stub_tdpbf16ps(NULL, 0);
        stub_store_0(operands.sum, STRIDE);
        float sum;
        memcpy(&sum, operands.sum, 4);
        assert_true(sum == expected[i]);
    }
    stub_release(NULL, 0);
}

static void configuration_and_zeroing(void **state)
{
    (void)state;
    install();
    const struct shape shape = {13, 5, 11};
    struct config config = config_of(shape), found;
    memset(&found, 0xff, sizeof found);
    stub_release(NULL, 0);
    stub_read_configuration(&found, 0);
    assert_memory_equal(&found, &(struct config){0}, sizeof found);
    stub_configure(&config, 0);
    stub_read_configuration(&found, 0);
    assert_memory_equal(&found, &config, sizeof found);

    /* rows below start_row stay what they were: the tile is fresh, so zero */
    struct operands operands;
    uint32_t random = 5;
    fill_operands(&operands, false, false, &random);
    struct operands expected = operands;
    config.start_row = 4;
    stub_configure(&config, 0);
    stub_load_0(operands.sum, STRIDE);
    stub_store_0(operands.sum, STRIDE);
    for (size_t row = 0; row < 4; row++)
        memset(expected.sum + row * STRIDE, 0, 44);
    assert_memory_equal(operands.sum, expected.sum, sizeof operands.sum);

    stub_zero_0(NULL, 0);
    stub_store_0(operands.sum, STRIDE);
    for (size_t row = 0; row < shape.rows; row++)
        memset(expected.sum + row * STRIDE, 0, 44);
    assert_memory_equal(operands.sum, expected.sum, sizeof operands.sum);

    stub_configure(&(struct config){0}, 0);
    stub_read_configuration(&found, 0);
    assert_memory_equal(&found, &(struct config){0}, sizeof found);
}

/* Forms of address: an address that the operand must come to, whatever base, index and
 * displacement it is made of. The frame of a signal would overwrite what lies below %rsp: that the
 * handler has a stack of its own is part of the check. */
#define LOAD_FORM(set_up, operand, tear_down)                                                      \
    __asm__ volatile(set_up "tileloadd " operand ", %%tmm1\n\t" tear_down                          \
                     :                                                                             \
                     : "D"(base), "S"(stride)                                                      \
                     : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",  \
                       "memory")

static void load_form(unsigned form, const uint8_t *base, long stride)
{
    switch (form) {
    case 0:
        LOAD_FORM("mov %%rdi, %%rax\n\t", "(%%rax,%%rsi,1)", "");
        break;
    case 1:
        LOAD_FORM("lea 100(%%rdi), %%r9\n\tmov %%rsi, %%r8\n\tshr $1, %%r8\n\t",
                  "-100(%%r9,%%r8,2)", "");
        break;
    case 2:
        LOAD_FORM("lea -0x12345(%%rdi), %%r13\n\tmov %%rsi, %%r12\n\tshr $2, %%r12\n\t",
                  "0x12345(%%r13,%%r12,4)", "");
        break;
    case 3:
        LOAD_FORM("lea 0x12345(%%rdi), %%r12\n\tmov %%rsi, %%r15\n\tshr $3, %%r15\n\t",
                  "-0x12345(%%r12,%%r15,8)", "");
        break;
    case 4:
        LOAD_FORM("mov %%rsp, %%rax\n\tlea -8(%%rdi), %%rsp\n\t", "8(%%rsp,%%rsi,1)",
                  "mov %%rax, %%rsp\n\t");
        break;
    case 5:
        LOAD_FORM("mov %%rbp, %%rax\n\tmov %%rdi, %%rbp\n\t", "(%%rbp,%%rsi,1)",
                  "mov %%rax, %%rbp\n\t");
        break;
    case 6:
        LOAD_FORM("mov %%rdi, %%r13\n\tmov %%rsi, %%r14\n\t", "(%%r13,%%r14,1)", "");
        break;
    default:
        LOAD_FORM("mov %%rdi, %%rdx\n\tmov %%rbp, %%rax\n\tmov %%rsi, %%rbp\n\t", "(%%rdx,%%rbp,1)",
                  "mov %%rax, %%rbp\n\t");
        break;
    }
}

static void forms_of_address(void **state)
{
    (void)state;
    install();
    struct config config = {.palette = 1, .row_bytes = {64, 64}, .rows = {16, 16}};
    uint32_t random = 3;
    for (unsigned form = 0; form < 8; form++) {
        struct operands operands;
        uint8_t found[ROWS * ROW_BYTES];
        fill_operands(&operands, false, false, &random);
        struct operands before = operands;
        stub_configure(&config, 0);
        load_form(form, operands.a, STRIDE);
        __asm__ volatile("tilestored %%tmm1, (%0,%1,4)"
                         :
                         : "r"(found), "r"((long)ROW_BYTES / 4)
                         : "memory");
        for (size_t row = 0; row < ROWS; row++)
            assert_memory_equal(found + row * ROW_BYTES, operands.a + row * STRIDE, ROW_BYTES);
        assert_memory_equal(&operands, &before, sizeof before);
    }
    /* no index: every row is the first; a configuration may lie behind an index, too */
    uint8_t row[ROW_BYTES], rows[ROWS][ROW_BYTES];
    memset(row, 0x5a, sizeof row);
    __asm__ volatile("lea -16(%0), %%rax\n\tmov $3, %%ecx\n\tldtilecfg -8(%%rax,%%rcx,8)\n\t"
                     "tileloadd (%1), %%tmm1\n\ttilestored %%tmm1, (%2,%3,1)"
                     :
                     : "r"(&config), "r"(row), "r"(rows), "r"((long)ROW_BYTES)
                     : "rax", "rcx", "memory");
    for (size_t i = 0; i < ROWS; i++)
        assert_memory_equal(rows[i], row, ROW_BYTES);
    stub_release(NULL, 0);
}

/* What a fault test does in a process of its own. */
struct fault {
    const char *says;
    struct config config;
    stub *code;
};

static const struct fault faults[] = {
    {"not configured", {0}, stub_zero_0},
    {"lacks the tile", {.palette = 1, .row_bytes = {64}, .rows = {16}}, stub_load_7},
    {"unknown palette", {.palette = 2}, stub_zero_0},
    {"reserved", {.palette = 1, .reserved = {[13] = 1}}, stub_zero_0},
    {"reserved", {.palette = 1, .row_bytes = {[8] = 64}, .rows = {[8] = 16}}, stub_zero_0},
    {"more than 16 rows", {.palette = 1, .row_bytes = {64}, .rows = {17}}, stub_zero_0},
    {"64 bytes a row", {.palette = 1, .row_bytes = {65}, .rows = {16}}, stub_zero_0},
    {"rows without bytes", {.palette = 1, .rows = {1}}, stub_zero_0},
    {"three different tiles",
     {.palette = 1, .row_bytes = {64, 64, 64}, .rows = {16, 16, 16}},
     stub_same_tiles},
    {"whole elements",
     {.palette = 1, .row_bytes = {62, 64, 62}, .rows = {16, 16, 16}},
     stub_tdpbssd},
    {"other rows", {.palette = 1, .row_bytes = {64, 64, 64}, .rows = {15, 16, 16}}, stub_tdpbssd},
    {"other columns",
     {.palette = 1, .row_bytes = {60, 64, 64}, .rows = {16, 16, 16}},
     stub_tdpbf16ps},
    {"second's rows",
     {.palette = 1, .row_bytes = {64, 60, 64}, .rows = {16, 16, 16}},
     stub_tdpbf16ps},
};

static _Noreturn void commit_fault(const struct fault *fault, int output)
{
    static const int caught[] = {SIGABRT, SIGSEGV, SIGBUS};
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
        signal(caught[i], SIG_DFL);
    if (amx_emulator_install() == AMX_EMULATOR_HARDWARE)
        signal(SIGILL, SIG_DFL);
    dup2(output, STDERR_FILENO);
    struct config config = fault->config;
    stub_configure(&config, 0);
    fault->code(NULL, 0);
    _exit(0);
}

static void refusals(void **state)
{
    (void)state;
    enum amx_emulator_state emulator = install();
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0)
            commit_fault(&faults[i], ends[1]);
        close(ends[1]);
        char text[512] = {0};
        assert_true(read(ends[0], text, sizeof text - 1) >= 0);
        close(ends[0]);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status))
            fail_msg("fault %zu (%s): the process lived on", i, faults[i].says);
        if (emulator == AMX_EMULATOR_ON && !strstr(text, faults[i].says))
            fail_msg("fault %zu says '%s', not '%s'", i, text, faults[i].says);
    }
}

/* A thread has tiles of its own. How it begins is not promised: Linux hands the configuration of
 * whoever made it on, without the tiles. */
static void *configure_own(void *user)
{
    struct config *configs = user;
    stub_configure(&configs[0], 0);
    stub_read_configuration(&configs[1], 0);
    stub_release(NULL, 0);
    stub_read_configuration(&configs[2], 0);
    return NULL;
}

static void threads_have_their_own(void **state)
{
    (void)state;
    install();
    struct config config = config_of((struct shape){16, 16, 16}), found;
    stub_configure(&config, 0);
    pthread_t thread;
    struct config others[3] = {config_of((struct shape){3, 4, 5})};
    assert_int_equal(pthread_create(&thread, NULL, configure_own, others), 0);
    pthread_join(thread, NULL);
    assert_memory_equal(&others[1], &others[0], sizeof found);
    assert_memory_equal(&others[2], &(struct config){0}, sizeof found);
    stub_read_configuration(&found, 0);
    assert_memory_equal(&found, &config, sizeof found);
    stub_release(NULL, 0);
}

/* The vector registers around an emulated instruction stay what they were. */
static void registers_survive(void **state)
{
    (void)state;
    install();
    struct config config = config_of((struct shape){16, 16, 16});
    struct operands operands;
    uint32_t random = 9;
    fill_operands(&operands, true, false, &random);
    load_operands(&operands, &config);
    uint8_t before[16], after[16];
    memset(before, 0xa5, sizeof before);
    __asm__ volatile("movdqu (%0), %%xmm9\n\ttdpbf16ps %%tmm2, %%tmm1, %%tmm0\n\t"
                     "movdqu %%xmm9, (%1)"
                     :
                     : "r"(before), "r"(after)
                     : "xmm9", "memory");
    assert_memory_equal(before, after, sizeof before);
    stub_release(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_agree),
        cmocka_unit_test(order_of_the_bf16_sum),
        cmocka_unit_test(configuration_and_zeroing),
        cmocka_unit_test(forms_of_address),
        cmocka_unit_test(refusals),
        cmocka_unit_test(threads_have_their_own),
        cmocka_unit_test(registers_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
