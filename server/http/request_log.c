#include "server/http/request_log.h"

static const char *const stage_names[] = {
    [ITEM_STAGE_SUBMIT] = "submit",       [ITEM_STAGE_FETCH] = "fetch",
    [ITEM_STAGE_PREPARE] = "prepare",     [ITEM_STAGE_QUEUE] = "queue",
    [ITEM_STAGE_INFERENCE] = "inference", [ITEM_STAGE_DONE] = "done",
};

enum metrics_route request_log_metric(const struct request_log *entry)
{
    return entry->route ? entry->route->metric : METRICS_ROUTE_OTHER;
}

void request_log_note_items(struct request_log *entry, struct item *const *items, size_t count)
{
    entry->image_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct item_outcome *outcome = item_outcome(items[i]);
        if (outcome->times.total_us >= entry->times.total_us)
            entry->times = outcome->times;
        if (outcome->problem.code != PROBLEM_NONE && entry->code == PROBLEM_NONE) {
            entry->code = outcome->problem.code;
            entry->stage = stage_names[outcome->stage];
        }
    }
}

static struct log_field stage_field(const char *name, uint64_t value_us)
{
    /* A stage that was not reached is left out, as a text of NULL is. */
    return value_us > 0 ? LOG_FIELD_MILLISECONDS(name, value_us) : LOG_FIELD_TEXT(name, NULL);
}

void request_log_write(const struct http_context *context, const struct request_log *entry)
{
    enum metrics_route metric = request_log_metric(entry);
    bool is_routine = metric == METRICS_ROUTE_PROBE || metric == METRICS_ROUTE_METRICS;
    enum log_level level = entry->code == PROBLEM_INTERNAL          ? LOG_ERROR
                           : is_routine && entry->http_status < 500 ? LOG_DEBUG
                                                                    : LOG_INFO;
    const struct item_times *times = &entry->times;
    const struct log_field fields[] = {
        LOG_FIELD_TEXT("id", entry->id),
        LOG_FIELD_TEXT("method", entry->method),
        LOG_FIELD_TEXT("path", entry->path),
        LOG_FIELD_INTEGER("status", entry->http_status),
        LOG_FIELD_TEXT("code",
                       entry->code == PROBLEM_NONE ? NULL : problem_kind(entry->code)->name),
        LOG_FIELD_TEXT("stage", entry->stage),
        LOG_FIELD_INTEGER("bytes_in", entry->body_bytes),
        LOG_FIELD_INTEGER("images", entry->image_count),
        LOG_FIELD_TEXT("client", entry->client),
        LOG_FIELD_MILLISECONDS("total_ms", entry->total_us),
        stage_field("fetch_ms", times->fetch_us),
        stage_field("decode_ms", times->decode_us),
        stage_field("preprocess_ms", times->preprocess_us),
        stage_field("queue_ms", times->queue_us),
        stage_field("inference_ms", times->inference_us),
        LOG_FIELD_END,
    };
    log_write(context->options.log, level, "request", fields);
}
