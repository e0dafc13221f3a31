/* WebP by libwebp: lossy, lossless, with alpha, and the first frame of an animation. Pixels as Pillow gives them. */
#include "internal.h"

#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

/* Lossless WebP spends no bit on a pixel where all are alike, so that no amount of data rules a size out. So many
 * pixels are believed of any file, and beyond them so many for each of its bytes. */
#define BELIEVED_PIXELS (1 << 24)
#define BELIEVED_PIXELS_PER_BYTE 1024

/* What the chunks say beside the picture itself. */
struct webp_chunks {
    int lossy; /* whether the (first) picture is VP8 and the canvas is no larger than it */
    int32_t orientation;
};

static struct webp_chunks walk_chunks(const uint8_t *data, size_t size)
{
    struct webp_chunks found = {0, 1};
    size_t at = 12;
    while (size - at >= 8) {
        const uint8_t *name = data + at, *body = data + at + 8;
        size_t length = graft_le32(data + at + 4), available = size - at - 8;
        if (length > available)
            break;
        if (memcmp(name, "VP8 ", 4) == 0) {
            found.lossy = 1;
        } else if (memcmp(name, "EXIF", 4) == 0) {
            int prefixed = length > 6 && memcmp(body, "Exif\0\0", 6) == 0; /* some writers keep JPEG's prefix */
            found.orientation = graft_exif_orientation(body + (prefixed ? 6 : 0), length - (prefixed ? 6 : 0));
        }
        length += length & 1;
        if (length > available)
            break;
        at += 8 + length;
    }

    return found;
}

int32_t graft_webp_probe(const uint8_t *data, size_t size, struct graft_image_info *info,
                         const struct graft_message *message)
{
    info->format = GRAFT_IMAGE_WEBP;
    size_t claimed = graft_le32(data + 4);
    if (claimed > size - 8)
        return graft_fail(message, GRAFT_CODEC_CORRUPT,
                          "it is a WebP that ends too early: its header says %zu bytes and %zu are there", claimed,
                          size - 8);
    size = claimed + 8; /* what comes after the RIFF container is no part of the picture */

    WebPBitstreamFeatures features;
    VP8StatusCode status = size < 12 ? VP8_STATUS_BITSTREAM_ERROR : WebPGetFeatures(data, size, &features);
    if (status == VP8_STATUS_UNSUPPORTED_FEATURE)
        return graft_fail(message, GRAFT_CODEC_UNSUPPORTED, "it is a WebP with a feature that libwebp does not know");
    if (status != VP8_STATUS_OK)
        return graft_fail(message, GRAFT_CODEC_CORRUPT, "it is a WebP with a damaged header");

    int32_t fits = graft_check_size(message, (uint64_t)features.width, (uint64_t)features.height);
    if (fits != GRAFT_CODEC_OK)
        return fits;

    /* A lossy macroblock of 16 x 16 pixels costs at least one bit: its prediction modes alone cost about three. */
    struct webp_chunks chunks = walk_chunks(data, size);
    uint64_t pixels = (uint64_t)features.width * (uint64_t)features.height;
    uint64_t blocks = (uint64_t)((features.width + 15) / 16) * (uint64_t)((features.height + 15) / 16);
    int bounded = chunks.lossy && !features.has_animation;
    if (bounded ? blocks > (uint64_t)size * 8
                : pixels > BELIEVED_PIXELS && pixels > (uint64_t)size * BELIEVED_PIXELS_PER_BYTE)
        return graft_fail(message, GRAFT_CODEC_TOO_LARGE, "its header says %d x %d pixels, which %zu bytes %s",
                          features.width, features.height, size, bounded ? "cannot hold" : "would hold only if all were alike");

    info->width = features.width;
    info->height = features.height;
    info->channels = features.has_alpha ? 4 : 3;
    info->bit_depth = 8;
    info->flags = features.has_alpha ? GRAFT_IMAGE_ALPHA : 0;
    info->orientation = chunks.orientation;
    return GRAFT_CODEC_OK;
}

static int32_t decode_still(const uint8_t *data, size_t size, const struct graft_image_info *info, uint8_t *pixels,
                            const struct graft_message *message)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return graft_fail(message, GRAFT_CODEC_MEMORY, "libwebp is of another version than its headers");

    size_t stride = (size_t)info->width * (size_t)info->channels;
    config.output.colorspace = info->channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = pixels;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = stride * (size_t)info->height;
    VP8StatusCode status = WebPDecode(data, size, &config);
    int32_t width = config.output.width, height = config.output.height;
    WebPFreeDecBuffer(&config.output);
    switch (status) {
    case VP8_STATUS_OK:
        break;
    case VP8_STATUS_OUT_OF_MEMORY:
        return graft_fail(message, GRAFT_CODEC_MEMORY, "out of memory");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return graft_fail(message, GRAFT_CODEC_UNSUPPORTED, "it is a WebP with a feature that libwebp does not know");
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return graft_fail(message, GRAFT_CODEC_CORRUPT, "it is a WebP whose picture data end too early");
    default:
        return graft_fail(message, GRAFT_CODEC_CORRUPT, "it is a WebP whose picture data are damaged");
    }

    if (width != info->width || height != info->height)
        return graft_fail(message, GRAFT_CODEC_CORRUPT, "it is a WebP with contradicting headers");
    return GRAFT_CODEC_OK;
}

/* The first frame, on a canvas that is transparent elsewhere: what a viewer shows first, and Pillow without seeking. */
static int32_t decode_animation(const uint8_t *data, size_t size, const struct graft_image_info *info, uint8_t *pixels,
                                const struct graft_message *message)
{
    const WebPData all = {data, size};
    WebPAnimDecoderOptions options;
    if (!WebPAnimDecoderOptionsInit(&options))
        return graft_fail(message, GRAFT_CODEC_MEMORY, "libwebp is of another version than its headers");

    options.color_mode = MODE_RGBA;
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&all, &options);
    if (decoder == NULL)
        return graft_fail(message, GRAFT_CODEC_CORRUPT, "it is an animated WebP that is cut or damaged");

    WebPAnimInfo canvas;
    uint8_t *frame = NULL;
    int when = 0;
    int32_t status = GRAFT_CODEC_OK;
    if (!WebPAnimDecoderGetInfo(decoder, &canvas) || canvas.canvas_width != (uint32_t)info->width ||
        canvas.canvas_height != (uint32_t)info->height) {
        status = graft_fail(message, GRAFT_CODEC_CORRUPT, "it is an animated WebP with contradicting headers");
    } else if (!WebPAnimDecoderGetNext(decoder, &frame, &when)) {
        status = graft_fail(message, GRAFT_CODEC_CORRUPT, "it is an animated WebP whose first frame is damaged");
    } else {
        size_t count = (size_t)info->width * (size_t)info->height;
        for (size_t i = 0; i < count; ++i)
            memcpy(pixels + i * (size_t)info->channels, frame + i * 4, (size_t)info->channels);
    }

    WebPAnimDecoderDelete(decoder);
    return status;
}

int32_t graft_webp_decode(const uint8_t *data, size_t size, const struct graft_image_info *info, uint8_t *pixels,
                          const struct graft_message *message)
{
    WebPBitstreamFeatures features;
    size = (size_t)graft_le32(data + 4) + 8; /* graft_webp_probe has seen that so many are there */
    if (WebPGetFeatures(data, size, &features) != VP8_STATUS_OK)
        return graft_fail(message, GRAFT_CODEC_CORRUPT, "it is a WebP with a damaged header");
    return features.has_animation ? decode_animation(data, size, info, pixels, message)
                                  : decode_still(data, size, info, pixels, message);
}
