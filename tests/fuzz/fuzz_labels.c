/* labels: whatever parses is printable, and a WordNet id finds a class that has it. */
#include <stdlib.h>
#include <string.h>

#include "model/base/utf8.h"
#include "model/catalogue/labels.h"
#include "tests/fuzz/fuzz.h"

static void check_label(const struct labels *labels, size_t class_id)
{
    struct label label = labels_at(labels, class_id);
    size_t found;
    if (!*label.text || !utf8_is_printable_text(label.text))
        abort();
    (void)labels_find(labels, label.text, &found);
    if (label.wnid && (!labels_find(labels, label.wnid, &found) ||
                       strcmp(labels_at(labels, found).wnid, label.wnid) != 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct labels *labels;
    if (labels_parse_tsv((struct span){data, size}, &labels, &error) != STATUS_OK) {
        if (error.status == STATUS_OK || !*error.text)
            abort();
        return 0;
    }
    for (size_t i = 0; i < labels_count(labels); i++)
        check_label(labels, i);
    labels_destroy(labels);
    return 0;
}
