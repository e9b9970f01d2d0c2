#include "model/base/region.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* Pages of 2 MiB save most of the TLB misses that a walk over 100 MB of weights costs. */
enum { HUGE_PAGE_BYTES = 2 << 20 };

enum { SMALLEST_PAGE_BYTES = 4096 };

/* So that whoever uses the memory is not the first to touch a page. */
static void touch(void *data, size_t size_bytes)
{
    for (size_t at = 0; at < size_bytes; at += SMALLEST_PAGE_BYTES)
        *((volatile uint8_t *)data + at) = 0;
}

enum status region_init(size_t size_bytes, bool lock, struct region *ret_region,
                        struct error *error)
{
    void *data = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a block of %zu bytes", size_bytes);
    if (size_bytes >= HUGE_PAGE_BYTES)
        (void)madvise(data, size_bytes, MADV_HUGEPAGE);
    bool is_locked = lock && mlock(data, size_bytes) == 0;
    if (!is_locked)
        touch(data, size_bytes);
    *ret_region = (struct region){data, size_bytes, is_locked ? size_bytes : 0};
    return STATUS_OK;
}

enum status region_map(int fd, size_t size_bytes, bool lock, struct region *ret_region,
                       struct error *error)
{
    void *data = mmap(NULL, size_bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED)
        return error_set(error, STATUS_IO, "%zu bytes cannot be mapped: %s", size_bytes,
                         strerror(errno));
    bool is_locked = lock && mlock(data, size_bytes) == 0;
    *ret_region = (struct region){data, size_bytes, is_locked ? size_bytes : 0};
    return STATUS_OK;
}

void region_fini(struct region *region)
{
    if (region->data)
        munmap(region->data, region->size_bytes);
    *region = (struct region){0};
}
