#include "server/web/assets.h"

/* Defined in assets.S. */
extern const uint8_t assets_labels_start[], assets_labels_end[];
extern const uint8_t assets_catalogue_start[], assets_catalogue_end[];
extern const uint8_t assets_demo_weights_start[], assets_demo_weights_end[];
extern const uint8_t assets_sample_image_start[], assets_sample_image_end[];
extern const uint8_t assets_openapi_start[], assets_openapi_end[];
extern const uint8_t assets_page_start[], assets_page_end[];

static struct span between(const uint8_t *start, const uint8_t *end)
{
    return (struct span){start, (size_t)(end - start)};
}

struct span assets_labels(void)
{
    return between(assets_labels_start, assets_labels_end);
}

struct span assets_catalogue(void)
{
    return between(assets_catalogue_start, assets_catalogue_end);
}

struct span assets_demo_weights(void)
{
    return between(assets_demo_weights_start, assets_demo_weights_end);
}

struct span assets_sample_image(void)
{
    return between(assets_sample_image_start, assets_sample_image_end);
}

struct span assets_openapi(void)
{
    return between(assets_openapi_start, assets_openapi_end);
}

struct span assets_page(void)
{
    return between(assets_page_start, assets_page_end);
}
