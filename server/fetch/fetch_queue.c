#include "server/fetch/fetch_queue.h"

#include <stdbool.h>
#include <string.h>

/* FNV-1a. */
static uint64_t hash(const char *text)
{
    uint64_t value = 0xcbf29ce484222325u;
    for (; *text; text++)
        value = (value ^ (unsigned char)*text) * 0x100000001b3u;
    return value;
}

static void insert(struct fetch_queue_list *list, struct fetch_queue_entry *entry,
                   struct fetch_queue_entry *next)
{
    struct fetch_queue_entry *previous = next ? next->previous : list->last;
    entry->next = next;
    entry->previous = previous;
    *(previous ? &previous->next : &list->first) = entry;
    *(next ? &next->previous : &list->last) = entry;
    list->count++;
}

static void unlink_entry(struct fetch_queue_list *list, struct fetch_queue_entry *entry)
{
    *(entry->previous ? &entry->previous->next : &list->first) = entry->next;
    *(entry->next ? &entry->next->previous : &list->last) = entry->previous;
    entry->next = entry->previous = NULL;
    list->count--;
}

void fetch_queue_put(struct fetch_queue *queue, struct fetch_queue_entry *entry)
{
    entry->host_hash = hash(entry->host);
    insert(&queue->waiting, entry, NULL);
}

void fetch_queue_put_first(struct fetch_queue *queue, struct fetch_queue_entry *entry)
{
    entry->host_hash = hash(entry->host);
    insert(&queue->waiting, entry, queue->waiting.first);
}

/* Counted anew each time: there are few active ones, and nothing to keep for hosts that left. */
static bool has_room(const struct fetch_queue *queue, const struct fetch_queue_entry *entry)
{
    unsigned active = 0;
    for (const struct fetch_queue_entry *at = queue->active.first; at; at = at->next)
        if (at->host_hash == entry->host_hash && strcmp(at->host, entry->host) == 0)
            active++;
    return active < queue->max_active_per_host;
}

struct fetch_queue_entry *fetch_queue_take(struct fetch_queue *queue)
{
    if (queue->active.count >= queue->max_active)
        return NULL;
    struct fetch_queue_entry *entry = queue->waiting.first;
    while (entry && !has_room(queue, entry))
        entry = entry->next;
    if (entry) {
        unlink_entry(&queue->waiting, entry);
        insert(&queue->active, entry, NULL);
    }
    return entry;
}

void fetch_queue_end(struct fetch_queue *queue, struct fetch_queue_entry *entry)
{
    unlink_entry(&queue->active, entry);
}

void fetch_queue_remove(struct fetch_queue *queue, struct fetch_queue_entry *entry)
{
    unlink_entry(&queue->waiting, entry);
}
