/* The models that are served, by name. The list is fixed at the start; each entry goes from loading
 * to ready or failed, once. */
#ifndef CLASSIFYD_SERVER_MODELS_REGISTRY_H
#define CLASSIFYD_SERVER_MODELS_REGISTRY_H

#include "model/model.h"

enum registry_state { REGISTRY_LOADING, REGISTRY_READY, REGISTRY_FAILED };

struct registry;
struct registry_entry;

enum { REGISTRY_MAX_NAME_BYTES = 128 };

/* `specs` [count >= 1] of the configuration: "resnet50", "pets=/models/pets.pth": the name clients
 * use and what model_load takes; the first is the default. Without "=" name and source are the
 * same, and so they are where a ':', '/' or '?' stands before it: "random:resnet50?seed=1" has no
 * name of its own. Copies. Fails with STATUS_BAD_REQUEST (a name twice, empty, over 128 bytes, an
 * empty source), STATUS_NO_MEMORY. Returns owned. */
MUST_CHECK enum status registry_create(const char *const *specs, size_t count,
                                       struct registry **ret_registry, struct error *error);
/* Destroys the models, too: nothing may use them any more. Accepts NULL. */
void registry_destroy(struct registry *registry);

size_t registry_count(const struct registry *registry);
struct registry_entry *registry_at(const struct registry *registry, size_t index);

/* NULL is the default; NULL where there is none of that name. Any thread. */
struct registry_entry *registry_find(const struct registry *registry, const char *name);

const char *registry_entry_name(const struct registry_entry *entry);
const char *registry_entry_source(const struct registry_entry *entry);

/* Any thread; lock-free. */
enum registry_state registry_entry_state(const struct registry_entry *entry);
/* Of a loaded one (also between loading and ready, for whoever loads, and of one that was loaded
 * and then failed its check), else NULL. Any thread. */
const struct model *registry_entry_model(const struct registry_entry *entry);
/* Why it failed; "" unless it did. Any thread. */
const char *registry_entry_reason(const struct registry_entry *entry);
/* What the pipeline hangs on it: its lane. Set before ready, read after. */
void registry_entry_set_lane(struct registry_entry *entry, void *lane);
void *registry_entry_lane(const struct registry_entry *entry);

/* By the one thread that loads; each once. `model` is taken. `reason` is copied, up to 511 bytes.
 */
void registry_entry_set_model(struct registry_entry *entry, struct model *model);
void registry_entry_set_ready(struct registry_entry *entry);
void registry_entry_set_failed(struct registry_entry *entry, const char *reason);

/* Whether every model is ready. Any thread. */
bool registry_is_ready(const struct registry *registry);

#endif
