/* After PKWARE's APPNOTE.TXT, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14 to
 * 4.3.16 (end records) and 4.5.3 (zip64 sizes). */
#include "model/net/weights_zip.h"

#include <stdlib.h>

#include "model/base/alloc.h"
#include "model/net/weights_table.h"

enum {
    MAX_ENTRIES = 1 << 16,
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    LOCATOR_BYTES = 20,
    END64_BYTES = 56,
    MAX_COMMENT_BYTES = 0xffff,
    FLAG_ENCRYPTED = 1,
    MAX_LOOKUP_BYTES = 512,
};

struct entry {
    struct span name, bytes;
};

struct weights_zip {
    struct span folder;    /* the first entry's name up to its first '/' */
    struct entry *entries; /* sorted by name */
    size_t count;
};

/* Where the central directory lies and how many entries it has. */
struct directory {
    uint64_t offset, bytes, count;
};

/* A number whose place has been checked. */
static uint64_t number_at(struct span span, uint64_t offset, unsigned bytes)
{
    uint64_t value = 0;
    (void)span_read_le(span, offset, bytes, &value);
    return value;
}

/* The end record stands behind everything but its own comment. */
static bool find_end(struct span bytes, uint64_t *ret_offset)
{
    for (uint64_t comment = 0; comment <= MAX_COMMENT_BYTES; comment++) {
        if (comment + END_BYTES > bytes.size)
            return false;
        uint64_t offset = bytes.size - END_BYTES - comment;
        if (span_has(bytes, offset, "PK\5\6", 4) && number_at(bytes, offset + 20, 2) == comment) {
            *ret_offset = offset;
            return true;
        }
    }
    return false;
}

static enum status read_end64(struct span bytes, uint64_t locator, struct directory *ret_directory,
                              struct error *error)
{
    uint64_t offset = number_at(bytes, locator + 8, 8);
    struct span end;
    if (!span_slice(bytes, offset, END64_BYTES, &end) || !span_has(end, 0, "PK\6\6", 4))
        return error_set(error, STATUS_BAD_MODEL,
                         "zip: no zip64 end record at byte %llu, where byte %llu says it is",
                         (unsigned long long)offset, (unsigned long long)locator);
    if (number_at(end, 16, 4) != 0 || number_at(end, 20, 4) != 0)
        return error_set(error, STATUS_UNSUPPORTED, "zip: an archive of more than one disk");
    *ret_directory = (struct directory){
        .count = number_at(end, 32, 8),
        .bytes = number_at(end, 40, 8),
        .offset = number_at(end, 48, 8),
    };
    return STATUS_OK;
}

static enum status read_end(struct span bytes, struct directory *ret_directory, struct error *error)
{
    uint64_t end;
    if (!find_end(bytes, &end))
        return error_set(error, STATUS_BAD_MODEL,
                         "zip: no end of the directory; the file is cut short");
    if (end >= LOCATOR_BYTES && span_has(bytes, end - LOCATOR_BYTES, "PK\6\7", 4))
        return read_end64(bytes, end - LOCATOR_BYTES, ret_directory, error);
    if (number_at(bytes, end + 4, 2) != 0 || number_at(bytes, end + 6, 2) != 0)
        return error_set(error, STATUS_UNSUPPORTED, "zip: an archive of more than one disk");
    *ret_directory = (struct directory){
        .count = number_at(bytes, end + 10, 2),
        .bytes = number_at(bytes, end + 12, 4),
        .offset = number_at(bytes, end + 16, 4),
    };
    return STATUS_OK;
}

