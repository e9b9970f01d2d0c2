#include "server/http/request.h"

#include <assert.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "model/base/clock.h"
#include "server/http/reply.h"
#include "server/http/request_head.h"
#include "server/http/request_log.h"
#include "server/http/routes.h"
#include "server/http/target.h"

enum { MAX_METHOD = 32, MAX_ALLOW = 128 };

enum state {
    STATE_HEAD,   /* the header fields are not there yet */
    STATE_DIRECT, /* all is known; answered when libmicrohttpd calls for it */
    STATE_BODY,   /* waits for the body */
    STATE_WORKING,
    STATE_SENT
};

struct request {
    struct http_context *context;
    struct connection *connection;
    struct MHD_Connection *mhd;
    int wake_fd; /* of its event thread */
    uint64_t started_us;
    enum state state;
    char method[MAX_METHOD];
    struct request_head head;
    struct target target;
    struct routes_match match;
    struct problem problem; /* of the whole request */
    bool has_ticket;
    struct blob *body;
    uint64_t body_bytes; /* arrived, kept or not */
    bool is_many;
    struct job *job; /* from submit to its answer */
    struct request_log log;
};

struct request *request_create(struct http_context *context, struct connection *connection,
                               struct MHD_Connection *mhd, int wake_fd, const char *target)
{
    struct request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    request->context = context;
    request->connection = connection;
    request->mhd = mhd;
    request->wake_fd = wake_fd;
    request->started_us = clock_now_us();
    struct error error = {0};
    if (target_parse(target ? target : "/", &request->target, &error))
        problem_set_error(&request->problem, &error);
    connections_enter(context->connections, connection, CONNECTIONS_HEAD);
    return request;
}

static void give_ticket_back(struct request *request)
{
    if (!request->has_ticket)
        return;
    request->has_ticket = false;
    atomic_fetch_sub_explicit(&request->context->tickets, 1, memory_order_relaxed);
    metrics_gauge_add(request->context->options.metrics, METRICS_REQUESTS_IN_FLIGHT, -1);
}

static bool take_ticket(struct request *request)
{
    struct http_context *context = request->context;
    size_t taken = atomic_fetch_add_explicit(&context->tickets, 1, memory_order_relaxed);
    if (taken >= context->options.max_requests) {
        atomic_fetch_sub_explicit(&context->tickets, 1, memory_order_relaxed);
        return false;
    }
    metrics_gauge_add(context->options.metrics, METRICS_REQUESTS_IN_FLIGHT, 1);
    request->has_ticket = true;
    return true;
}

/* Nothing of it is needed any more but its head; after phase working, where others may abort the
 * job. */
static void let_go(struct request *request)
{
    job_destroy(request->job);
    request->job = NULL;
    blob_release(request->body);
    request->body = NULL;
    give_ticket_back(request);
}

static struct adapter_request describe(const struct request *request)
{
    return (struct adapter_request){
        .method = strcmp(request->method, "HEAD") == 0 ? "GET" : request->method,
        .path = request->target.path,
        .host = request->head.host,
        .content_type = request->head.content_type,
        .request_id = request->head.id,
        .parameter_count = request->target.parameter_count,
        .parameters = request->target.parameters,
        .body = request->body,
    };
}

/* Sends it, whatever it says, and notes it. */
static bool deliver(struct request *request, struct adapter_reply *reply, const char *allow)
{
    struct http_context *context = request->context;
    struct request_log *log = &request->log;
    struct reply_fields fields = {
        .request_id = request->head.id,
        .allow = allow,
        .closes_connection = connections_is_reserve(request->connection) ||
                             request->head.is_malformed ||
                             atomic_load_explicit(&context->is_closing, memory_order_relaxed),
    };
    if (reply->retry_after_s == 0 && problem_kind(log->code)->http_status == reply->http_status)
        reply->retry_after_s = problem_kind(log->code)->retry_after_s;
    log->http_status = reply->http_status;
    metrics_request(context->options.metrics, request_log_metric(log), reply->http_status,
                    clock_now_us() - request->started_us);
    request->state = STATE_SENT;
    connections_enter(context->connections, request->connection, CONNECTIONS_SENDING);
    /* Whoever hears of the answer may ask again at once, and a slow reader holds no image. */
    let_go(request);
    return reply_send(request->mhd, reply, &fields);
}

static bool deliver_problem(struct request *request)
{
    enum problem_code code = request->problem.code;
    const struct adapter *adapter =
        request->match.adapter ? request->match.adapter : &request->context->options.adapters[0];
    struct adapter_request description = describe(request);
    struct adapter_reply reply = {0};
    adapter->format_problem(adapter->user, &description, &request->problem, &reply);
    metrics_problem(request->context->options.metrics, code);
    request->log.code = code;
    char allow[MAX_ALLOW];
    if (code == PROBLEM_METHOD_NOT_ALLOWED)
        routes_format_allow(request->match.route, sizeof allow, allow);
    return deliver(request, &reply, code == PROBLEM_METHOD_NOT_ALLOWED ? allow : NULL);
}

