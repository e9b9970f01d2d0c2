/* form: what is read is text, and no longer than what it was read from. */
#include <stdlib.h>
#include <string.h>

#include "server/api/form.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct form form;
    struct error error = {0};
    if (form_init((struct span){data, size}, 100, &form, &error))
        return 0;
    size_t total = 0;
    for (size_t i = 0; i < form.count; i++)
        total += strlen(form.fields[i].name) + strlen(form.fields[i].value);
    if (total > size || form.count > 100)
        abort();
    form_fini(&form);
    return 0;
}
