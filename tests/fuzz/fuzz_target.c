/* Request targets: whatever is taken is UTF-8, lies inside the copy and has no more than it may. */
#include <stdlib.h>
#include <string.h>

#include "model/base/utf8.h"
#include "server/http/target.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const struct target *target, const char *text, size_t size)
{
    if (text != target->path && (text < target->text || text > target->text + size))
        abort();
    for (size_t length; *text; text += length) {
        uint32_t character;
        length = utf8_read(text, &character);
        if (length == 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    struct target target;
    struct error error = {0};
    if (target_parse(text, &target, &error) == STATUS_OK) {
        check_text(&target, target.path, size);
        if (target.parameter_count > TARGET_MAX_PARAMETERS)
            abort();
        for (size_t i = 0; i < target.parameter_count; i++) {
            check_text(&target, target.parameters[i].name, size);
            check_text(&target, target.parameters[i].value, size);
        }
        target_fini(&target);
    } else if (!*error.text) {
        abort();
    }
    free(text);
    return 0;
}
