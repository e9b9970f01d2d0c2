/* Metadata: EXIF blocks, XMP and the chunks of PNG files never give more than an orientation. */
#include <stdlib.h>

#include "model/image/orientation.h"
#include "model/image/png_metadata.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = {data, size};
    unsigned exif = 1, xmp = 1;
    bool has_exif = orientation_read_exif(bytes, &exif);
    bool has_xmp = orientation_read_xmp(bytes, &xmp);
    unsigned png = png_metadata_orientation(bytes);
    if ((!has_exif && exif != 1) || (!has_xmp && xmp != 1))
        abort();
    if (exif < 1 || exif > 8 || xmp < 1 || xmp > 8 || png < 1 || png > 8)
        abort();
    return 0;
}