static bool deliver_options(struct request *request)
{
    char allow[MAX_ALLOW] = "GET, HEAD, POST, PUT, OPTIONS"; /* of `*`, the server as a whole */
    if (request->match.route)
        routes_format_allow(request->match.route, sizeof allow, allow);
    struct adapter_reply reply = {.http_status = 204};
    return deliver(request, &reply, allow);
}

/* What needs no work: a problem, OPTIONS, or a route that answers at once. */
static bool deliver_directly(struct request *request)
{
    if (request->problem.code != PROBLEM_NONE)
        return deliver_problem(request);
    if (strcmp(request->method, "OPTIONS") == 0)
        return deliver_options(request);
    struct adapter_request description = describe(request);
    struct adapter_reply reply = {0};
    assert(request->match.route); /* without one there is a problem, or OPTIONS of `*` */
    request->match.route->answer(request->match.adapter->user, &description, &reply);
    return deliver(request, &reply, NULL);
}

/* A ticket, and room for the body. */
static void admit(struct request *request)
{
    const struct http_server_options *options = &request->context->options;
    const struct request_head *head = &request->head;
    if (head->body_bytes > options->max_body_bytes) {
        problem_set(&request->problem, PROBLEM_TOO_LARGE,
                    "the body has %llu bytes; at most %zu are taken",
                    (unsigned long long)head->body_bytes, options->max_body_bytes);
        return;
    }
    request->log.stage = "admit";
    if (!take_ticket(request)) {
        problem_set(&request->problem, PROBLEM_OVERLOADED,
                    "%zu requests are under way already; try again", options->max_requests);
        return;
    }
    struct error error = {0};
    if (head->has_body &&
        blob_create(options->budget, (size_t)head->body_bytes, &request->body, &error))
        problem_set_error(&request->problem, &error);
}

