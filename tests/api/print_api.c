/* What the adapters are and say, as JSON lines for a checker that we did not write.
 *
 * Without arguments: {"routes"}, {"problems"}, then {"schema", "document"} of real documents, one
 * of each kind. "parse": reads JSON bodies from standard input, one a line, and prints for each the
 * code of what the parser says of it, "ok" where it takes it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/native.h"
#include "server/api/service.h"
#include "server/pipeline/item_progress.h"
#include "server/web/assets.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "print_api: %s\n", #condition);                                        \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

struct program {
    struct catalogue *catalogue;
    struct labels *labels;
    struct registry *registry;
    struct metrics *metrics;
    struct budget budget;
    struct native *native;
    struct service *service;
    struct adapter adapters[2];
};

static const struct adapter_request request = {
    .method = "GET", .path = "/classify", .request_id = "request-1"};

static void tell_memory(void *user, struct service_memory *ret_memory)
{
    (void)user;
    *ret_memory = (struct service_memory){.total_bytes = 1000, .locked_bytes = 10};
}

/* The demo as the first model, "slow" loading, "lost" failed. */
static void start(struct program *program)
{
    static const char *const specs[] = {"demo", "slow", "lost"};
    struct error error = {0};
    CHECK(!catalogue_parse(assets_catalogue(), &program->catalogue, &error));
    CHECK(!labels_parse_tsv(assets_labels(), &program->labels, &error));
    CHECK(!registry_create(specs, 3, &program->registry, &error));
    CHECK(!metrics_create(&program->metrics, &error));
    struct model_library library = {.catalogue = program->catalogue,
                                    .imagenet_labels = program->labels,
                                    .demo_weights = assets_demo_weights(),
                                    .folders = ""};
    struct model_options options = {.engine = {.kernels = "generic"}};
    struct model *model = NULL;
    CHECK(!model_load(&library, "demo", &options, &model, &error));
    registry_entry_set_model(registry_at(program->registry, 0), model);
    registry_entry_set_ready(registry_at(program->registry, 0));
    registry_entry_set_failed(registry_at(program->registry, 2), "no such file");
    program->budget.limit_bytes = 1 << 24;
    struct native_options native = {program->registry, &program->budget, 4};
    struct service_options service = {.registry = program->registry,
                                      .metrics = program->metrics,
                                      .cpu_threads = 2,
                                      .memory = tell_memory};
    CHECK(!native_create(&native, &program->native, &error));
    CHECK(!service_create(&service, &program->service, &error));
    program->adapters[0] = native_adapter(program->native);
    program->adapters[1] = service_adapter(program->service);
}

static void stop(struct program *program)
{
    native_destroy(program->native);
    service_destroy(program->service);
    registry_destroy(program->registry);
    metrics_destroy(program->metrics);
    labels_destroy(program->labels);
    catalogue_destroy(program->catalogue);
}

static const struct adapter_route *find(const struct adapter *adapter, const char *path)
{
    const struct adapter_route *route = adapter->routes;
    while (route->path && strcmp(route->path, path) != 0)
        route++;
    CHECK(route->path);
    return route;
}

static void print_tables(const struct program *program)
{
    const char *separator = "";
    printf("{\"routes\": [");
    for (size_t i = 0; i < 2; i++)
        for (const struct adapter_route *route = program->adapters[i].routes; route->path;
             route++) {
            printf("%s{\"path\": \"%s\", \"methods\": \"%s\", \"is_probe\": %s}", separator,
                   route->path, route->methods, route->is_probe ? "true" : "false");
            separator = ", ";
        }
    printf("]}\n{\"problems\": [");
    for (int code = PROBLEM_NONE + 1; code < PROBLEM_COUNT; code++) {
        const struct problem_kind *kind = problem_kind((enum problem_code)code);
        printf("%s{\"code\": \"%s\", \"status\": %u, \"retry_after\": %u}", code > 1 ? ", " : "",
               kind->name, kind->http_status, kind->retry_after_s);
    }
    printf("]}\n");
}