/* Sizes and offset that do not fit 32 bits stand in an extra field, in this order. */
static bool read_zip64(struct span extra, uint64_t *size, uint64_t *packed, uint64_t *offset)
{
    uint64_t *wanted[3];
    unsigned count = 0;
    uint64_t *const all[] = {size, packed, offset};
    for (unsigned i = 0; i < 3; i++) {
        if (*all[i] == UINT32_MAX)
            wanted[count++] = all[i];
    }
    if (count == 0)
        return true;
    uint64_t at = 0, id, length;
    while (span_read_le(extra, at, 2, &id) && span_read_le(extra, at + 2, 2, &length)) {
        struct span field;
        if (!span_slice(extra, at + 4, length, &field))
            return false;
        if (id == 1) {
            for (uint64_t i = 0; i < count; i++) {
                if (!span_read_le(field, 8 * i, 8, wanted[i]))
                    return false;
            }
            return true;
        }
        at += 4 + length;
    }
    return false;
}

/* For errors. */
struct shown {
    char text[80];
};

static struct shown show(struct span name)
{
    struct shown shown = {0};
    weights_table_printable(name, shown.text, sizeof shown.text);
    return shown;
}

/* Finds the bytes behind the local header, which must tell the same story. */
static enum status read_local(struct span bytes, const struct directory *directory, uint64_t offset,
                              uint64_t size, struct entry *entry, struct error *error)
{
    struct span before, header, name;
    if (!span_slice(bytes, 0, directory->offset, &before) ||
        !span_slice(before, offset, LOCAL_BYTES, &header) || !span_has(header, 0, "PK\3\4", 4))
        return error_set(error, STATUS_BAD_MODEL, "zip entry '%s': no header at byte %llu",
                         show(entry->name).text, (unsigned long long)offset);
    uint64_t name_bytes = number_at(header, 26, 2), extra_bytes = number_at(header, 28, 2);
    if (!span_slice(before, offset + LOCAL_BYTES, name_bytes, &name) ||
        name.size != entry->name.size || memcmp(name.data, entry->name.data, name.size) != 0 ||
        number_at(header, 8, 2) != 0)
        return error_set(error, STATUS_BAD_MODEL,
                         "zip entry '%s': the header at byte %llu is not the directory's",
                         show(entry->name).text, (unsigned long long)offset);
    if (!span_slice(before, offset + LOCAL_BYTES + name_bytes + extra_bytes, size, &entry->bytes))
        return error_set(error, STATUS_BAD_MODEL,
                         "zip entry '%s': %llu bytes at byte %llu reach into the directory",
                         show(entry->name).text, (unsigned long long)size,
                         (unsigned long long)offset);
    return STATUS_OK;
}

/* Reads the directory's entry at `*at` and moves behind it. */
static enum status read_entry(struct span bytes, const struct directory *directory,
                              struct span central, uint64_t *at, struct entry *ret_entry,
                              struct error *error)
{
    struct span header, extra;
    struct entry entry = {0};
    if (!span_slice(central, *at, CENTRAL_BYTES, &header) || !span_has(header, 0, "PK\1\2", 4))
        return error_set(error, STATUS_BAD_MODEL, "zip: no directory entry at byte %llu",
                         (unsigned long long)(directory->offset + *at));
    uint64_t name_bytes = number_at(header, 28, 2), extra_bytes = number_at(header, 30, 2);
    uint64_t packed = number_at(header, 20, 4), size = number_at(header, 24, 4);
    uint64_t offset = number_at(header, 42, 4);
    *at += CENTRAL_BYTES;
    if (!span_slice(central, *at, name_bytes, &entry.name) ||
        !span_slice(central, *at + name_bytes, extra_bytes, &extra) ||
        !read_zip64(extra, &size, &packed, &offset))
        return error_set(error, STATUS_BAD_MODEL, "zip: a broken directory entry at byte %llu",
                         (unsigned long long)(directory->offset + *at - CENTRAL_BYTES));
    *at += name_bytes + extra_bytes + number_at(header, 32, 2);
    if (number_at(header, 8, 2) & FLAG_ENCRYPTED)
        return error_set(error, STATUS_UNSUPPORTED, "zip entry '%s': is encrypted",
                         show(entry.name).text);
    if (number_at(header, 10, 2) != 0)
        return error_set(error, STATUS_UNSUPPORTED,
                         "zip entry '%s': is compressed (method %u), as nothing in a state dict is",
                         show(entry.name).text, (unsigned)number_at(header, 10, 2));
    if (packed != size)
        return error_set(error, STATUS_BAD_MODEL,
                         "zip entry '%s': is stored, but its two sizes differ",
                         show(entry.name).text);
    enum status status = read_local(bytes, directory, offset, size, &entry, error);
    if (status == STATUS_OK)
        *ret_entry = entry;
    return status;
}

