/* Owns the served models and what is known of each. The state publishes the rest: whoever reads
 * "failed" finds the reason, whoever reads "ready" the model and its lane. */
#include "server/models/registry.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"

struct registry_entry {
    char *spec; /* owned; cut in place into the next two */
    const char *name, *source;
    _Atomic(enum registry_state) state;
    _Atomic(struct model *) model; /* owned */
    _Atomic(void *) lane;
    char reason[sizeof((struct error *)NULL)->text];
};

struct registry {
    struct registry_entry *entries; /* [count] */
    size_t count;
};

/* Cuts "name=source"; the whole text is both where that is not what it is. */
static enum status parse_spec(const char *spec, struct registry_entry *entry, struct error *error)
{
    entry->spec = strdup(spec);
    if (!entry->spec)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a model's name");
    entry->name = entry->source = entry->spec;
    size_t length = strcspn(spec, "=:/?");
    if (spec[length] == '=') {
        entry->spec[length] = '\0';
        entry->source = entry->spec + length + 1;
    }
    if (!*entry->name)
        return error_set(error, STATUS_BAD_REQUEST, "model \"%.60s\": the name is empty", spec);
    if (!*entry->source)
        return error_set(error, STATUS_BAD_REQUEST,
                         "model \"%.60s\": nothing behind the '='; expected a model's name or a "
                         "path",
                         spec);
    if (strlen(entry->name) > REGISTRY_MAX_NAME_BYTES)
        return error_set(error, STATUS_BAD_REQUEST,
                         "model \"%.60s...\": a name of over %d bytes; give it a short one: "
                         "NAME=SOURCE",
                         spec, REGISTRY_MAX_NAME_BYTES);
    return STATUS_OK;
}

static enum status add(struct registry *registry, const char *spec, struct error *error)
{
    struct registry_entry *entry = &registry->entries[registry->count++];
    atomic_init(&entry->state, REGISTRY_LOADING);
    enum status status = parse_spec(spec, entry, error);
    if (status != STATUS_OK)
        return status;
    if (registry_find(registry, entry->name) != entry)
        return error_set(error, STATUS_BAD_REQUEST, "two models are called \"%.128s\"",
                         entry->name);
    return STATUS_OK;
}

enum status registry_create(const char *const *specs, size_t count, struct registry **ret_registry,
                            struct error *error)
{
    struct registry *registry = calloc(1, sizeof *registry);
    if (registry)
        registry->entries = alloc_array(count, sizeof *registry->entries, SIZE_MAX / 2);
    enum status status = STATUS_OK;
    if (!registry || !registry->entries)
        status = error_set(error, STATUS_NO_MEMORY, "no memory for %zu models", count);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = add(registry, specs[i], error);
    if (status == STATUS_OK)
        *ret_registry = registry;
    else
        registry_destroy(registry);
    return status;
}

void registry_destroy(struct registry *registry)
{
    if (!registry)
        return;
    for (size_t i = 0; i < registry->count; i++) {
        model_destroy(atomic_load(&registry->entries[i].model));
        free(registry->entries[i].spec);
    }
    free(registry->entries);
    free(registry);
}

size_t registry_count(const struct registry *registry)
{
    return registry->count;
}

struct registry_entry *registry_at(const struct registry *registry, size_t index)
{
    return &registry->entries[index];
}

struct registry_entry *registry_find(const struct registry *registry, const char *name)
{
    if (!name)
        return &registry->entries[0];
    for (size_t i = 0; i < registry->count; i++)
        if (strcmp(registry->entries[i].name, name) == 0)
            return &registry->entries[i];
    return NULL;
}

const char *registry_entry_name(const struct registry_entry *entry)
{
    return entry->name;
}

const char *registry_entry_source(const struct registry_entry *entry)
{
    return entry->source;
}

enum registry_state registry_entry_state(const struct registry_entry *entry)
{
    return atomic_load_explicit(&entry->state, memory_order_acquire);
}

const struct model *registry_entry_model(const struct registry_entry *entry)
{
    return atomic_load_explicit(&entry->model, memory_order_acquire);
}

const char *registry_entry_reason(const struct registry_entry *entry)
{
    return registry_entry_state(entry) == REGISTRY_FAILED ? entry->reason : "";
}

void registry_entry_set_lane(struct registry_entry *entry, void *lane)
{
    atomic_store_explicit(&entry->lane, lane, memory_order_release);
}

void *registry_entry_lane(const struct registry_entry *entry)
{
    return atomic_load_explicit(&entry->lane, memory_order_acquire);
}

void registry_entry_set_model(struct registry_entry *entry, struct model *model)
{
    atomic_store_explicit(&entry->model, model, memory_order_release);
}

void registry_entry_set_ready(struct registry_entry *entry)
{
    atomic_store_explicit(&entry->state, REGISTRY_READY, memory_order_release);
}

void registry_entry_set_failed(struct registry_entry *entry, const char *reason)
{
    (void)snprintf(entry->reason, sizeof entry->reason, "%s", reason);
    atomic_store_explicit(&entry->state, REGISTRY_FAILED, memory_order_release);
}

bool registry_is_ready(const struct registry *registry)
{
    for (size_t i = 0; i < registry->count; i++)
        if (registry_entry_state(&registry->entries[i]) != REGISTRY_READY)
            return false;
    return true;
}
