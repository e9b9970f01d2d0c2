/* config: what loads is within its ranges and, written and read again, gives the same text; what
 * does not load says why. */
#include <stdlib.h>
#include <string.h>

#include "server/config/config.h"
#include "server/config/config_options.h"
#include "tests/fuzz/fuzz.h"

static char *format(const struct config *config, bool only_changed)
{
    char *text;
    if (config_format(config, only_changed, &text, NULL) != STATUS_OK)
        abort();
    return text;
}

static void check_again(const struct config *config, bool only_changed)
{
    const struct config_sources sources = {.file = "again.json"};
    struct config *again;
    char *text = format(config, only_changed);
    struct span span = {(const uint8_t *)text, strlen(text)};
    if (config_parse(&sources, span, &again, NULL) != STATUS_OK)
        abort();
    char *text_again = format(again, only_changed);
    if (strcmp(text, text_again) != 0)
        abort();
    config_destroy(again);
    free(text_again);
    free(text);
}

static void check_ranges(const struct config *config)
{
    size_t count;
    const struct config_option *options = config_options(&count);
    for (size_t i = 0; i < count; i++) {
        int64_t value;
        if (options[i].kind != CONFIG_INTEGER)
            continue;
        memcpy(&value, (const char *)config + options[i].offset, sizeof value);
        if (value < options[i].min || value > options[i].max)
            abort();
    }
    if (config->models.count == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct config_sources sources = {.file = "input.json"};
    struct error error = {0};
    struct config *config;
    if (config_parse(&sources, (struct span){data, size}, &config, &error) != STATUS_OK) {
        if (error.status != STATUS_BAD_REQUEST || error.text[0] == '\0' ||
            strncmp(error.text, "input.json:0", 12) == 0 || strstr(error.text, "\ninput.json:0"))
            abort();
        return 0;
    }
    check_ranges(config);
    check_again(config, false);
    check_again(config, true);
    config_destroy(config);
    return 0;
}
