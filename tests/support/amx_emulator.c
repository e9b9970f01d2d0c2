#include "tests/support/amx_emulator.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "model/kernels/cpu.h"

#if defined(__x86_64__)

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64, CONFIG_BYTES = 64 }; /* palette 1 */
enum { ARCH_REQUEST_PERMISSION = 0x1023, FEATURE_TILE_DATA = 18 };

struct tiles {
    uint8_t palette; /* 0: not configured */
    uint8_t start_row;
    uint16_t row_bytes[TILES];
    uint8_t rows[TILES];
    uint8_t data[TILES][ROWS][ROW_BYTES];
};

static _Thread_local struct tiles tiles;
static atomic_ulong executed;

/* The mandatory prefix as VEX has it. */
enum prefix { PREFIX_NONE, PREFIX_66, PREFIX_F3, PREFIX_F2 };

struct instruction {
    uint8_t opcode;
    enum prefix prefix;
    bool is_register, has_sib;
    bool has_high_register; /* a tile register over 7, which there is not */
    unsigned reg, rm, vvvv;
    uint8_t modrm;
    uint64_t address;
    uint64_t stride; /* the scaled index; 0 where there is none */
    unsigned length;
};

static _Noreturn void refuse(const char *fault, const char *why)
{
    char text[256];
    int length =
        snprintf(text, sizeof text, "AMX emulator: a CPU would raise %s: %s\n", fault, why);
    if (write(STDERR_FILENO, text, (size_t)length) != length)
        abort();
    abort();
}

static void demand(bool condition, const char *why)
{
    if (!condition)
        refuse("#UD", why);
}

static uint64_t read_register(const ucontext_t *context, unsigned number)
{
    static const int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                   REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                   REG_R12, REG_R13, REG_R14, REG_R15};
    return (uint64_t)context->uc_mcontext.gregs[places[number]];
}

static uint64_t read_displacement(const uint8_t *at, unsigned bytes)
{
    int8_t byte;
    int32_t word;
    memcpy(&byte, at, 1);
    memcpy(&word, at, bytes == 4 ? 4 : 0);
    return bytes == 0 ? 0 : bytes == 1 ? (uint64_t)(int64_t)byte : (uint64_t)(int64_t)word;
}

/* The memory operand behind the ModRM byte at code[length - 1]; `rex` has the bits X and B. */
static void decode_memory(const ucontext_t *context, const uint8_t *code, unsigned x, unsigned b,
                          struct instruction *instruction)
{
    unsigned mod = instruction->modrm >> 6, rm = instruction->modrm & 7;
    unsigned base = rm;
    unsigned displacement_bytes = mod == 1 ? 1 : mod == 2 ? 4 : 0;
    instruction->has_sib = rm == 4;
    if (instruction->has_sib) {
        uint8_t sib = code[instruction->length++];
        unsigned index = (sib >> 3 & 7) | x << 3;
        base = sib & 7;
        if (index != 4)
            instruction->stride = read_register(context, index) << (sib >> 6);
    }
    bool has_base = !(mod == 0 && base == 5);
    if (!has_base)
        displacement_bytes = 4;
    uint64_t displacement = read_displacement(code + instruction->length, displacement_bytes);
    instruction->length += displacement_bytes;
    instruction->address = displacement;
    if (has_base)
        instruction->address += read_register(context, base | b << 3);
    else if (!instruction->has_sib)
        instruction->address += (uint64_t)context->uc_mcontext.gregs[REG_RIP] + instruction->length;
    if (instruction->opcode != 0x4b) /* where the index is not a stride */
        instruction->address += instruction->stride;
}

