#include "server/api/native.h"

#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/base/nearest.h"
#include "server/api/adapter_reply.h"
#include "server/api/native_body.h"
#include "server/api/native_document.h"

struct native {
    struct native_options options;
};

static bool read_query(const struct adapter_request *request, struct native_request *asked,
                       struct problem *problem)
{
    for (size_t i = 0; i < request->parameter_count; i++)
        if (!native_request_add_field(asked, "parameter", request->parameters[i].name,
                                      request->parameters[i].value, problem))
            return false;
    return true;
}

static bool read_request(const struct native *native, const struct adapter_request *request,
                         struct native_request *asked, struct problem *problem)
{
    if (!read_query(request, asked, problem))
        return false;
    bool has_body = request->body && blob_bytes(request->body).size > 0;
    if (has_body && !native_body_read(request->body, request->content_type, native->options.budget,
                                      asked, problem))
        return false;
    if (asked->count > 0)
        return true;
    const char *host = request->host ? request->host : "localhost:8080";
    problem_set(problem, PROBLEM_BAD_REQUEST,
                "no image: send one (curl --data-binary @dog.jpg %.200s/classify) or a URL (curl "
                "'%.200s/classify?url=https://...')",
                host, host);
    return false;
}

static bool refuse_model(const struct registry *registry, const char *name, struct problem *problem)
{
    struct nearest nearest = {.wanted = name};
    for (size_t i = 0; i < registry_count(registry); i++)
        nearest_offer(&nearest, registry_entry_name(registry_at(registry, i)));
    if (nearest.name)
        problem_set(problem, PROBLEM_MODEL_NOT_FOUND, "no model \"%s\" is served; did you mean %s?",
                    name, nearest.name);
    else
        problem_set(problem, PROBLEM_MODEL_NOT_FOUND,
                    "no model \"%s\" is served; /models lists those that are", name);
    return false;
}

/* What only the model can say of the parameters, before any image is fetched or decoded. */
static bool check_model(const struct native *native, const struct native_request *asked,
                        struct problem *problem)
{
    const struct parameters *parameters = &asked->parameters;
    const struct registry_entry *entry =
        registry_find(native->options.registry, parameters->has_model ? parameters->model : NULL);
    if (!entry)
        return refuse_model(native->options.registry, parameters->model, problem);
    enum registry_state state = registry_entry_state(entry);
    if (state == REGISTRY_FAILED)
        problem_set(problem, PROBLEM_MODEL_NOT_READY, "the model %s could not be loaded: %s",
                    registry_entry_name(entry), registry_entry_reason(entry));
    if (state == REGISTRY_LOADING)
        problem_set(problem, PROBLEM_MODEL_NOT_READY, "the model %s is still being loaded",
                    registry_entry_name(entry));
    if (state != REGISTRY_READY)
        return false;
    uint32_t classes = engine_classes(model_engine(registry_entry_model(entry)));
    if (!parameters->has_top_k || parameters->top_k <= classes)
        return true;
    problem_set(problem, PROBLEM_BAD_REQUEST, "top_k is %u; the model %s has %u classes",
                parameters->top_k, registry_entry_name(entry), classes);
    return false;
}

/* The answer of all images is made in one piece on an event thread, which has others to serve. */
static bool check_size(const struct native_request *asked, struct problem *problem)
{
    enum { MAX_PREDICTIONS = 10000 };
    uint32_t top_k = asked->parameters.has_top_k ? asked->parameters.top_k : ITEM_DEFAULT_TOP_K;
    if (asked->count <= 1 || (uint64_t)asked->count * top_k <= MAX_PREDICTIONS)
        return true;
    problem_set(problem, PROBLEM_BAD_REQUEST,
                "%zu images with top_k %u are more than the %d predictions of one answer; lower "
                "top_k or send several requests",
                asked->count, top_k, MAX_PREDICTIONS);
    return false;
}

static void release_items(struct adapter_items *items)
{
    for (size_t i = 0; i < items->count; i++)
        item_release(items->items[i]);
    free(items->items);
}

static bool make_items(const struct native_request *asked, struct adapter_items *ret_items,
                       struct problem *problem)
{
    const struct parameters *parameters = &asked->parameters;
    struct error error = {0};
    struct adapter_items made = {
        .items = alloc_array(asked->count, sizeof(struct item *), SIZE_MAX),
        .is_many = asked->is_list || asked->count > 1,
    };
    enum status status =
        made.items ? STATUS_OK
                   : error_set(&error, STATUS_NO_MEMORY, "no memory for a request; try again");
    for (size_t i = 0; !status && i < asked->count; i++) {
        const struct native_image *image = &asked->images[i];
        struct item_request item = {
            .blob = image->blob,
            .bytes = image->bytes,
            .url = image->url,
            .file = image->file,
            .model = parameters->has_model ? parameters->model : NULL,
            .top_k = parameters->has_top_k ? parameters->top_k : 0,
            .min_probability = parameters->has_min_probability ? parameters->min_probability : 0,
        };
        status = item_create(&item, &made.items[i], &error);
        made.count += !status;
    }
    if (status) {
        problem_set_error(problem, &error);
        release_items(&made);
        return false;
    }
    *ret_items = made;
    return true;
}

static bool parse_classify(void *user, const struct adapter_request *request,
                           struct adapter_items *ret_items, struct problem *ret_problem)
{
    const struct native *native = user;
    struct native_request asked;
    struct error error = {0};
    struct problem problem = {0};
    bool is_parsed = false;
    if (native_request_init(&asked, native->options.max_images, &error))
        problem_set_error(&problem, &error);
    else
        is_parsed = read_request(native, request, &asked, &problem) &&
                    check_model(native, &asked, &problem) && check_size(&asked, &problem) &&
                    make_items(&asked, ret_items, &problem);
    native_request_fini(&asked);
    if (!is_parsed)
        *ret_problem = problem;
    return is_parsed;
}

static void format_classify(void *user, const struct adapter_request *request,
                            struct item *const *items, size_t count, bool is_many,
                            struct adapter_reply *ret_reply)
{
    (void)user;
    if (is_many)
        native_document_list(request, items, count, ret_reply);
    else
        native_document_one(request, items[0], ret_reply);
}

static void format_problem(void *user, const struct adapter_request *request,
                           const struct problem *problem, struct adapter_reply *ret_reply)
{
    (void)user;
    adapter_reply_problem(request, problem, ret_reply);
}

static const struct adapter_route routes[] = {
    {.path = "/classify",
     .methods = "GET, POST, PUT",
     .summary = "name what images show",
     .metric = METRICS_ROUTE_CLASSIFY,
     .parse = parse_classify,
     .format = format_classify},
    {.path = NULL},
};

enum status native_create(const struct native_options *options, struct native **ret_native,
                          struct error *error)
{
    struct native *native = calloc(1, sizeof *native);
    if (!native)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the API");
    native->options = *options;
    *ret_native = native;
    return STATUS_OK;
}

struct adapter native_adapter(struct native *native)
{
    return (struct adapter){.routes = routes, .user = native, .format_problem = format_problem};
}

void native_destroy(struct native *native)
{
    free(native);
}
