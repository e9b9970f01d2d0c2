#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/kernels/cpu.h"

/* The first line of /proc/cpuinfo that begins with `key`, behind its colon; NULL without one. */
static char *cpuinfo_line(const char *key)
{
    FILE *file = fopen("/proc/cpuinfo", "r");
    char *line = NULL;
    size_t size = 0;
    if (!file)
        return NULL;
    while (getline(&line, &size, file) > 0) {
        char *colon = strchr(line, ':');
        if (colon && strncmp(line, key, strlen(key)) == 0) {
            char *value = strdup(colon + 1 + (colon[1] == ' '));
            value[strcspn(value, "\n")] = '\0';
            free(line);
            fclose(file);
            return value;
        }
    }
    free(line);
    fclose(file);
    return NULL;
}

static bool has_flag(const char *flags, const char *flag)
{
    size_t length = strlen(flag);
    for (const char *at = flags; (at = strstr(at, flag)) != NULL; at += length)
        if ((at == flags || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

/* The kernel asks CPUID and XCR0 for itself. */
static void features_are_those_that_linux_sees(void **state)
{
    (void)state;
    struct cpu_features features = cpu_probe();
    char *flags = cpuinfo_line("flags"), *vendor = cpuinfo_line("vendor_id");
    if (!features.is_x86 || !flags || !vendor) {
        assert_false(features.has_avx || features.has_avx2_fma || features.has_avx512);
        print_message("not an x86-64 with /proc/cpuinfo: nothing to compare with\n");
        skip();
    }
    assert_int_equal(features.is_amd, strcmp(vendor, "AuthenticAMD") == 0);
    assert_int_equal(features.has_avx, has_flag(flags, "avx"));
    assert_int_equal(features.has_avx2_fma, has_flag(flags, "avx2") && has_flag(flags, "fma"));
    bool avx512 = has_flag(flags, "avx512f") && has_flag(flags, "avx512dq") &&
                  has_flag(flags, "avx512cd") && has_flag(flags, "avx512bw") &&
                  has_flag(flags, "avx512vl");
    assert_int_equal(features.has_avx512, avx512);
    assert_int_equal(features.has_avx512_vnni, avx512 && has_flag(flags, "avx512_vnni"));
    assert_int_equal(features.has_avx512_bf16, avx512 && has_flag(flags, "avx512_bf16"));
    assert_int_equal(features.has_amx, avx512 && has_flag(flags, "amx_tile") &&
                                           has_flag(flags, "amx_int8") &&
                                           has_flag(flags, "amx_bf16"));
    free(flags);
    free(vendor);
}

/* Every Linux that lets a CPU's AMX be seen gives leave to whoever asks before anything else. */
static void leave_to_use_amx_is_given_when_asked(void **state)
{
    (void)state;
    assert_false(cpu_may_use_amx());
    cpu_request_amx();
    assert_int_equal(cpu_may_use_amx(), cpu_probe().has_amx);
}

static void the_name_is_the_one_that_linux_shows(void **state)
{
    (void)state;
    char name[64], *shown = cpuinfo_line("model name");
    cpu_name(name, sizeof name);
    assert_string_not_equal(name, "");
    if (!cpu_probe().is_x86 || !shown) {
        free(shown);
        assert_string_equal(name, "unknown");
        return;
    }
    assert_int_equal(strncmp(name, shown, strlen(shown)), 0);
    free(shown);
}

static void a_name_is_cut_to_its_room(void **state)
{
    (void)state;
    char name[4] = {'x', 'x', 'x', 'x'};
    cpu_name(name, 3);
    assert_true(strlen(name) <= 2);
    assert_int_equal(name[3], 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_those_that_linux_sees),
        cmocka_unit_test(leave_to_use_amx_is_given_when_asked),
        cmocka_unit_test(the_name_is_the_one_that_linux_shows),
        cmocka_unit_test(a_name_is_cut_to_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