/* False where it is not of AMX: VEX.128.0F38.W0 with opcode 49, 4B, 5C or 5E. */
static bool decode(const ucontext_t *context, struct instruction *ret_instruction)
{
    const uint8_t *code = (const uint8_t *)context->uc_mcontext.gregs[REG_RIP];
    if (code[0] != 0xc4 || (code[1] & 0x1f) != 2 || code[2] & 0x84)
        return false;
    uint8_t opcode = code[3];
    if (opcode != 0x49 && opcode != 0x4b && opcode != 0x5c && opcode != 0x5e)
        return false;
    unsigned r = !(code[1] & 0x80), x = !(code[1] & 0x40), b = !(code[1] & 0x20);
    uint8_t modrm = code[4];
    struct instruction instruction = {.opcode = opcode,
                                      .prefix = code[2] & 3,
                                      .is_register = modrm >> 6 == 3,
                                      .reg = modrm >> 3 & 7,
                                      .rm = modrm & 7,
                                      .vvvv = ~(unsigned)code[2] >> 3 & 15,
                                      .modrm = modrm,
                                      .length = 5};
    instruction.has_high_register = r || (instruction.is_register && b);
    if (!instruction.is_register)
        decode_memory(context, code, x, b, &instruction);
    *ret_instruction = instruction;
    return true;
}

static void demand_tile(unsigned tile)
{
    demand(tiles.palette != 0, "tiles are not configured");
    demand(tiles.rows[tile] > 0 && tiles.row_bytes[tile] > 0, "the configuration lacks the tile");
}

static void load_configuration(const uint8_t *config)
{
    struct tiles loaded = {.palette = config[0], .start_row = config[1]};
    if (loaded.palette > 1)
        refuse("#GP", "LDTILECFG of an unknown palette");
    for (unsigned i = 2; i < CONFIG_BYTES && loaded.palette != 0; i++) {
        bool is_reserved = i < 16 || (i >= 32 && i < 48) || i >= 56;
        if (is_reserved && config[i] != 0)
            refuse("#GP", "LDTILECFG with a reserved byte that is not zero");
    }
    for (unsigned i = 0; i < TILES && loaded.palette != 0; i++) {
        memcpy(&loaded.row_bytes[i], config + 16 + 2 * (size_t)i, 2);
        loaded.rows[i] = config[48 + i];
        if (loaded.row_bytes[i] > ROW_BYTES || loaded.rows[i] > ROWS)
            refuse("#GP", "LDTILECFG with a tile of more than 16 rows or 64 bytes a row");
        if ((loaded.row_bytes[i] == 0) != (loaded.rows[i] == 0))
            refuse("#GP", "LDTILECFG with a tile of rows without bytes, or bytes without rows");
    }
    if (loaded.palette == 0)
        loaded.start_row = 0;
    tiles = loaded;
}

static void store_configuration(uint8_t *config)
{
    memset(config, 0, CONFIG_BYTES);
    config[0] = tiles.palette;
    config[1] = tiles.start_row;
    memcpy(config + 16, tiles.row_bytes, sizeof tiles.row_bytes);
    memcpy(config + 48, tiles.rows, sizeof tiles.rows);
}

static void load_tile(unsigned tile, const uint8_t *base, uint64_t stride)
{
    demand_tile(tile);
    if (tiles.start_row == 0)
        memset(tiles.data[tile], 0, sizeof tiles.data[tile]);
    for (unsigned row = tiles.start_row; row < tiles.rows[tile]; row++) {
        memset(tiles.data[tile][row], 0, ROW_BYTES);
        memcpy(tiles.data[tile][row], base + row * stride, tiles.row_bytes[tile]);
    }
    tiles.start_row = 0;
}

static void store_tile(unsigned tile, uint8_t *base, uint64_t stride)
{
    demand_tile(tile);
    for (unsigned row = tiles.start_row; row < tiles.rows[tile]; row++)
        memcpy(base + row * stride, tiles.data[tile][row], tiles.row_bytes[tile]);
    tiles.start_row = 0;
}

/* What every dot product asks of its tiles; rows and columns beyond them are zero afterwards, as
 * they were before. */
static void demand_product(unsigned sum, unsigned a, unsigned b)
{
    demand(sum != a && sum != b && a != b, "a dot product needs three different tiles");
    demand_tile(sum);
    demand_tile(a);
    demand_tile(b);
    demand(tiles.row_bytes[sum] % 4 == 0 && tiles.row_bytes[a] % 4 == 0 &&
               tiles.row_bytes[b] % 4 == 0,
           "a dot product's rows have whole elements of four bytes");
    demand(tiles.rows[sum] == tiles.rows[a], "the sums have other rows than the first factor");
    demand(tiles.row_bytes[sum] == tiles.row_bytes[b],
           "the sums have other columns than the second factor");
    demand(tiles.row_bytes[a] / 4 == tiles.rows[b],
           "the first factor's columns are not the second's rows");
}