static int compare_spans(struct span a, struct span b)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    return compare_spans(left->name, right->name);
}

static enum status read_entries(struct weights_zip *zip, struct span bytes,
                                const struct directory *directory, struct error *error)
{
    struct span central;
    if (!span_slice(bytes, directory->offset, directory->bytes, &central))
        return error_set(error, STATUS_BAD_MODEL,
                         "zip: a directory of %llu bytes at byte %llu in a file of %zu",
                         (unsigned long long)directory->bytes,
                         (unsigned long long)directory->offset, bytes.size);
    uint64_t at = 0;
    for (; zip->count < directory->count; zip->count++) {
        enum status status =
            read_entry(bytes, directory, central, &at, &zip->entries[zip->count], error);
        if (status != STATUS_OK)
            return status;
    }
    struct span first = directory->count ? zip->entries[0].name : (struct span){0};
    const uint8_t *slash = first.size ? memchr(first.data, '/', first.size) : NULL;
    if (slash)
        zip->folder = (struct span){first.data, (size_t)(slash - first.data)};
    qsort(zip->entries, zip->count, sizeof *zip->entries, compare_entries);
    for (size_t i = 1; i < zip->count; i++) {
        if (compare_entries(&zip->entries[i - 1], &zip->entries[i]) == 0)
            return error_set(error, STATUS_BAD_MODEL, "zip entry '%s': is there twice",
                             show(zip->entries[i].name).text);
    }
    return STATUS_OK;
}

enum status weights_zip_parse(struct span bytes, struct weights_zip **ret_zip, struct error *error)
{
    struct directory directory = {0};
    enum status status = read_end(bytes, &directory, error);
    if (status != STATUS_OK)
        return status;
    if (directory.count > MAX_ENTRIES)
        return error_set(error, STATUS_TOO_LARGE, "zip: %llu entries, %d are the limit",
                         (unsigned long long)directory.count, MAX_ENTRIES);
    struct weights_zip *zip = calloc(1, sizeof *zip);
    if (zip)
        zip->entries = alloc_array((size_t)directory.count, sizeof *zip->entries,
                                   MAX_ENTRIES * sizeof *zip->entries);
    if (!zip || !zip->entries)
        status = error_set(error, STATUS_NO_MEMORY, "no memory for a directory of %llu entries",
                           (unsigned long long)directory.count);
    else
        status = read_entries(zip, bytes, &directory, error);
    if (status != STATUS_OK) {
        weights_zip_destroy(zip);
        return status;
    }
    *ret_zip = zip;
    return STATUS_OK;
}

void weights_zip_destroy(struct weights_zip *zip)
{
    if (!zip)
        return;
    free(zip->entries);
    free(zip);
}

bool weights_zip_find(const struct weights_zip *zip, const char *path, struct span rest,
                      struct span *ret_bytes)
{
    uint8_t name[MAX_LOOKUP_BYTES];
    const struct span parts[] = {
        zip->folder, {(const uint8_t *)"/", 1}, {(const uint8_t *)path, strlen(path)}, rest};
    size_t used = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].size > sizeof name - used)
            return false;
        if (parts[i].size)
            memcpy(name + used, parts[i].data, parts[i].size);
        used += parts[i].size;
    }
    struct entry wanted = {.name = {name, used}};
    const struct entry *found =
        bsearch(&wanted, zip->entries, zip->count, sizeof *zip->entries, compare_entries);
    if (found)
        *ret_bytes = found->bytes;
    return found != NULL;
}
