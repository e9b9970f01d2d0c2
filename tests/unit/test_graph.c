#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "model/net/architecture.h"
#include "model/net/graph.h"
#include "model/net/weights_random.h"
#include "model/net/weights_table.h"

static struct weights *random_weights(const char *name, uint32_t classes)
{
    const struct architecture *architecture = architecture_find(name);
    assert_non_null(architecture);
    struct weights_random_spec spec = {.is_bottleneck = architecture->is_bottleneck,
                                       .groups = architecture->groups,
                                       .width_per_group = architecture->width_per_group,
                                       .classes = classes,
                                       .seed = 1};
    memcpy(spec.blocks, architecture->blocks, sizeof spec.blocks);
    struct weights *weights = NULL;
    assert_int_equal(weights_random_create(&spec, &weights, NULL), STATUS_OK);
    return weights;
}

static struct graph *read_graph(const struct weights *weights)
{
    struct graph *graph = NULL;
    struct error error = {0};
    if (graph_create(weights, &graph, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return graph;
}

static const struct graph_layer *layer_named(const struct graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->layer_count; i++)
        if (strcmp(graph->layers[i].name, name) == 0)
            return &graph->layers[i];
    fail_msg("no layer %s", name);
    return NULL;
}

/* Parameters as torchvision publishes them; MACs at 224 px as torchvision's _ops (G, with the
 * pooling left out). */
static void architectures_are_torchvisions(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t parameters;
        double gmacs;
    } published[] = {
        {"resnet18", 11689512, 1.814},
        {"resnet50", 25557032, 4.089},
        {"resnext50_32x4d", 25028904, 4.23},
    };
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        struct weights *weights = random_weights(published[i].name, 1000);
        struct graph *graph = read_graph(weights);
        assert_string_equal(graph->family, published[i].name);
        assert_int_equal(graph->classes, 1000);
        struct graph_layer_cost costs[128];
        assert_true(graph->layer_count <= 128);
        graph_costs(graph, 224, costs);
        uint64_t parameters = 0, macs = 0;
        for (size_t l = 0; l < graph->layer_count; l++) {
            parameters += costs[l].parameters;
            macs += costs[l].macs;
        }
        assert_int_equal(parameters, published[i].parameters);
        assert_true(fabs((double)macs / 1e9 - published[i].gmacs) < 0.005);
        graph_destroy(graph);
        weights_destroy(weights);
    }
}

static void blocks_are_connected(void **state)
{
    (void)state;
    struct weights *weights = random_weights("resnext50_32x4d", 10);
    struct graph *graph = read_graph(weights);
    const struct graph_layer *last = layer_named(graph, "layer2.0.conv3");
    assert_string_equal(graph->layers[last->residual].name, "layer2.0.downsample.0");
    assert_int_equal(graph->layers[last->residual].stride_px, 2);
    assert_false(graph->layers[last->residual].has_relu);
    const struct graph_layer *middle = &graph->layers[last->input];
    assert_string_equal(middle->name, "layer2.0.conv2");
    assert_int_equal(middle->stride_px, 2);
    assert_int_equal(middle->groups, 32);
    last = layer_named(graph, "layer2.1.conv3");
    assert_string_equal(graph->layers[last->residual].name, "layer2.0.conv3");
    assert_int_equal(layer_named(graph, "fc")->out_channels, 10);
    graph_destroy(graph);
    weights_destroy(weights);
}