static int32_t extend(uint8_t byte, bool is_signed)
{
    return is_signed ? (int32_t)(int8_t)byte : (int32_t)byte;
}

static void multiply_int8(unsigned sum, unsigned a, unsigned b, bool a_signed, bool b_signed)
{
    demand_product(sum, a, b);
    for (unsigned row = 0; row < tiles.rows[sum]; row++) {
        uint32_t sums[ROW_BYTES / 4]; /* wraps round, as the instructions do */
        memcpy(sums, tiles.data[sum][row], sizeof sums);
        for (unsigned k = 0; k < tiles.rows[b]; k++) {
            const uint8_t *left = &tiles.data[a][row][k * 4], *right = tiles.data[b][k];
            for (unsigned column = 0; column < ROW_BYTES / 4; column++)
                for (unsigned i = 0; i < 4; i++)
                    sums[column] += (uint32_t)(extend(left[i], a_signed) *
                                               extend(right[column * 4 + i], b_signed));
        }
        memcpy(tiles.data[sum][row], sums, sizeof sums);
    }
}

/* A bf16 as float32, denormals as zero of their sign. */
static float widen(const uint8_t *bf16)
{
    uint16_t half;
    memcpy(&half, bf16, 2);
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* The even and the odd elements of a row have a sum each, begun at zero; both are added, then to
 * what was there. To be called with MXCSR set to flush; FMA, because the products are not rounded.
 */
__attribute__((target("fma"), noinline)) static void multiply_bf16_rows(unsigned sum, unsigned a,
                                                                        unsigned b)
{
    float factors[ROWS][ROW_BYTES / 2];
    for (unsigned k = 0; k < ROWS; k++)
        for (unsigned i = 0; i < ROW_BYTES / 2; i++)
            factors[k][i] = widen(&tiles.data[b][k][2 * i]);
    for (unsigned row = 0; row < tiles.rows[sum]; row++) {
        float halves[ROW_BYTES / 2] = {0}, sums[ROW_BYTES / 4];
        for (unsigned k = 0; k < tiles.rows[b]; k++) {
            float left[2] = {widen(&tiles.data[a][row][k * 4]),
                             widen(&tiles.data[a][row][k * 4 + 2])};
            for (unsigned i = 0; i < ROW_BYTES / 2; i++)
                halves[i] = __builtin_fmaf(left[i % 2], factors[k][i], halves[i]);
        }
        memcpy(sums, tiles.data[sum][row], sizeof sums);
        for (unsigned column = 0; column < tiles.row_bytes[sum] / 4; column++)
            sums[column] += halves[2 * column] + halves[2 * column + 1];
        memcpy(tiles.data[sum][row], sums, sizeof sums);
    }
}

static void multiply_bf16(unsigned sum, unsigned a, unsigned b)
{
    demand_product(sum, a, b);
    /* Exceptions masked, denormals in and out as zero, to nearest even: whatever the thread has. */
    const uint32_t flushing = 0x9fc0;
    uint32_t before;
    __asm__ volatile("stmxcsr %0" : "=m"(before));
    __asm__ volatile("ldmxcsr %0" : : "m"(flushing));
    multiply_bf16_rows(sum, a, b);
    __asm__ volatile("ldmxcsr %0" : : "m"(before));
}

/* Opcode 49: the configuration, and TILEZERO. */
static void execute_configuration(const struct instruction *instruction)
{
    void *memory = (void *)instruction->address;
    demand(instruction->vvvv == 0, "VEX.vvvv is not 1111");
    if (!instruction->is_register) {
        demand(instruction->reg == 0, "ModRM.reg is not 0");
        demand(instruction->prefix == PREFIX_NONE || instruction->prefix == PREFIX_66, "prefix");
        if (instruction->prefix == PREFIX_NONE)
            load_configuration(memory);
        else
            store_configuration(memory);
    } else if (instruction->prefix == PREFIX_NONE) {
        demand(instruction->modrm == 0xc0, "TILERELEASE is C4 E2 78 49 C0");
        tiles = (struct tiles){0};
    } else {
        demand(instruction->prefix == PREFIX_F2 && instruction->rm == 0, "prefix or ModRM.rm");
        demand_tile(instruction->reg);
        memset(tiles.data[instruction->reg], 0, sizeof tiles.data[0]);
        tiles.start_row = 0;
    }
}

/* Opcode 4B. */
static void execute_move(const struct instruction *instruction)
{
    demand(instruction->vvvv == 0, "VEX.vvvv is not 1111");
    demand(!instruction->is_register && instruction->has_sib, "a tile's memory needs a SIB byte");
    demand(instruction->prefix != PREFIX_NONE, "prefix");
    if (instruction->prefix == PREFIX_F3)
        store_tile(instruction->reg, (uint8_t *)instruction->address, instruction->stride);
    else
        load_tile(instruction->reg, (const uint8_t *)instruction->address, instruction->stride);
}

/* Opcodes 5C and 5E. */
static void execute_product(const struct instruction *instruction)
{
    unsigned sum = instruction->reg, a = instruction->rm, b = instruction->vvvv;
    enum prefix prefix = instruction->prefix;
    demand(instruction->is_register && b < TILES, "a dot product needs three tiles");
    if (instruction->opcode == 0x5e) {
        multiply_int8(sum, a, b, prefix == PREFIX_F2 || prefix == PREFIX_F3,
                      prefix == PREFIX_F2 || prefix == PREFIX_66);
    } else {
        demand(prefix == PREFIX_F3, "a dot product that this emulator does not know");
        multiply_bf16(sum, a, b);
    }
    tiles.start_row = 0;
}

bool amx_emulator_execute(ucontext_t *context)
{
    struct instruction instruction;
    if (!decode(context, &instruction))
        return false;
    demand(!instruction.has_high_register, "a tile register over 7");
    if (instruction.opcode == 0x49)
        execute_configuration(&instruction);
    else if (instruction.opcode == 0x4b)
        execute_move(&instruction);
    else
        execute_product(&instruction);
    context->uc_mcontext.gregs[REG_RIP] += instruction.length;
    atomic_fetch_add_explicit(&executed, 1, memory_order_relaxed);
    return true;
}

unsigned long amx_emulator_count(void)
{
    return atomic_load_explicit(&executed, memory_order_relaxed);
}

/* An instruction of another kind comes again, and then ends the process as it would have. */
static void handle_illegal_instruction(int number, siginfo_t *info, void *context)
{
    (void)info;
    if (!amx_emulator_execute(context))
        signal(number, SIG_DFL);
}

/* The frame of a signal holds all of AVX-512's registers; the kernel says how much that is. */
static void give_alternate_stack(void)
{
    static _Thread_local void *memory;
    size_t size = getauxval(AT_MINSIGSTKSZ) + ((size_t)64 << 10);
    if (!memory)
        memory = malloc(size);
    const stack_t stack = {.ss_sp = memory, .ss_size = size};
    if (!memory || sigaltstack(&stack, NULL) != 0)
        abort();
}

enum amx_emulator_state amx_emulator_install(void)
{
    struct cpu_features cpu = cpu_probe();
    if (cpu.has_amx && syscall(SYS_arch_prctl, ARCH_REQUEST_PERMISSION, FEATURE_TILE_DATA) == 0)
        return AMX_EMULATOR_HARDWARE;
    if (!cpu.has_avx2_fma)
        return AMX_EMULATOR_UNSUPPORTED;
    give_alternate_stack();
    struct sigaction action = {.sa_sigaction = handle_illegal_instruction,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGILL, &action, NULL) != 0)
        abort();
    return AMX_EMULATOR_ON;
}

#else

enum amx_emulator_state amx_emulator_install(void)
{
    return AMX_EMULATOR_UNSUPPORTED;
}

bool amx_emulator_execute(ucontext_t *context)
{
    (void)context;
    return false;
}

unsigned long amx_emulator_count(void)
{
    return 0;
}

#endif
