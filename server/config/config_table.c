#include "server/config/config_table.h"

#include <string.h>

#include "server/config/config_options.h"

/* What an option's columns say. */
struct row {
    const char *name, *preset, *help;
    char range[CONFIG_OPTIONS_RANGE_BYTES];
    char variable[CONFIG_OPTIONS_VARIABLE_BYTES];
};

static struct row row_of(const struct config_option *option)
{
    struct row row = {.name = option->name, .preset = option->preset, .help = option->help};
    bool is_list = option->kind == CONFIG_LIST || option->kind == CONFIG_INTEGERS;
    if (*row.preset == '\0')
        row.preset = is_list ? "none" : "empty";
    config_options_range(option, row.range);
    config_options_variable(option, row.variable);
    return row;
}

static int wider(int width, const char *text)
{
    int length = (int)strlen(text);
    return length > width ? length : width;
}

static void print_text(FILE *stream, const struct config_option *options, size_t count)
{
    int name = 0, preset = 0, range = 0;
    for (size_t i = 0; i < count; i++) {
        struct row row = row_of(&options[i]);
        name = wider(name, row.name);
        preset = wider(preset, row.preset);
        range = wider(range, row.range);
    }
    for (size_t i = 0; i < count; i++) {
        struct row row = row_of(&options[i]);
        (void)fprintf(stream, "%-*s  %-*s  %-*s  %s\n    %s\n", name, row.name, preset, row.preset,
                      range, row.range, row.variable, row.help);
    }
}

static bool is_same_section(const char *a, const char *b)
{
    size_t length = strcspn(a, ".");
    return length == strcspn(b, ".") && strncmp(a, b, length) == 0;
}

static void print_markdown(FILE *stream, const struct config_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct row row = row_of(&options[i]);
        if (i == 0 || !is_same_section(options[i - 1].name, row.name))
            (void)fprintf(stream,
                          "%s### %.*s\n\n| Option | Default | Values | Variable | Meaning |\n"
                          "|---|---|---|---|---|\n",
                          i == 0 ? "" : "\n", (int)strcspn(row.name, "."), row.name);
        (void)fprintf(stream, "| `%s` | %s | %s | `%s` | %s |\n", row.name, row.preset, row.range,
                      row.variable, row.help);
    }
}

void config_table_print(FILE *stream, enum config_table_style style)
{
    size_t count;
    const struct config_option *options = config_options(&count);
    if (style == CONFIG_TABLE_TEXT)
        print_text(stream, options, count);
    else
        print_markdown(stream, options, count);
}