/* A copy of `weights` with one tensor left out, added or given another shape. */
static struct weights *changed(const struct weights *weights, const char *name, unsigned rank,
                               const uint64_t *shape)
{
    static const float values[64 * 64 * 49];
    struct weights *copy = NULL;
    bool is_found = false;
    assert_int_equal(weights_table_create("random", &copy, NULL), STATUS_OK);
    for (size_t i = 0; i < weights_count(weights); i++) {
        struct weights_tensor tensor = *weights_at(weights, i);
        bool is_it = strcmp(tensor.name, name) == 0;
        is_found = is_found || is_it;
        if (is_it && rank == 0)
            continue;
        if (is_it) {
            tensor.rank = rank;
            memcpy(tensor.shape, shape, rank * sizeof *shape);
            weights_table_set_dense_strides(&tensor);
            tensor.data = (struct span){(const uint8_t *)values, sizeof values};
        }
        size_t element_bytes = tensor.type == WEIGHTS_I64 ? 8 : 4;
        assert_int_equal(weights_table_add(copy, &tensor, element_bytes, NULL), STATUS_OK);
    }
    if (!is_found) {
        struct weights_tensor tensor = {.name = name, .type = WEIGHTS_F32, .rank = rank};
        memcpy(tensor.shape, shape, rank * sizeof *shape);
        weights_table_set_dense_strides(&tensor);
        tensor.data = (struct span){(const uint8_t *)values, sizeof values};
        assert_int_equal(weights_table_add(copy, &tensor, 4, NULL), STATUS_OK);
    }
    assert_int_equal(weights_table_finish(copy, NULL), STATUS_OK);
    return copy;
}

static const struct {
    const char *name;
    unsigned rank;
    uint64_t shape[4];
    enum status status;
    const char *text;
} misfits[] = {
    {"conv1.weight",
     4,
     {64, 3, 3, 3},
     STATUS_BAD_MODEL,
     "conv1.weight: shape [64, 3, 3, 3] found, [any, 3, 7, 7] expected"},
    {"layer1.0.conv2.weight",
     4,
     {64, 63, 3, 3},
     STATUS_BAD_MODEL,
     "layer1.0.conv2.weight: shape [64, 63, 3, 3] found, [64, 64, 3, 3] expected"},
    {"layer1.0.conv2.weight",
     0,
     {0},
     STATUS_BAD_MODEL,
     "layer1.0.conv2.weight: missing, expected with shape [any, 64, 3, 3]"},
    {"layer1.1.conv2.weight",
     0,
     {0},
     STATUS_BAD_MODEL,
     "layer1.1.conv2.weight: missing, expected with shape [64, 64, 3, 3]"},
    {"layer1.1.conv2.weight",
     4,
     {60, 64, 3, 3},
     STATUS_BAD_MODEL,
     "layer1.1.conv2.weight: shape [60, 64, 3, 3] found, [64, 64, 3, 3] expected"},
    {"layer2.0.downsample.0.weight",
     0,
     {0},
     STATUS_BAD_MODEL,
     "layer2.0.downsample.0.weight: missing, expected with shape [128, 64, 1, 1]"},
    {"layer1.1.bn2.running_var",
     1,
     {63},
     STATUS_BAD_MODEL,
     "layer1.1.bn2.running_var: shape [63] found, [64] expected"},
    {"fc.weight",
     2,
     {10, 100},
     STATUS_BAD_MODEL,
     "fc.weight: shape [10, 100] found, [any, 512] expected"},
    {"fc.bias", 0, {0}, STATUS_BAD_MODEL, "fc.bias: missing, expected with shape [10]"},
    {"layer9.0.extra",
     1,
     {3},
     STATUS_BAD_MODEL,
     "layer9.0.extra: shape [3] found, but no layer of a torchvision ResNet (resnet18) has a "
     "tensor of that name"},
    {"conv1.weight",
     0,
     {0},
     STATUS_UNSUPPORTED,
     "not a torchvision ResNet: no tensor conv1.weight among the "},
};

static void what_does_not_fit_is_named(void **state)
{
    (void)state;
    struct weights *weights = random_weights("resnet18", 10);
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
        struct weights *other =
            changed(weights, misfits[i].name, misfits[i].rank, misfits[i].shape);
        struct graph *graph = NULL;
        struct error error = {0};
        assert_int_equal(graph_create(other, &graph, &error), misfits[i].status);
        assert_null(graph);
        if (strncmp(error.text, misfits[i].text, strlen(misfits[i].text)) != 0)
            fail_msg("'%s' said, '%s' expected", error.text, misfits[i].text);
        weights_destroy(other);
    }
    weights_destroy(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(architectures_are_torchvisions),
        cmocka_unit_test(blocks_are_connected),
        cmocka_unit_test(what_does_not_fit_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
