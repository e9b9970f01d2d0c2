#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/commands/command_option.h"
#include "server/config/config_options.h"

static size_t size_of(enum config_kind kind)
{
    return kind == CONFIG_INTEGER                         ? sizeof(int64_t)
           : kind == CONFIG_BOOLEAN                       ? sizeof(bool)
           : kind == CONFIG_TEXT || kind == CONFIG_CHOICE ? sizeof(char *)
                                                          : sizeof(struct config_list);
}

/* In the order of the struct, none twice, and no field of the struct left out: what lies between
 * two fields is less than an alignment. */
static void options_fill_the_struct(void **state)
{
    (void)state;
    size_t count, end = 0;
    const struct config_option *options = config_options(&count);
    for (size_t i = 0; i < count; i++) {
        assert_true(options[i].offset >= end);
        assert_true(options[i].offset - end < sizeof(int64_t));
        end = options[i].offset + size_of(options[i].kind);
    }
    assert_true(sizeof(struct config) - end < sizeof(int64_t));
}

static void names_are_lower_case_and_variables_unique(void **state)
{
    (void)state;
    size_t count;
    const struct config_option *options = config_options(&count);
    for (size_t i = 0; i < count; i++) {
        char variable[CONFIG_OPTIONS_VARIABLE_BYTES], other[CONFIG_OPTIONS_VARIABLE_BYTES];
        assert_int_equal(strspn(options[i].name, "abcdefghijklmnopqrstuvwxyz._"),
                         strlen(options[i].name));
        config_options_variable(&options[i], variable);
        for (size_t j = 0; j < i; j++) {
            config_options_variable(&options[j], other);
            assert_string_not_equal(variable, other);
        }
    }
}

/* What the name ends with is the unit; quantities say one. */
static void units_stand_in_names(void **state)
{
    (void)state;
    size_t count;
    const struct config_option *options = config_options(&count);
    const char *const units[] = {"ms", "us", "bytes", "px"};
    for (size_t i = 0; i < count; i++) {
        const char *last = strrchr(options[i].name, '_');
        for (size_t j = 0; last && j < sizeof units / sizeof *units; j++)
            if (strcmp(last + 1, units[j]) == 0)
                assert_string_equal(options[i].unit, units[j]);
        size_t length = strlen(options[i].help);
        assert_true(length > 0 && options[i].help[length - 1] != '.');
    }
}

static void variables_are_made_from_names(void **state)
{
    (void)state;
    char variable[CONFIG_OPTIONS_VARIABLE_BYTES];
    config_options_variable(config_options_find("server.port"), variable);
    assert_string_equal(variable, "CLASSIFYD_SERVER_PORT");
    config_options_variable(config_options_find("models"), variable);
    assert_string_equal(variable, "CLASSIFYD_MODELS");
    config_options_variable(config_options_find("fetch.max_concurrent_per_host"), variable);
    assert_string_equal(variable, "CLASSIFYD_FETCH_MAX_CONCURRENT_PER_HOST");
}

static void assert_range(const char *name, const char *expected)
{
    char range[CONFIG_OPTIONS_RANGE_BYTES];
    config_options_range(config_options_find(name), range);
    assert_string_equal(range, expected);
}

static void ranges_say_the_unit(void **state)
{
    (void)state;
    assert_range("server.port", "0 to 65535");
    assert_range("server.header_timeout_ms", "10 to 3600000 ms");
    assert_range("limits.memory_bytes", "65536 to 1099511627776 bytes");
    assert_range("server.page", "true or false");
    assert_range("server.host", "text");
    assert_range("models", "texts");
    assert_range("fetch.allow_ports", "1 to 65535 each");
    assert_range("log.format", "auto, logfmt or json");
}

static void wrong_names_have_a_nearest(void **state)
{
    (void)state;
    const struct {
        const char *wrong, *meant;
    } cases[] = {
        {"server.prot", "server.port"},
        {"sever.port", "server.port"},
        {"server.timeout_ms", "server.body_timeout_ms"},
        {"port", "server.port"},
        {"model", "models"},
        {"modles", "models"},
        {"sever", "server"},
        {"logs", "log"},
        {"limits.port", "server.port"},
        {"server.log_level", NULL},
        {"fetch.max_size", "fetch.max_bytes"},
        {"engine.threds", "engine.threads"},
        {"server.", NULL},
        {"", NULL},
        {".", NULL},
        {"something.else", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *nearest = config_options_nearest(cases[i].wrong);
        if (cases[i].meant ? !nearest || strcmp(nearest, cases[i].meant) != 0 : nearest != NULL)
            fail_msg("%s: %s", cases[i].wrong, nearest ? nearest : "(none)");
    }
}

static void sections_are_known(void **state)
{
    (void)state;
    assert_true(config_options_is_section("server", 6));
    assert_true(config_options_is_section("server.port", 6));
    assert_true(config_options_is_section("model", 5));
    assert_false(config_options_is_section("models", 6));
    assert_false(config_options_is_section("serve", 5));
    assert_false(config_options_is_section("", 0));
    size_t count;
    const struct config_option *options = config_options(&count);
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(options[i].name, ".");
        assert_int_equal(config_options_is_section(options[i].name, length),
                         options[i].name[length] == '.');
    }
}

/* The command line and the configuration offer the same sets. */
static void kernel_sets_are_those_of_the_commands(void **state)
{
    (void)state;
    const char *const *choices = config_options_find("engine.kernels")->choices;
    size_t count = 0;
    for (; choices[count] && command_kernel_sets[count]; count++)
        assert_string_equal(choices[count], command_kernel_sets[count]);
    assert_null(choices[count]);
    assert_null(command_kernel_sets[count]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_fill_the_struct),
        cmocka_unit_test(names_are_lower_case_and_variables_unique),
        cmocka_unit_test(units_stand_in_names),
        cmocka_unit_test(variables_are_made_from_names),
        cmocka_unit_test(ranges_say_the_unit),
        cmocka_unit_test(wrong_names_have_a_nearest),
        cmocka_unit_test(sections_are_known),
        cmocka_unit_test(kernel_sets_are_those_of_the_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
