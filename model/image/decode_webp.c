#include "model/image/decode_webp.h"

#include <webp/decode.h>
#include <webp/demux.h>

#include "model/image/orientation.h"

enum { PIXEL_BYTES = 3, ALPHA_PIXEL_BYTES = 3 + 3, LOSSLESS_PIXEL_BYTES = 3 + 4 };

/* libwebp decodes a lossy image by rows, but its alpha plane, and a lossless image, as a whole. */
static unsigned find_pixel_bytes(const WebPDemuxer *demuxer)
{
    unsigned bytes = LOSSLESS_PIXEL_BYTES;
    WebPIterator frame;
    WebPBitstreamFeatures features;
    enum { LOSSY = 1 };
    if (!WebPDemuxGetFrame(demuxer, 1, &frame))
        return bytes;
    if (WebPGetFeatures(frame.fragment.bytes, frame.fragment.size, &features) == VP8_STATUS_OK &&
        features.format == LOSSY)
        bytes = features.has_alpha || frame.has_alpha ? ALPHA_PIXEL_BYTES : PIXEL_BYTES;
    WebPDemuxReleaseIterator(&frame);
    return bytes;
}

static unsigned find_orientation(const WebPDemuxer *demuxer)
{
    unsigned orientation = ORIENTATION_UPRIGHT;
    WebPChunkIterator chunk;
    if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
        struct span exif = {chunk.chunk.bytes, chunk.chunk.size};
        (void)orientation_read_exif(exif, &orientation);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    return orientation;
}

/* Decodes a frame into its place on the canvas; the demuxer has checked that it lies inside. */
static enum status decode_frame(const WebPIterator *frame, struct image *canvas,
                                struct error *error)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return error_set(error, STATUS_INTERNAL, "WebP: the library is another than at build time");
    size_t row_bytes = 3 * (size_t)canvas->width_px;
    size_t offset = row_bytes * (size_t)frame->y_offset + 3 * (size_t)frame->x_offset;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = canvas->pixels + offset;
    config.output.u.RGBA.stride = (int)row_bytes;
    config.output.u.RGBA.size = row_bytes * canvas->height_px - offset;
    VP8StatusCode code = WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
    WebPFreeDecBuffer(&config.output);
    if (code == VP8_STATUS_OK)
        return STATUS_OK;
    if (code == VP8_STATUS_OUT_OF_MEMORY)
        return error_set(error, STATUS_NO_MEMORY, "no memory for decoding a WebP file");
    return error_set(error, STATUS_NOT_DECODABLE, "WebP: the image data is broken or cut off");
}

static enum status decode_canvas(const WebPDemuxer *demuxer, const struct image_info *info,
                                 struct image *ret_image, struct error *error)
{
    WebPIterator frame;
    if (!WebPDemuxGetFrame(demuxer, 1, &frame))
        return error_set(error, STATUS_NOT_DECODABLE, "WebP: there is no image in the file");
    struct image canvas;
    enum status status = image_init(info->width_px, info->height_px, &canvas, error);
    if (status == STATUS_OK) {
        status = decode_frame(&frame, &canvas, error);
        if (status == STATUS_OK)
            *ret_image = canvas;
        else
            image_fini(&canvas);
    }
    WebPDemuxReleaseIterator(&frame);
    return status;
}

enum status decode_webp(struct span bytes, const struct image_limits *limits,
                        struct image *ret_image, struct image_info *ret_info, struct error *error)
{
    WebPData data = {bytes.data, bytes.size};
    WebPDemuxer *demuxer = WebPDemux(&data);
    if (!demuxer)
        return error_set(error, STATUS_NOT_DECODABLE, "WebP: the file is broken or cut off");
    uint32_t width = WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH);
    uint32_t height = WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT);
    struct image_info info = {IMAGE_FORMAT_WEBP, width, height, find_orientation(demuxer),
                              image_decode_bytes(width, height, find_pixel_bytes(demuxer), 0)};
    enum status status = image_check_limits(width, height, limits, error);
    if (status == STATUS_OK && ret_image)
        status = decode_canvas(demuxer, &info, ret_image, error);
    WebPDemuxDelete(demuxer);
    if (status == STATUS_OK)
        *ret_info = info;
    return status;
}
