/* json_body: cutting long strings out changes nothing: a text without any means what the JSON
 * parser alone says, and every image is somewhere. */
#include <stdlib.h>
#include <string.h>

#include "server/api/json_body.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_IMAGES = 4 };

static void check_images(const struct json_body *body)
{
    if (body->count > MAX_IMAGES)
        abort();
    for (size_t i = 0; i < body->count; i++) {
        const struct json_body_image *image = &body->images[i];
        if (!image->url == !image->base64.data || !*image->where)
            abort();
        if (image->url && strlen(image->url) > JSON_SKELETON_LONG_BYTES)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {data, size};
    struct json_body body;
    struct problem problem = {0};
    struct json_skeleton skeleton;
    struct json_doc *doc = NULL;
    (void)json_body_sniff(text);
    if (json_body_init(text, MAX_IMAGES, &body, &problem)) {
        check_images(&body);
        if (body.skeleton.string_count == 0 && !span_has(text, 0, "\xEF\xBB\xBF", 3) &&
            json_doc_parse(text, &doc, NULL))
            abort();
        json_doc_destroy(doc);
        json_body_fini(&body);
    } else if (!problem.code) {
        abort();
    }
    if (!json_skeleton_init(text, 1000, SIZE_MAX, &skeleton, NULL)) {
        if (skeleton.size > size ||
            (skeleton.string_count == 0 && size > 0 && memcmp(skeleton.text, data, size) != 0))
            abort();
        json_skeleton_fini(&skeleton);
    }
    return 0;
}
