/* native_body: the first line is Content-Type, the rest the body. A refusal says why; images lie in
 * a blob; nothing stays charged. */
#include <stdlib.h>
#include <string.h>

#include "server/api/native_body.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_IMAGES = 4, BUDGET_BYTES = 1 << 22 };

static void check_images(const struct native_request *request)
{
    if (request->count > MAX_IMAGES)
        abort();
    for (size_t i = 0; i < request->count; i++) {
        const struct native_image *image = &request->images[i];
        if (!image->url == !image->blob)
            abort();
        if (!image->blob)
            continue;
        struct span all = blob_bytes(image->blob);
        if (image->bytes.data < all.data ||
            image->bytes.data + image->bytes.size > all.data + all.size)
            abort();
    }
}

static void read_body(const char *content_type, struct span bytes)
{
    struct budget budget = {.limit_bytes = BUDGET_BYTES};
    struct native_request request;
    struct problem problem = {0};
    struct error error = {0};
    struct blob *blob;
    if (blob_create(&budget, bytes.size, &blob, &error))
        return;
    if (blob_append(blob, bytes, bytes.size, &error) ||
        native_request_init(&request, MAX_IMAGES, &error))
        abort();
    if (native_body_read(blob, content_type, &budget, &request, &problem))
        check_images(&request);
    else if (!problem.code || !*problem.detail)
        abort();
    native_request_fini(&request);
    blob_release(blob);
    if (budget_used(&budget) != 0)
        abort();
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
    read_body(head ? content_type : NULL, (struct span){feed + 1, size - head - 1});
    free(content_type);
    return 0;
}
