/* Packed weights in a file beside the model, so that the next start maps them instead of folding
 * and packing again.
 *
 * The file is the plan's block as it lies in memory. It is believed only when it is ours (owned by
 * the user or root, nobody else may write it), exactly as long as the plan wants, its header says
 * the same sources, kernels and layout, its checksum is right, and a step of each kernel, packed
 * anew, gives the same bytes. The key is made from every byte of the weight file and from
 * everything else that packing depends on, so no file is stale unseen; any doubt is a reason to
 * pack anew, never a failure. */
#ifndef CLASSIFYD_MODEL_NET_PACKED_CACHE_H
#define CLASSIFYD_MODEL_NET_PACKED_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/base/region.h"
#include "model/base/status.h"

enum { PACKED_CACHE_PLACES = 2 };

/* Stands before the packed weights, which hold offsets but no pointers: the block may be mapped at
 * any address. */
struct packed_cache_header {
    char magic[8];           /* "CLFDPACK" */
    char kernel_set[16];     /* whose layouts */
    char precision[16];      /* of the convolutions */
    uint32_t layout_version; /* struct kernel_set's */
    uint32_t header_bytes;
    uint64_t key;        /* of all that packing depends on; 0 where it was not asked for */
    uint64_t size_bytes; /* header included */
    uint64_t checksum;   /* of what follows the header; 0 in memory that was packed here */
};

enum packed_cache_state {
    PACKED_CACHE_OFF,    /* nothing is cached */
    PACKED_CACHE_PACKED, /* no file was used, and none written (yet): see `reason` */
    PACKED_CACHE_USED,   /* the weights are mapped from `path` */
    PACKED_CACHE_STORED, /* none was used, and now they stand in `path` */
};

struct packed_cache_place {
    char *folder; /* owned */
    char *stem;   /* owned: how files there begin; ".SET.PRECISION.packed" follows */
};

/* Where to look and to write, and what came of it. */
struct packed_cache {
    struct packed_cache_place places[PACKED_CACHE_PLACES]; /* best first */
    size_t place_count;
    uint64_t source_key; /* fingerprint of the bytes that the weights are read from */
    unsigned mode;       /* permissions of a file that is written */

    enum packed_cache_state state;
    char *path;       /* owned; NULL unless used or stored */
    char reason[256]; /* why no file was used or written; "" where there is nothing to say */
};

/* Adds a place, unless there is no room; copies. Fails with STATUS_NO_MEMORY. */
MUST_CHECK enum status packed_cache_add_place(struct packed_cache *cache, const char *folder,
                                              const char *stem, struct error *error);

/* Maps the first file that fits `expected` (its checksum aside) into `ret_region`, page-locked
 * where `lock` wishes so. False where there is none, with the reason. */
bool packed_cache_open(struct packed_cache *cache, const struct packed_cache_header *expected,
                       bool lock, struct region *ret_region);

/* After packed_cache_open: takes the file back, it is not what it says. */
void packed_cache_reject(struct packed_cache *cache, struct region *region, const char *reason);

/* Writes the block (a header and what follows it) to the first place that can be written, whole or
 * not at all. Nothing is done unless the state is PACKED_CACHE_PACKED. Blocks on the disk. */
void packed_cache_store(struct packed_cache *cache, const struct packed_cache_header *block);

/* A word for `state`: "off", "packed", "used", "stored". */
const char *packed_cache_outcome(const struct packed_cache *cache);

/* Accepts a zeroed struct. */
void packed_cache_fini(struct packed_cache *cache);

#endif
