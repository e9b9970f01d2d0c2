/* The models that are served, by name. The list is fixed at the start; each entry goes from loading
 * to ready or failed, once. */
#ifndef CLASSIFYD_SERVER_MODELS_REGISTRY_H
#define CLASSIFYD_SERVER_MODELS_REGISTRY_H

#include "model/model.h"

enum registry_state { REGISTRY_LOADING, REGISTRY_READY, REGISTRY_FAILED };

struct registry;
struct registry_entry;

/* `specs` [count >= 1] of the configuration: "resnet50", "pets=/models/pets.pth": the name clients
 * use and what model_load takes; the first is the default. Copies. Fails with STATUS_BAD_REQUEST (a
 * name twice, empty, over 128 bytes; without "=" name and source are the same),
 * STATUS_NO_MEMORY. Returns owned. */
MUST_CHECK enum status registry_create(const char *const *specs, size_t count,
                                       struct registry **ret_registry, struct error *error);
/* Destroys the models, too: nothing may use them any more. */
void registry_destroy(struct registry *registry);

size_t registry_count(const struct registry *registry);
struct registry_entry *registry_at(const struct registry *registry, size_t index);

/* NULL is the default; NULL where there is none of that name. Any thread. */
struct registry_entry *registry_find(const struct registry *registry, const char *name);

const char *registry_entry_name(const struct registry_entry *entry);
const char *registry_entry_source(const struct registry_entry *entry);

/* Any thread; lock-free. */
enum registry_state registry_entry_state(const struct registry_entry *entry);
/* Of a loaded one (also between loading and ready, for whoever loads), else NULL. */
const struct model *registry_entry_model(const struct registry_entry *entry);
/* Why it failed; "" unless it did. */
const char *registry_entry_reason(const struct registry_entry *entry);
/* What the pipeline hangs on it: its lane. Set before ready, read after. */
void registry_entry_set_lane(struct registry_entry *entry, void *lane);
void *registry_entry_lane(const struct registry_entry *entry);

/* By the one thread that loads. `model` is taken. */
void registry_entry_set_model(struct registry_entry *entry, struct model *model);
void registry_entry_set_ready(struct registry_entry *entry);
void registry_entry_set_failed(struct registry_entry *entry, const char *reason);

/* Whether every model is ready; whether any failed. */
bool registry_is_ready(const struct registry *registry);

#endif
