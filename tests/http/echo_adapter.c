#include "tests/http/echo_adapter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *parameter(const struct adapter_request *request, const char *name,
                             const char *otherwise)
{
    for (size_t i = 0; i < request->parameter_count; i++)
        if (strcmp(request->parameters[i].name, name) == 0)
            return request->parameters[i].value;
    return otherwise;
}

static void reply_text(struct adapter_reply *reply, unsigned status, char *text, size_t size)
{
    *reply = (struct adapter_reply){
        .http_status = status, .content_type = "text/plain", .text = text, .size = size};
}

static void show(void *user, const struct adapter_request *request, struct adapter_reply *ret_reply)
{
    (void)user;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    fprintf(out, "method %s\npath %s\nhost %s\ntype %s\nid %s\n", request->method, request->path,
            request->host ? request->host : "-",
            request->content_type ? request->content_type : "-", request->request_id);
    for (size_t i = 0; i < request->parameter_count; i++)
        fprintf(out, "%s=%s\n", request->parameters[i].name, request->parameters[i].value);
    (void)fclose(out);
    reply_text(ret_reply, 200, text, size);
}

static void big(void *user, const struct adapter_request *request, struct adapter_reply *ret_reply)
{
    (void)user;
    size_t size = strtoul(parameter(request, "size", "1"), NULL, 10);
    char *text = malloc(size);
    if (!text)
        abort();
    memset(text, 'x', size);
    reply_text(ret_reply, 200, text, size);
}

static void probe(void *user, const struct adapter_request *request,
                  struct adapter_reply *ret_reply)
{
    (void)user;
    (void)request;
    *ret_reply = (struct adapter_reply){.http_status = 200,
                                        .content_type = "text/plain",
                                        .constant = "alive\n",
                                        .size = 6,
                                        .cache_control = "max-age=1"};
}

static bool parse(void *user, const struct adapter_request *request,
                  struct adapter_items *ret_items, struct problem *ret_problem)
{
    (void)user;
    if (parameter(request, "refuse", NULL)) {
        problem_set(ret_problem, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "refused as asked");
        return false;
    }
    size_t count = strtoul(parameter(request, "images", "1"), NULL, 10);
    struct item **items = calloc(count, sizeof *items);
    if (!items)
        abort();
    struct error error = {0};
    struct item_request item = {.url = "http://nowhere/",
                                .file = parameter(request, "when", "now")};
    if (request->body)
        item = (struct item_request){
            .blob = request->body, .bytes = blob_bytes(request->body), .file = item.file};
    for (size_t i = 0; i < count; i++)
        if (item_create(&item, &items[i], &error))
            abort();
    *ret_items = (struct adapter_items){count, items, count > 1};
    return true;
}

static void format_problem(void *user, const struct adapter_request *request,
                           const struct problem *problem, struct adapter_reply *ret_reply)
{
    (void)user;
    char *text = NULL;
    const struct problem_kind *kind = problem_kind(problem->code);
    int size = asprintf(&text, "%s: %s\n%s\n", kind->name, problem->detail, request->request_id);
    if (size < 0)
        abort();
    reply_text(ret_reply, kind->http_status, text, (size_t)size);
}

static void format(void *user, const struct adapter_request *request, struct item *const *items,
                   size_t count, bool is_many, struct adapter_reply *ret_reply)
{
    const struct item_outcome *outcome = item_outcome(items[0]);
    if (!is_many && outcome->problem.code != PROBLEM_NONE) {
        format_problem(user, request, &outcome->problem, ret_reply);
        return;
    }
    struct span body = request->body ? blob_bytes(request->body) : (struct span){0};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    for (size_t i = 0; is_many && i < count; i++)
        fprintf(out, "%s ", problem_kind(item_outcome(items[i])->problem.code)->name);
    if (body.size > 0)
        (void)fwrite(body.data, 1, body.size, out);
    (void)fclose(out);
    reply_text(ret_reply, 200, text, size);
    (void)snprintf(ret_reply->server_timing, sizeof ret_reply->server_timing, "inference;dur=1.0");
}

static const struct adapter_route routes[] = {
    {.path = "/show", .methods = "GET", .metric = METRICS_ROUTE_PAGE, .answer = show},
    {.path = "/big", .methods = "GET", .metric = METRICS_ROUTE_PAGE, .answer = big},
    {.path = "/probe",
     .methods = "GET",
     .metric = METRICS_ROUTE_PROBE,
     .is_probe = true,
     .answer = probe},
    {.path = "/work",
     .methods = "GET, POST, PUT",
     .metric = METRICS_ROUTE_CLASSIFY,
     .parse = parse,
     .format = format},
    {.path = NULL},
};

const struct adapter echo_adapter = {.routes = routes, .format_problem = format_problem};
