/* Keeps the memory of all images that are decoded at one time under a limit: who would go over it
 * waits until others are through. First come, first served, so that a large image is not overtaken
 * by small ones for ever. */
#ifndef CLASSIFYD_SERVER_PIPELINE_DECODE_GATE_H
#define CLASSIFYD_SERVER_PIPELINE_DECODE_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct decode_gate {
    size_t limit_bytes;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* whose turn it is, or used_bytes; at most every worker waits */
    /* Guarded by mutex: */
    size_t used_bytes;
    uint64_t tickets, turn; /* handed out; the one that may go in next */
};

void decode_gate_init(struct decode_gate *gate, size_t limit_bytes);
void decode_gate_fini(struct decode_gate *gate);

/* Waits until there is room for `bytes`; false, at once, where they alone are over the limit. What
 * went in leaves with the same number. Any thread. */
bool decode_gate_enter(struct decode_gate *gate, size_t bytes);
void decode_gate_leave(struct decode_gate *gate, size_t bytes);

#endif
