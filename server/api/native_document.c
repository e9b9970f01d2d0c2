#include "server/api/native_document.h"

#include <stdarg.h>
#include <stdio.h>

#include "server/answer.h"
#include "server/api/adapter_reply.h"
#include "server/document.h"

static void put_answer(struct json_doc *doc, struct json_node *into, const struct item *item,
                       const char *request_id)
{
    const struct item_outcome *outcome = item_outcome(item);
    const struct item_request *asked = item_request(item);
    const struct item_times *times = &outcome->times;
    struct answer answer = {
        .file = asked->file,
        .url = asked->url,
        .model = outcome->model,
        .prediction_count = outcome->prediction_count,
        .predictions = outcome->predictions,
        .info = outcome->info,
        .times = {.decode_us = times->decode_us,
                  .preprocess_us = times->preprocess_us,
                  .inference_us = times->inference_us,
                  .total_us = times->total_us,
                  .fetch_us = times->fetch_us,
                  .queue_us = times->queue_us},
        .batch_size = outcome->batch_size > 0 ? outcome->batch_size : 1,
        .request_id = request_id,
    };
    answer_put(doc, into, &answer);
}

static void put_problem(struct json_doc *doc, struct json_node *into, const struct item *item)
{
    const struct problem *problem = &item_outcome(item)->problem;
    const struct problem_kind *kind = problem_kind(problem->code);
    const struct item_request *asked = item_request(item);
    if (asked->file)
        document_put_text(doc, into, "file", asked->file);
    if (asked->url)
        document_put_text(doc, into, "url", asked->url);
    struct json_node *node = json_node_put_object(doc, into, "error");
    json_node_put_string(doc, node, "code", kind->name);
    json_node_put_integer(doc, node, "status", kind->http_status);
    json_node_put_string(doc, node, "title", kind->title);
    document_put_text(doc, node, "detail", problem->detail);
}

/* Of several images the longest of each stage, since stages of different images overlap. */
struct timing {
    struct item_times longest;
    size_t batch_size;
    bool is_fetched;
};

static void keep_longest(uint64_t *longest_us, uint64_t us)
{
    if (us > *longest_us)
        *longest_us = us;
}

static void add_times(struct timing *timing, const struct item *item)
{
    const struct item_outcome *outcome = item_outcome(item);
    if (outcome->problem.code != PROBLEM_NONE)
        return;
    keep_longest(&timing->longest.fetch_us, outcome->times.fetch_us);
    keep_longest(&timing->longest.decode_us, outcome->times.decode_us);
    keep_longest(&timing->longest.preprocess_us, outcome->times.preprocess_us);
    keep_longest(&timing->longest.queue_us, outcome->times.queue_us);
    keep_longest(&timing->longest.inference_us, outcome->times.inference_us);
    if (outcome->batch_size > timing->batch_size)
        timing->batch_size = outcome->batch_size;
    if (item_request(item)->url)
        timing->is_fetched = true;
}

__attribute__((format(printf, 2, 3))) static void append(struct adapter_reply *reply,
                                                         const char *format, ...)
{
    size_t length = strlen(reply->server_timing);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(reply->server_timing + length, sizeof reply->server_timing - length, format,
                    arguments);
    va_end(arguments);
}

/* https://www.w3.org/TR/server-timing/: durations in milliseconds. */
static void write_timing(const struct timing *timing, struct adapter_reply *reply)
{
    const struct item_times *times = &timing->longest;
    if (timing->batch_size == 0) /* no image was answered */
        return;
    if (timing->is_fetched)
        append(reply, "fetch;dur=%.1f, ", (double)times->fetch_us / 1e3);
    append(reply, "decode;dur=%.1f, preprocess;dur=%.1f, queue;dur=%.1f, ",
           (double)times->decode_us / 1e3, (double)times->preprocess_us / 1e3,
           (double)times->queue_us / 1e3);
    append(reply, "inference;dur=%.1f;desc=\"batch=%zu\"", (double)times->inference_us / 1e3,
           timing->batch_size);
}

void native_document_one(const struct adapter_request *request, const struct item *item,
                         struct adapter_reply *ret_reply)
{
    const struct problem *problem = &item_outcome(item)->problem;
    if (problem->code != PROBLEM_NONE) {
        adapter_reply_problem(request, problem, ret_reply);
        return;
    }
    struct timing timing = {0};
    struct json_doc *doc = json_doc_create();
    if (doc)
        put_answer(doc, json_doc_root(doc), item, request->request_id);
    add_times(&timing, item);
    adapter_reply_document(doc, 200, "application/json", ret_reply);
    write_timing(&timing, ret_reply);
}

void native_document_list(const struct adapter_request *request, struct item *const *items,
                          size_t count, struct adapter_reply *ret_reply)
{
    struct timing timing = {0};
    struct json_doc *doc = json_doc_create();
    struct json_node *results =
        doc ? json_node_put_array(doc, json_doc_root(doc), "results") : NULL;
    for (size_t i = 0; doc && i < count; i++) {
        struct json_node *node = json_node_put_object(doc, results, NULL);
        if (item_outcome(items[i])->problem.code == PROBLEM_NONE)
            put_answer(doc, node, items[i], NULL);
        else
            put_problem(doc, node, items[i]);
        add_times(&timing, items[i]);
    }
    if (doc)
        document_put_text(doc, json_doc_root(doc), "request_id", request->request_id);
    adapter_reply_document(doc, 200, "application/json", ret_reply);
    write_timing(&timing, ret_reply);
}
