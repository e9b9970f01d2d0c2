#include "model/image/orientation.h"

#include <assert.h>
#include <string.h>

#define TAG_ORIENTATION 0x0112U
#define ENTRY_BYTES     12U

struct tiff {
    struct span bytes;
    bool is_big_endian;
};

static bool read_number(const struct tiff *tiff, uint64_t offset, unsigned bytes,
                        uint64_t *ret_value)
{
    if (tiff->is_big_endian)
        return span_read_be(tiff->bytes, offset, bytes, ret_value);
    return span_read_le(tiff->bytes, offset, bytes, ret_value);
}

/* Bytes of one value of a TIFF type; 0 for types that are not known. */
static unsigned type_bytes(uint64_t type)
{
    static const uint8_t bytes[] = {
        [1] = 1, [2] = 1, [3] = 2,  [4] = 4,  [5] = 8,  [6] = 1,  [7] = 1,
        [8] = 2, [9] = 4, [10] = 8, [11] = 4, [12] = 8, [13] = 4, [16] = 8,
    };
    return type < sizeof bytes ? bytes[type] : 0;
}

/* An orientation that counts is a whole number of any width but the byte, which PIL takes for
 * text. */
static bool is_whole_number(uint64_t type)
{
    return type == 3 || type == 4 || type == 6 || type == 8 || type == 9 || type == 13 ||
           type == 16;
}

static unsigned normalised(uint64_t value)
{
    return value >= 1 && value <= 8 ? (unsigned)value : ORIENTATION_UPRIGHT;
}

static bool read_header(struct span exif, struct tiff *ret_tiff)
{
    struct span bytes = exif;
    if (span_has(exif, 0, "Exif\0\0", 6))
        (void)span_slice(exif, 6, exif.size - 6, &bytes);
    if (span_has(bytes, 0, "II\x2A\0", 4) || span_has(bytes, 0, "II\0\x2A", 4))
        *ret_tiff = (struct tiff){bytes, false};
    else if (span_has(bytes, 0, "MM\0\x2A", 4) || span_has(bytes, 0, "MM\x2A\0", 4))
        *ret_tiff = (struct tiff){bytes, true};
    else
        return false;
    return true;
}

/* One directory entry. False where it, or the data that it points to, is cut off: PIL keeps what it
 * has seen so far and reads no further. */
static bool read_entry(const struct tiff *tiff, uint64_t at, bool *found, unsigned *orientation)
{
    uint64_t tag, type, count;
    struct span data;
    if (!read_number(tiff, at, 2, &tag) || !read_number(tiff, at + 2, 2, &type) ||
        !read_number(tiff, at + 4, 4, &count) || !span_slice(tiff->bytes, at + 8, 4, &data))
        return false;
    uint64_t bytes = count * type_bytes(type), offset = at + 8;
    if (bytes == 0)
        return true;
    if (bytes > 4 &&
        (!read_number(tiff, at + 8, 4, &offset) || !span_slice(tiff->bytes, offset, bytes, &data)))
        return false;
    if (tag != TAG_ORIENTATION)
        return true;
    uint64_t value = 0;
    *found = true;
    *orientation = is_whole_number(type) && read_number(tiff, offset, type_bytes(type), &value)
                       ? normalised(value)
                       : ORIENTATION_UPRIGHT;
    return true;
}

bool orientation_read_exif(struct span exif, unsigned *ret_orientation)
{
    struct tiff tiff;
    uint64_t directory, entries;
    if (!read_header(exif, &tiff) || !read_number(&tiff, 4, 4, &directory) ||
        !read_number(&tiff, directory, 2, &entries))
        return false;
    bool found = false;
    unsigned orientation = ORIENTATION_UPRIGHT;
    for (uint64_t i = 0; i < entries; i++)
        if (!read_entry(&tiff, directory + 2 + i * ENTRY_BYTES, &found, &orientation))
            break;
    if (found)
        *ret_orientation = orientation;
    return found;
}

bool orientation_read_xmp(struct span xmp, unsigned *ret_orientation)
{
    static const char name[] = "tiff:Orientation";
    struct span rest = xmp;
    while (rest.size > 0) {
        const uint8_t *hit = memmem(rest.data, rest.size, name, sizeof name - 1);
        if (!hit)
            return false;
        size_t after = (size_t)(hit - rest.data) + sizeof name - 1;
        (void)span_slice(rest, after, rest.size - after, &rest);
        size_t at = span_has(rest, 0, "=\"", 2) ? 2 : span_has(rest, 0, ">", 1) ? 1 : 0;
        uint64_t digit;
        if (at > 0 && span_read_le(rest, at, 1, &digit) && digit >= '0' && digit <= '9') {
            *ret_orientation = normalised(digit - '0');
            return true;
        }
    }
    return false;
}

struct orientation_way orientation_way(unsigned orientation)
{
    assert(orientation >= 1 && orientation <= 8);
    static const struct orientation_way ways[9] = {
        [2] = {true, false, false}, [3] = {true, true, false}, [4] = {false, true, false},
        [5] = {false, false, true}, [6] = {false, true, true}, [7] = {true, true, true},
        [8] = {true, false, true},
    };
    return ways[orientation];
}
