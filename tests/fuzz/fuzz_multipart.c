/* multipart: the first line is Content-Type, the rest the body. Parts lie within the body, in
 * order, and no byte belongs to two. */
#include <stdlib.h>
#include <string.h>

#include "server/api/multipart.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_PARTS = 100 };

static void check_within(struct span outer, struct span inner)
{
    if (inner.data &&
        (inner.data < outer.data || inner.data + inner.size > outer.data + outer.size))
        abort();
}

static void read_parts(struct span body, const char *content_type)
{
    struct multipart multipart;
    struct multipart_part part;
    struct error error = {0};
    bool has_part;
    char text[64];
    const uint8_t *behind = body.data;
    if (multipart_init(&multipart, body, content_type, MAX_PARTS, &error))
        return;
    while (!multipart_next(&multipart, &part, &has_part, &error) && has_part) {
        check_within(body, part.content);
        check_within(body, part.content_type);
        check_within(body, part.name.value);
        check_within(body, part.filename.value);
        if (part.content.data < behind || part.name.value.data < behind)
            abort();
        behind = part.content.data + part.content.size;
        (void)header_value_text(&part.name, text, sizeof text);
        (void)header_value_text(&part.filename, text, sizeof text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *feed = size ? memchr(data, '\n', size) : NULL;
    if (!feed)
        return 0;
    size_t head = (size_t)(feed - data);
    /* Not strndup: to a sanitizer that is strict with strings, the input is one without its end. */
    char *content_type = calloc(1, head + 1);
    if (!content_type)
        return 0;
    memcpy(content_type, data, head);
    read_parts((struct span){feed + 1, size - head - 1}, content_type);
    free(content_type);
    return 0;
}
