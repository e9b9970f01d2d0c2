#include "server/pipeline/decode_gate.h"

void decode_gate_init(struct decode_gate *gate, size_t limit_bytes)
{
    *gate = (struct decode_gate){.limit_bytes = limit_bytes};
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->changed, NULL);
}

void decode_gate_fini(struct decode_gate *gate)
{
    pthread_cond_destroy(&gate->changed);
    pthread_mutex_destroy(&gate->mutex);
}

bool decode_gate_enter(struct decode_gate *gate, size_t bytes)
{
    if (bytes > gate->limit_bytes)
        return false;
    pthread_mutex_lock(&gate->mutex);
    uint64_t ticket = gate->tickets++;
    while (ticket != gate->turn || gate->used_bytes > gate->limit_bytes - bytes)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    gate->used_bytes += bytes;
    gate->turn++;
    bool is_awaited = gate->turn != gate->tickets;
    pthread_mutex_unlock(&gate->mutex);
    if (is_awaited)
        pthread_cond_broadcast(&gate->changed);
    return true;
}

void decode_gate_leave(struct decode_gate *gate, size_t bytes)
{
    pthread_mutex_lock(&gate->mutex);
    gate->used_bytes -= bytes;
    bool is_awaited = gate->turn != gate->tickets;
    pthread_mutex_unlock(&gate->mutex);
    if (is_awaited)
        pthread_cond_broadcast(&gate->changed);
}
