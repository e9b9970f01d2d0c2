/* What is written about the options is what the table says: server/CONFIG.md and the files of
 * config. Called with the project's root; with --write before it, writes them instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/mapped_file.h"
#include "server/config/config.h"
#include "server/config/config_options.h"
#include "server/config/config_table.h"

static const char begin_mark[] =
    "<!-- options: written by tests/unit/test_config_documents --write -->\n";
static const char end_mark[] = "<!-- end of options -->\n";

struct documents {
    char guide[4096], every[4096], minimal[4096];
};

static const struct documents *documents_of(void **state)
{
    return *state;
}

/* A copy of the file, ended with NUL. */
static char *read_text(const char *path)
{
    struct mapped_file file;
    struct error error = {0};
    if (mapped_file_init(path, 1 << 20, &file, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    char *text = strndup((const char *)file.bytes.data, file.bytes.size);
    mapped_file_fini(&file);
    assert_non_null(text);
    return text;
}

static char *print_table(enum config_table_style style)
{
    enum { SIZE = 1 << 16 };
    char *text = calloc(1, SIZE);
    FILE *stream = text ? fmemopen(text, SIZE, "w") : NULL;
    assert_non_null(stream);
    config_table_print(stream, style);
    assert_int_equal(fclose(stream), 0);
    assert_true(strlen(text) < SIZE - 1);
    return text;
}

static char *format_defaults(void)
{
    struct config *config;
    char *text = NULL;
    assert_int_equal(config_load(&(struct config_sources){0}, &config, NULL), STATUS_OK);
    assert_int_equal(config_format(config, false, &text, NULL), STATUS_OK);
    config_destroy(config);
    return text;
}

/* The guide with the table of today between its marks. */
static char *renew_guide(const char *guide)
{
    const char *begin = strstr(guide, begin_mark), *end = strstr(guide, end_mark);
    assert_true(begin && end && begin < end);
    char *table = print_table(CONFIG_TABLE_MARKDOWN), *renewed = NULL;
    assert_true(asprintf(&renewed, "%.*s%s\n%s\n%s", (int)(begin - guide), guide, begin_mark, table,
                         end) > 0);
    free(table);
    return renewed;
}

static void the_guide_shows_the_table(void **state)
{
    char *guide = read_text(documents_of(state)->guide), *renewed = renew_guide(guide);
    if (strcmp(guide, renewed) != 0)
        fail_msg("server/CONFIG.md is not what the option table says: "
                 "build/tests/unit/test_config_documents --write .");
    free(guide);
    free(renewed);
}

static void the_sample_file_shows_every_default(void **state)
{
    char *sample = read_text(documents_of(state)->every), *defaults = format_defaults();
    if (strcmp(sample, defaults) != 0)
        fail_msg("config/classifyd.json is not what the option table says: "
                 "build/tests/unit/test_config_documents --write .");
    free(sample);
    free(defaults);
}

static void the_files_load(void **state)
{
    const char *const paths[] = {documents_of(state)->every, documents_of(state)->minimal};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct config *config;
        struct error error = {0};
        struct config_sources sources = {.file = paths[i]};
        if (config_load(&sources, &config, &error) != STATUS_OK)
            fail_msg("%s", error.text);
        config_destroy(config);
    }
}

/* Between the fences. */
static void the_example_in_the_guide_loads(void **state)
{
    static const char fence[] = "```json\n";
    char *guide = read_text(documents_of(state)->guide), *begin = strstr(guide, fence);
    assert_non_null(begin);
    begin += strlen(fence);
    char *end = strstr(begin, "```");
    assert_non_null(end);
    const struct config_sources sources = {.file = "example.json"};
    struct span span = {(const uint8_t *)begin, (size_t)(end - begin)};
    struct config *config;
    struct error error = {0};
    if (config_parse(&sources, span, &config, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_int_equal(config->models.count, 2);
    config_destroy(config);
    free(guide);
}

/* The text for people: two lines an option, the columns one below the other. */
static void the_text_has_every_option_in_columns(void **state)
{
    (void)state;
    size_t count;
    const struct config_option *options = config_options(&count);
    char *text = print_table(CONFIG_TABLE_TEXT), *rest = text;
    size_t column = strstr(text, "CLASSIFYD_") ? (size_t)(strstr(text, "CLASSIFYD_") - text) : 0;
    for (size_t i = 0; i < count; i++) {
        const char *line = strsep(&rest, "\n"), *help = strsep(&rest, "\n");
        char variable[CONFIG_OPTIONS_VARIABLE_BYTES], range[CONFIG_OPTIONS_RANGE_BYTES];
        assert_non_null(help);
        assert_memory_equal(line, options[i].name, strlen(options[i].name));
        config_options_variable(&options[i], variable);
        assert_string_equal(line + column, variable);
        config_options_range(&options[i], range);
        assert_non_null(strstr(line, range));
        assert_non_null(strstr(line, options[i].preset));
        assert_memory_equal(help, "    ", 4);
        assert_string_equal(help + 4, options[i].help);
    }
    assert_string_equal(rest, "");
    free(text);
}

static void write_text(const char *path, char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(text);
}

static void write_documents(void **state)
{
    char *guide = read_text(documents_of(state)->guide);
    write_text(documents_of(state)->guide, renew_guide(guide));
    write_text(documents_of(state)->every, format_defaults());
    free(guide);
}

int main(int argc, char **argv)
{
    struct documents documents;
    const char *root = argc > 1 ? argv[argc - 1] : ".";
    (void)snprintf(documents.guide, sizeof documents.guide, "%s/server/CONFIG.md", root);
    (void)snprintf(documents.every, sizeof documents.every, "%s/config/classifyd.json", root);
    (void)snprintf(documents.minimal, sizeof documents.minimal, "%s/config/minimal.json", root);
    const struct CMUnitTest writing[] = {cmocka_unit_test_prestate(write_documents, &documents)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(the_guide_shows_the_table, &documents),
        cmocka_unit_test_prestate(the_sample_file_shows_every_default, &documents),
        cmocka_unit_test_prestate(the_files_load, &documents),
        cmocka_unit_test_prestate(the_example_in_the_guide_loads, &documents),
        cmocka_unit_test_prestate(the_text_has_every_option_in_columns, &documents),
    };
    if (argc > 2 && strcmp(argv[1], "--write") == 0)
        return cmocka_run_group_tests(writing, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
