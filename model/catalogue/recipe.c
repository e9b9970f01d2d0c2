/* Owns the names and ranges of a recipe's values. Where they come from (catalogue, metadata, the
 * file beside a model) is the caller's. */
#include "model/catalogue/recipe.h"

#include <stdio.h>
#include <string.h>

/* Over this, a resize of a small photograph alone would need gigabytes. */
enum { RECIPE_MAX_PX = 4096 };
enum { RECIPE_TEXT_BYTES = 256 };

const struct recipe recipe_imagenet = {
    .resize_px = 256,
    .crop_px = 224,
    .mean = {0.485F, 0.456F, 0.406F},
    .std = {0.229F, 0.224F, 0.225F},
};

static enum status read_px(const struct json_node *node, const char *key, uint32_t *ret_px,
                           struct error *error)
{
    int64_t px;
    if (!json_node_integer(node, &px) || px < 1 || px > RECIPE_MAX_PX)
        return error_set(error, STATUS_BAD_MODEL, "%s: expected a number of pixels from 1 to %d",
                         key, RECIPE_MAX_PX);
    *ret_px = (uint32_t)px;
    return STATUS_OK;
}

static enum status read_rgb(const struct json_node *node, const char *key, double low, double high,
                            float ret_rgb[3], struct error *error)
{
    float rgb[3];
    bool fits = json_node_is_array(node) && json_node_count(node) == 3;
    for (size_t i = 0; fits && i < 3; i++) {
        double value;
        fits = json_node_number(json_node_item(node, i), &value) && value >= low && value <= high;
        if (fits)
            rgb[i] = (float)value;
    }
    if (!fits)
        return error_set(error, STATUS_BAD_MODEL,
                         "%s: expected three numbers from %g to %g (of values scaled to 0..1)", key,
                         low, high);
    memcpy(ret_rgb, rgb, sizeof rgb);
    return STATUS_OK;
}

/* A key that is not a recipe's is passed over. */
static enum status read_value(const char *key, const struct json_node *value, struct recipe *recipe,
                              struct error *error)
{
    if (strcmp(key, "resize") == 0)
        return read_px(value, key, &recipe->resize_px, error);
    if (strcmp(key, "crop") == 0)
        return read_px(value, key, &recipe->crop_px, error);
    if (strcmp(key, "mean") == 0)
        return read_rgb(value, key, 0, 1, recipe->mean, error);
    if (strcmp(key, "std") == 0)
        return read_rgb(value, key, 1e-4, 10, recipe->std, error);
    return STATUS_OK;
}

struct reading {
    struct recipe recipe;
    enum status status;
    struct error *error;
};

static bool read_member(void *user, const char *key, const struct json_node *value)
{
    struct reading *reading = user;
    reading->status = read_value(key, value, &reading->recipe, reading->error);
    return reading->status == STATUS_OK;
}

enum status recipe_read_json(const struct json_node *object, struct recipe *recipe,
                             struct error *error)
{
    struct reading reading = {.recipe = *recipe, .error = error};
    if (json_node_each(object, read_member, &reading))
        *recipe = reading.recipe;
    return reading.status;
}

static bool is_recipe_key(const char *key)
{
    static const char *const keys[] = {"resize", "crop", "mean", "std"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

enum status recipe_read_text(const char *key, const char *value, struct recipe *recipe,
                             struct error *error)
{
    if (!value || !is_recipe_key(key))
        return STATUS_OK;
    /* "0.5,0.5,0.5" and "[0.5, 0.5, 0.5]" are both met; JSON's numbers do not depend on the locale.
     */
    char text[RECIPE_TEXT_BYTES];
    int length = snprintf(text, sizeof text, value[0] == '[' ? "%s" : "[%s]", value);
    if (length < 0 || (size_t)length >= sizeof text)
        return error_set(error, STATUS_BAD_MODEL, "%s: the text is too long", key);

    struct json_doc *doc = NULL;
    struct span span = {(const uint8_t *)text, (size_t)length};
    enum status status = json_doc_parse(span, &doc, NULL);
    if (status == STATUS_NO_MEMORY)
        return error_set(error, status, "%s: no memory", key);
    if (status != STATUS_OK)
        return error_set(error, STATUS_BAD_MODEL, "%s: \"%s\" is not a number or a list of them",
                         key, value);
    struct json_node *list = json_doc_root(doc);
    struct json_node *item = json_node_count(list) == 1 ? json_node_item(list, 0) : list;
    status = read_value(key, item, recipe, error);
    json_doc_destroy(doc);
    return status;
}
