/* The service's own routes through the adapter's interface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/api/service.h"
#include "server/web/assets.h"

struct fixture {
    struct catalogue *catalogue;
    struct labels *labels;
    struct registry *registry;
    struct metrics *metrics;
    struct service *service;
    struct adapter adapter;
};

static void tell_memory(void *user, struct service_memory *ret_memory)
{
    (void)user;
    *ret_memory = (struct service_memory){.total_bytes = 1000, .locked_bytes = 10};
}

static int setup(void **state)
{
    static const char *const specs[] = {"demo", "other=demo"};
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    assert_int_equal(catalogue_parse(assets_catalogue(), &fixture->catalogue, NULL), STATUS_OK);
    assert_int_equal(labels_parse_tsv(assets_labels(), &fixture->labels, NULL), STATUS_OK);
    assert_int_equal(registry_create(specs, 2, &fixture->registry, NULL), STATUS_OK);
    assert_int_equal(metrics_create(&fixture->metrics, NULL), STATUS_OK);
    struct service_options options = {.registry = fixture->registry,
                                      .metrics = fixture->metrics,
                                      .cpu_threads = 2,
                                      .has_page = true,
                                      .memory = tell_memory};
    assert_int_equal(service_create(&options, &fixture->service, NULL), STATUS_OK);
    fixture->adapter = service_adapter(fixture->service);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    service_destroy(fixture->service);
    registry_destroy(fixture->registry);
    metrics_destroy(fixture->metrics);
    catalogue_destroy(fixture->catalogue);
    labels_destroy(fixture->labels);
    free(fixture);
    return 0;
}

static void load(struct fixture *fixture, size_t index)
{
    struct model_library library = {.catalogue = fixture->catalogue,
                                    .imagenet_labels = fixture->labels,
                                    .demo_weights = assets_demo_weights(),
                                    .folders = ""};
    struct model_options options = {.engine = {.kernels = "generic"}};
    struct model *model = NULL;
    assert_int_equal(model_load(&library, "demo", &options, &model, NULL), STATUS_OK);
    registry_entry_set_model(registry_at(fixture->registry, index), model);
}

static const struct adapter_route *find(const struct adapter *adapter, const char *path)
{
    for (const struct adapter_route *route = adapter->routes; route->path; route++)
        if (strcmp(route->path, path) == 0)
            return route;
    fail_msg("no route %s", path);
    return NULL;
}

static struct adapter_reply get(const struct adapter *adapter, const char *path)
{
    struct adapter_reply reply;
    struct adapter_request request = {.method = "GET", .path = path, .request_id = "r-1"};
    find(adapter, path)->answer(adapter->user, &request, &reply);
    if (reply.text)
        assert_int_equal(reply.size, strlen(reply.text));
    return reply;
}

static void expect(const struct fixture *fixture, const char *path, unsigned http_status,
                   const char *text)
{
    struct adapter_reply reply = get(&fixture->adapter, path);
    const char *body = reply.text ? reply.text : reply.constant;
    assert_int_equal(reply.http_status, http_status);
    assert_int_equal(reply.size, strlen(text));
    assert_memory_equal(body, text, reply.size);
    assert_int_equal(reply.retry_after_s > 0, http_status == 503);
    free(reply.text);
}

static void probes_from_start_to_end(void **state)
{
    struct fixture *fixture = *state;
    expect(fixture, "/livez", 200, "ok\n");
    expect(fixture, "/startupz", 503, "loading: model demo\n");
    expect(fixture, "/readyz", 503, "loading: model demo\n");
    load(fixture, 0);
    load(fixture, 1);
    registry_entry_set_ready(registry_at(fixture->registry, 0));
    expect(fixture, "/readyz", 503, "loading: model other\n");
    registry_entry_set_ready(registry_at(fixture->registry, 1));
    expect(fixture, "/startupz", 200, "ok\n");
    expect(fixture, "/readyz", 503, "starting\n");
    service_set_state(fixture->service, SERVICE_SERVING);
    expect(fixture, "/readyz", 200, "ok\n");
    service_set_state(fixture->service, SERVICE_DRAINING);
    expect(fixture, "/readyz", 503, "draining: shutting down\n");
    expect(fixture, "/startupz", 200, "ok\n");
    expect(fixture, "/livez", 200, "ok\n");
}

static void a_model_that_failed_is_named(void **state)
{
    struct fixture *fixture = *state;
    service_set_state(fixture->service, SERVICE_SERVING);
    registry_entry_set_failed(registry_at(fixture->registry, 1), "no such file");
    expect(fixture, "/readyz", 503, "failed: model other: no such file\n");
    expect(fixture, "/startupz", 503, "failed: model other: no such file\n");
    expect(fixture, "/livez", 200, "ok\n");
}

static struct json_doc *get_json(const struct fixture *fixture, const char *path)
{
    struct adapter_reply reply = get(&fixture->adapter, path);
    struct json_doc *doc = NULL;
    const char *body = reply.text ? reply.text : reply.constant;
    assert_int_equal(reply.http_status, 200);
    assert_string_equal(reply.content_type, "application/json");
    struct span text = {(const uint8_t *)body, reply.size};
    assert_int_equal(json_doc_parse(text, &doc, NULL), STATUS_OK);
    free(reply.text);
    return doc;
}

static int64_t integer(const struct json_node *node)
{
    int64_t value;
    assert_true(json_node_integer(node, &value));
    return value;
}

static void health_is_told(void **state)
{
    struct fixture *fixture = *state;
    metrics_queue_add(fixture->metrics, METRICS_QUEUE_PREPARE, 7);
    metrics_gauge_set(fixture->metrics, METRICS_REQUESTS_IN_FLIGHT, 9);
    struct json_doc *doc = get_json(fixture, "/healthz");
    const struct json_node *root = json_doc_root(doc);
    assert_string_equal(json_node_string(json_node_member(root, "status")), "loading");
    assert_null(json_node_member(root, "kernels"));
    assert_int_equal(integer(json_node_member(json_node_member(root, "queues"), "prepare")), 7);
    assert_int_equal(integer(json_node_member(root, "requests_in_flight")), 9);
    assert_int_equal(integer(json_node_member(json_node_member(root, "memory"), "pinned_bytes")),
                     10);
    assert_int_equal(integer(json_node_member(root, "cpu_threads")), 2);
    json_doc_destroy(doc);

    load(fixture, 0);
    registry_entry_set_ready(registry_at(fixture->registry, 0));
    registry_entry_set_failed(registry_at(fixture->registry, 1), "no such file");
    doc = get_json(fixture, "/healthz");
    root = json_doc_root(doc);
    const struct json_node *models = json_node_member(root, "models");
    assert_string_equal(json_node_string(json_node_member(root, "status")), "failed");
    assert_string_equal(
        json_node_string(json_node_member(json_node_member(root, "kernels"), "set")), "generic");
    assert_string_equal(json_node_string(json_node_member(json_node_item(models, 0), "state")),
                        "ready");
    assert_string_equal(json_node_string(json_node_member(json_node_item(models, 1), "reason")),
                        "no such file");
    json_doc_destroy(doc);
}

static void models_are_listed(void **state)
{
    struct fixture *fixture = *state;
    load(fixture, 0);
    registry_entry_set_ready(registry_at(fixture->registry, 0));
    struct json_doc *doc = get_json(fixture, "/models");
    const struct json_node *models = json_node_member(json_doc_root(doc), "models");
    const struct json_node *demo = json_node_item(models, 0), *other = json_node_item(models, 1);
    bool is_default;
    assert_int_equal(json_node_count(models), 2);
    assert_string_equal(json_node_string(json_node_member(demo, "name")), "demo");
    assert_true(json_node_boolean(json_node_member(demo, "default"), &is_default) && is_default);
    assert_true(json_node_boolean(json_node_member(other, "default"), &is_default) && !is_default);
    assert_int_equal(integer(json_node_member(demo, "classes")), 1000);
    assert_int_equal(integer(json_node_member(json_node_member(demo, "recipe"), "crop")),
                     integer(json_node_member(demo, "input_px")));
    struct adapter_reply reply = get(&fixture->adapter, "/models");
    assert_non_null(
        strstr(reply.text, "\"mean\": [0.485, 0.456, 0.406], \"std\": [0.229, 0.224, 0.225]"));
    free(reply.text);
    assert_string_equal(json_node_string(json_node_member(other, "state")), "loading");
    assert_null(json_node_member(other, "classes"));
    json_doc_destroy(doc);
}

static void files_and_metrics(void **state)
{
    struct fixture *fixture = *state;
    struct adapter_reply reply = get(&fixture->adapter, "/metrics");
    assert_string_equal(reply.content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert_non_null(strstr(reply.text, "classifyd_build_info"));
    free(reply.text);
    reply = get(&fixture->adapter, "/");
    assert_string_equal(reply.content_type, "text/html; charset=utf-8");
    assert_ptr_equal(reply.constant, assets_page().data);
    assert_int_equal(reply.size, assets_page().size);
    reply = get(&fixture->adapter, "/sample.jpg");
    assert_string_equal(reply.content_type, "image/jpeg");
    assert_int_equal(reply.size, assets_sample_image().size);
    reply = get(&fixture->adapter, "/favicon.ico");
    assert_int_equal(reply.http_status, 204);
    assert_int_equal(reply.size, 0);
    json_doc_destroy(get_json(fixture, "/openapi.json"));
}

static void the_page_can_be_switched_off(void **state)
{
    struct fixture *fixture = *state;
    struct service_options options = {.registry = fixture->registry, .metrics = fixture->metrics};
    struct service *service;
    assert_int_equal(service_create(&options, &service, NULL), STATUS_OK);
    struct adapter adapter = service_adapter(service);
    struct adapter_reply reply = get(&adapter, "/");
    assert_int_equal(reply.http_status, 404);
    assert_non_null(strstr(reply.text, "\"code\": \"not_found\""));
    assert_non_null(strstr(reply.text, "\"request_id\": \"r-1\""));
    free(reply.text);
    service_destroy(service);
}

static void only_probes_are_probes(void **state)
{
    const struct fixture *fixture = *state;
    static const char *const probes[] = {"/livez", "/readyz", "/startupz", "/healthz", "/metrics"};
    size_t count = 0;
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++)
        assert_true(find(&fixture->adapter, probes[i])->is_probe);
    for (const struct adapter_route *route = fixture->adapter.routes; route->path; route++)
        count += route->is_probe;
    assert_int_equal(count, sizeof probes / sizeof probes[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(probes_from_start_to_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_model_that_failed_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(health_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(models_are_listed, setup, teardown),
        cmocka_unit_test_setup_teardown(files_and_metrics, setup, teardown),
        cmocka_unit_test_setup_teardown(the_page_can_be_switched_off, setup, teardown),
        cmocka_unit_test_setup_teardown(only_probes_are_probes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
