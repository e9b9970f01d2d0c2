#include "model/net/engine_golden.h"

#include <math.h>
#include <string.h>

enum { RGB = 3 };

#define DEFAULT_TOLERANCE 0.001

static enum status read_logit(const struct json_node *pair, size_t index,
                              struct engine_golden *golden, struct error *error)
{
    int64_t class_id;
    double logit;
    if (json_node_count(pair) != 2 || !json_node_integer(json_node_item(pair, 0), &class_id) ||
        !json_node_number(json_node_item(pair, 1), &logit) || class_id < 0 ||
        class_id > UINT32_MAX || !isfinite((float)logit))
        return error_set(error, STATUS_BAD_MODEL,
                         "golden: logits: entry %zu is no [class_id, logit]", index + 1);
    golden->logits[index].class_id = (uint32_t)class_id;
    golden->logits[index].logit = (float)logit;
    return STATUS_OK;
}

static enum status read_tolerance(const struct json_node *node, struct engine_golden *golden,
                                  struct error *error)
{
    double tolerance = DEFAULT_TOLERANCE;
    if (node && (!json_node_number(node, &tolerance) || !(tolerance > 0) || tolerance > 1e6))
        return error_set(error, STATUS_BAD_MODEL, "golden: tolerance: expected a number over 0");
    golden->tolerance = (float)tolerance;
    return STATUS_OK;
}

static bool is_known_key(void *user, const char *key, const struct json_node *value)
{
    (void)value;
    *(const char **)user = key;
    return strcmp(key, "logits") == 0 || strcmp(key, "tolerance") == 0;
}

enum status engine_golden_read(const struct json_node *node, struct engine_golden *ret_golden,
                               struct error *error)
{
    const struct json_node *logits = json_node_member(node, "logits");
    const char *key = NULL;
    if (!json_node_is_object(node) || !json_node_is_array(logits))
        return error_set(error, STATUS_BAD_MODEL,
                         "golden: expected {\"logits\": [[class_id, logit], ...]}");
    if (!json_node_each(node, is_known_key, &key))
        return error_set(error, STATUS_BAD_MODEL,
                         "golden: %.60s: unknown key; known are logits, tolerance", key);
    struct engine_golden golden = {.count = json_node_count(logits)};
    if (golden.count < 1 || golden.count > ENGINE_GOLDEN_MAX_LOGITS)
        return error_set(error, STATUS_BAD_MODEL, "golden: %zu logits; 1 to %d are read",
                         golden.count, ENGINE_GOLDEN_MAX_LOGITS);
    enum status status = read_tolerance(json_node_member(node, "tolerance"), &golden, error);
    for (size_t i = 0; i < golden.count && status == STATUS_OK; i++)
        status = read_logit(json_node_item(logits, i), i, &golden, error);
    if (status == STATUS_OK)
        *ret_golden = golden;
    return status;
}

void engine_golden_draw(uint32_t px, uint8_t *ret_pixels)
{
    for (uint64_t y = 0; y < px; y++)
        for (uint64_t x = 0; x < px; x++)
            for (uint64_t c = 0; c < RGB; c++)
                *ret_pixels++ = (uint8_t)((y * (c + 1) + x * (3 - c) + x * y / 16) % 256);
}