static void print_reply(const char *schema, struct adapter_reply *reply)
{
    CHECK(reply->text && reply->text[reply->size - 1] == '\n');
    printf("{\"schema\": \"%s\", \"document\": %.*s}\n", schema, (int)reply->size - 1, reply->text);
    free(reply->text);
}

static struct item *make_item(const char *file, const char *url)
{
    struct item *item;
    CHECK(!item_create(&(struct item_request){.file = file, .url = url}, &item, NULL));
    return item;
}

static struct item *finish(const struct program *program, struct item *item)
{
    struct item_answer answer = {
        .prediction_count = 2,
        .predictions = calloc(2, sizeof *answer.predictions),
        .info = {.format = IMAGE_FORMAT_PNG, .width_px = 640, .height_px = 480, .orientation = 1},
        .times = {.fetch_us = item_request(item)->url ? 30000 : 0,
                  .decode_us = 1500,
                  .inference_us = 12345},
        .batch_size = 2,
    };
    CHECK(answer.predictions);
    answer.predictions[0] = (struct topk_entry){207, 0.75F};
    answer.predictions[1] = (struct topk_entry){0, 0.25F};
    item_set_model(item, registry_entry_model(registry_at(program->registry, 0)));
    CHECK(item_finish_answer(item, &answer));
    return item;
}

static void print_documents(const struct program *program)
{
    const struct adapter *native = &program->adapters[0], *service = &program->adapters[1];
    struct adapter_reply reply;
    struct item *items[] = {
        finish(program, make_item("dog.jpg", NULL)), finish(program, make_item(NULL, "http://a/")),
        finish(program, make_item(NULL, NULL)), make_item("b", NULL), make_item(NULL, "c")};
    CHECK(item_finish_problem(items[3], PROBLEM_NOT_DECODABLE, "the file ends early"));
    CHECK(item_finish_problem(items[4], PROBLEM_FETCH_STATUS, "the answer was 404"));
    const struct adapter_route *classify = find(native, "/classify");
    for (size_t i = 0; i < 4; i++) {
        classify->format(native->user, &request, &items[i], 1, false, &reply);
        print_reply(i < 3 ? "Answer" : "Problem", &reply);
    }
    classify->format(native->user, &request, items, 5, true, &reply);
    print_reply("Results", &reply);
    for (int code = PROBLEM_NONE + 1; code < PROBLEM_CLIENT_GONE; code++) {
        struct problem problem = {.code = (enum problem_code)code, .detail = "why"};
        native->format_problem(native->user, &request, &problem, &reply);
        print_reply("Problem", &reply);
    }
    find(service, "/models")->answer(service->user, &request, &reply);
    print_reply("Models", &reply);
    find(service, "/healthz")->answer(service->user, &request, &reply);
    print_reply("Health", &reply);
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++)
        item_release(items[i]);
}

static const char *parse_line(struct program *program, const char *line, size_t size)
{
    struct adapter_request asked = request;
    struct adapter_items items;
    struct problem problem = {0};
    asked.content_type = "application/json";
    CHECK(!blob_create(&program->budget, size, &asked.body, NULL));
    CHECK(!blob_append(asked.body, (struct span){(const uint8_t *)line, size}, size, NULL));
    const struct adapter *native = &program->adapters[0];
    if (find(native, "/classify")->parse(native->user, &asked, &items, &problem)) {
        for (size_t i = 0; i < items.count; i++)
            item_release(items.items[i]);
        free(items.items);
    }
    blob_release(asked.body);
    return problem_kind(problem.code)->name;
}

static void parse_lines(struct program *program)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    while ((size = getline(&line, &capacity, stdin)) >= 0)
        puts(parse_line(program, line, (size_t)size));
    free(line);
}

int main(int argc, char **argv)
{
    struct program program = {0};
    start(&program);
    if (argc > 1 && strcmp(argv[1], "parse") == 0) {
        parse_lines(&program);
    } else {
        print_tables(&program);
        print_documents(&program);
    }
    stop(&program);
    return EXIT_SUCCESS;
}