static void refuse_path(struct request *request)
{
    const struct http_server_options *options = &request->context->options;
    const char *nearest =
        routes_nearest(options->adapters, options->adapter_count, request->target.path);
    problem_set(&request->problem, PROBLEM_NOT_FOUND, "there is nothing at this path%s%s%s",
                nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

/* Decides what the request is, from its head alone. */
static void judge(struct request *request)
{
    const struct http_server_options *options = &request->context->options;
    struct problem *problem = &request->problem;
    request->log.stage = "head";
    if (problem->code != PROBLEM_NONE)
        return;
    request->match = routes_find(options->adapters, options->adapter_count, request->target.path);
    const struct adapter_route *route = request->match.route;
    request->log.route = route;
    bool is_options = strcmp(request->method, "OPTIONS") == 0;
    if (connections_is_reserve(request->connection) && !(route && route->is_probe))
        problem_set(problem, PROBLEM_OVERLOADED, "all %zu connections are taken; try again",
                    options->max_connections);
    else if (!route && !(is_options && strcmp(request->target.path, "*") == 0))
        refuse_path(request);
    else if (!is_options && !routes_takes(route, request->method))
        problem_set(problem, PROBLEM_METHOD_NOT_ALLOWED, "%s is not among the methods of %s",
                    request->method, route->path);
    else if (!is_options && route->parse)
        admit(request);
}

static bool begin(struct request *request, const char *method, const char *version)
{
    struct http_context *context = request->context;
    (void)snprintf(request->method, sizeof request->method, "%s", method);
    request_head_read(request->mhd, version, &request->head, &request->problem);
    judge(request);
    const struct adapter_route *route = request->match.route;
    bool is_direct = request->problem.code != PROBLEM_NONE || !route || !route->parse ||
                     strcmp(request->method, "OPTIONS") == 0;
    if (!is_direct) {
        request->log.stage = "body";
        request->state = STATE_BODY;
        if (request->head.has_body)
            connections_enter(context->connections, request->connection, CONNECTIONS_BODY);
        return true;
    }
    request->state = STATE_DIRECT;
    if (!request->head.has_body && !request->head.is_malformed)
        return true; /* the next call can answer and keep the connection */
    /* Nobody wants the body: an answer now tells the client to stop, and ends the connection. */
    connections_set_unread(context->connections, request->connection);
    return deliver_directly(request);
}

/* False where there is no end to it. */
static bool collect(struct request *request, const char *data, size_t size)
{
    const struct http_server_options *options = &request->context->options;
    request->body_bytes += size;
    struct error error = {0};
    if (request->problem.code == PROBLEM_NONE) {
        struct span bytes = {(const uint8_t *)data, size};
        if (!blob_append(request->body, bytes, options->max_body_bytes, &error))
            return true;
        problem_set_error(&request->problem, &error);
        blob_release(request->body);
        request->body = NULL;
    }
    /* No answer can be given while a body arrives: the rest is thrown away, within limits. */
    return request->body_bytes / 2 <= options->max_body_bytes;
}

/* On the thread that finished the last item. The request may be gone once it is resumed. */
static void resume(void *user)
{
    struct request *request = user;
    struct http_context *context = request->context;
    int wake_fd = request->wake_fd;
    MHD_resume_connection(request->mhd);
    (void)eventfd_write(wake_fd, 1); /* fails only where it is awake anyhow */
    connections_settle(context->connections);
}

static void release_items(struct adapter_items *items)
{
    for (size_t i = 0; i < items->count; i++)
        item_release(items->items[i]);
    free(items->items);
}

/* Body and all are there: to the pipeline. */
static bool submit(struct request *request)
{
    const struct routes_match *match = &request->match;
    struct adapter_request description = describe(request);
    struct adapter_items items = {0};
    request->log.stage = "parse";
    if (!match->route->parse(match->adapter->user, &description, &items, &request->problem))
        return deliver_problem(request);
    struct error error = {0};
    assert(items.count > 0);
    if (job_create(items.items, items.count, resume, request, &request->job, &error)) {
        release_items(&items);
        problem_set_error(&request->problem, &error);
        return deliver_problem(request);
    }
    free(items.items);
    request->log.stage = NULL; /* the items have stages of their own */
    request->is_many = items.is_many;
    request->state = STATE_WORKING;
    struct http_context *context = request->context;
    /* Suspended first: a fast worker would resume what is not suspended yet. */
    MHD_suspend_connection(request->mhd);
    enum problem_code code =
        connections_begin_work(context->connections, request->connection, request->job);
    if (code != PROBLEM_NONE)
        job_abort(request->job, code, problem_kind(code)->meaning); /* only to be counted */
    pipeline_submit(context->options.pipeline, request->job);
    return true;
}

static bool deliver_job(struct request *request)
{
    struct job *job = request->job;
    size_t count = job_item_count(job);
    connections_enter(request->context->connections, request->connection, CONNECTIONS_SENDING);
    struct item **items = calloc(count, sizeof(struct item *));
    if (!items) {
        problem_set(&request->problem, PROBLEM_INTERNAL, "no memory for the answer");
        return deliver_problem(request);
    }
    for (size_t i = 0; i < count; i++)
        items[i] = job_item(job, i);
    request_log_note_items(&request->log, items, count);
    bool is_sent = false;
    if (request->log.code != PROBLEM_CLIENT_GONE) {
        const struct routes_match *match = &request->match;
        struct adapter_request description = describe(request);
        struct adapter_reply reply = {0};
        match->route->format(match->adapter->user, &description, items, count, request->is_many,
                             &reply);
        is_sent = deliver(request, &reply, NULL);
    }
    free(items);
    return is_sent;
}

bool request_handle(struct request *request, const char *method, const char *version,
                    const char *data, size_t *size)
{
    switch (request->state) {
    case STATE_HEAD:
        return begin(request, method, version);
    case STATE_DIRECT:
        return deliver_directly(request);
    case STATE_BODY: {
        if (*size == 0)
            return request->problem.code != PROBLEM_NONE ? deliver_problem(request)
                                                         : submit(request);
        size_t arrived = *size;
        *size = 0;
        return collect(request, data, arrived);
    }
    case STATE_WORKING:
        return deliver_job(request);
    case STATE_SENT:
        break;
    }
    return false;
}

/* It was not answered by us: why, for the log. */
static void note_unanswered(struct request *request, enum request_end end)
{
    struct http_context *context = request->context;
    struct request_log *log = &request->log;
    enum problem_code cause = connections_cause(context->connections, request->connection);
    if (log->code == PROBLEM_NONE)
        log->code = request->problem.code != PROBLEM_NONE ? request->problem.code
                    : cause != PROBLEM_NONE               ? cause
                    : end == REQUEST_REFUSED              ? PROBLEM_BAD_REQUEST
                                                          : PROBLEM_CLIENT_GONE;
    log->http_status = cause == PROBLEM_TIMEOUT ? 408 : problem_kind(log->code)->http_status;
    if (!log->stage)
        log->stage = "head";
    metrics_request(context->options.metrics, request_log_metric(log), log->http_status,
                    clock_now_us() - request->started_us);
    if (!request->job) /* the pipeline counts each item of a job */
        metrics_problem(context->options.metrics, log->code);
}

void request_complete(struct request *request, enum request_end end)
{
    if (!request)
        return;
    struct http_context *context = request->context;
    struct request_log *log = &request->log;
    if (request->state != STATE_SENT) {
        note_unanswered(request, end);
    } else if (log->code == PROBLEM_NONE) {
        log->code = end == REQUEST_SENT ? PROBLEM_NONE : PROBLEM_CLIENT_GONE;
        log->stage = end == REQUEST_SENT ? NULL : "send";
    }
    if (end == REQUEST_SENT)
        connections_enter(context->connections, request->connection, CONNECTIONS_IDLE);
    else if (request->state == STATE_WORKING)
        connections_enter(context->connections, request->connection, CONNECTIONS_SENDING);
    let_go(request);
    log->id = *request->head.id ? request->head.id : NULL;
    log->method = *request->method ? request->method : NULL;
    log->path = request->target.path;
    log->client = connections_client(request->connection);
    log->body_bytes = request->body_bytes;
    log->total_us = clock_now_us() - request->started_us;
    request_log_write(context, log);
    target_fini(&request->target);
    free(request);
}
