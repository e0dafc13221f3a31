/* JPEG by TurboJPEG, decoded as Pillow does: accurate integer DCT, smooth chroma upsampling. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

struct jpeg_frame {
    uint32_t precision, width, height, components;
    int progressive, arithmetic;
};

/* Walks the markers up to the first frame header (SOF). Returns whether there is one; notes the EXIF orientation. */
static int find_frame(const uint8_t *data, size_t size, struct jpeg_frame *frame, int32_t *orientation)
{
    size_t at = 2;
    while (at + 4 <= size) {
        if (data[at] != 0xff) {
            ++at; /* stray bytes between segments: libjpeg skips them as well */
            continue;
        }
        uint32_t marker = data[at + 1];
        if (marker == 0xff) {
            ++at;
            continue;
        }
        at += 2;
        if (marker == 0x00 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8))
            continue;
        if (marker == 0xd9 || marker == 0xda)
            return 0;

        size_t length = graft_be16(data + at);
        if (length < 2) {
            at += 2;
            continue;
        }
        const uint8_t *body = data + at + 2;
        size_t body_size = length - 2;
        if (body_size > size - at - 2)
            return 0;
        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
            if (body_size < 6)
                return 0;
            frame->precision = body[0];
            frame->height = graft_be16(body + 1);
            frame->width = graft_be16(body + 3);
            frame->components = body[5];
            frame->progressive = (marker & 3) == 2;
            frame->arithmetic = marker > 0xc8;
            return 1;
        }
        if (marker == 0xe1 && body_size > 6 && memcmp(body, "Exif\0\0", 6) == 0)
            *orientation = graft_exif_orientation(body + 6, body_size - 6);
        at += length;
    }

    return 0;
}

int32_t graft_jpeg_probe(const uint8_t *data, size_t size, struct graft_image_info *info,
                         const struct graft_message *message)
{
    struct jpeg_frame frame = {0};
    info->format = GRAFT_IMAGE_JPEG;
    if (!find_frame(data, size, &frame, &info->orientation))
        return graft_fail(message, GRAFT_CODEC_CORRUPT, "it is a JPEG without a frame header, cut or damaged");

    int32_t status = graft_check_size(message, frame.width, frame.height);
    if (status != GRAFT_CODEC_OK)
        return status;
    if (frame.precision != 8)
        return graft_fail(message, GRAFT_CODEC_UNSUPPORTED, "it is a JPEG of %u bits per sample, and only 8 are read",
                          frame.precision);
    if (frame.components != 1 && frame.components != 3 && frame.components != 4)
        return graft_fail(message, GRAFT_CODEC_UNSUPPORTED, "it is a JPEG of %u components", frame.components);

    /* A block of 8 x 8 pixels costs at least one bit (its DC code); arithmetic coding can do with a fraction of one. */
    uint64_t blocks = (uint64_t)((frame.width + 7) / 8) * ((frame.height + 7) / 8);
    uint64_t bits = (uint64_t)size * 8 * (frame.arithmetic ? 64 : 1);
    if (blocks > bits)
        return graft_fail(message, GRAFT_CODEC_TOO_LARGE, "its header says %u x %u pixels, which %zu bytes cannot hold",
                          frame.width, frame.height, size);

    info->width = (int32_t)frame.width;
    info->height = (int32_t)frame.height;
    info->channels = frame.components == 1 ? 1 : 3; /* CMYK becomes RGB */
    info->bit_depth = 8;
    info->flags = (frame.components == 1 ? GRAFT_IMAGE_GREY : 0) | (frame.progressive ? GRAFT_IMAGE_INTERLACED : 0);
    return GRAFT_CODEC_OK;
}

/* Samples of CMYK stand inverted in the files that printing programs write (Adobe's way; Pillow takes all for such):
 * 255 is no ink. To RGB as Pillow does, to the rounding. */
static void cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        uint32_t paper = cmyk[4 * i + 3];
        for (size_t c = 0; c < 3; ++c) {
            uint32_t product = (255u - cmyk[4 * i + c]) * paper + 128;
            rgb[3 * i + c] = (uint8_t)(paper - ((product + (product >> 8)) >> 8));
        }
    }
}

int32_t graft_jpeg_decode(const uint8_t *data, size_t size, const struct graft_image_info *info, uint8_t *pixels,
                          const struct graft_message *message)
{
    tjhandle handle = tjInitDecompress();
    if (handle == NULL)
        return graft_fail(message, GRAFT_CODEC_MEMORY, "libjpeg-turbo could not start: %s", tjGetErrorStr2(NULL));

    int32_t status = GRAFT_CODEC_OK;
    int width = 0, height = 0, subsampling = 0, colour = 0;
    if (tjDecompressHeader3(handle, data, size, &width, &height, &subsampling, &colour) != 0) {
        status = graft_fail(message, GRAFT_CODEC_CORRUPT, "libjpeg-turbo says: %s", tjGetErrorStr2(handle));
    } else if (width != info->width || height != info->height || (colour == TJCS_GRAY) != (info->channels == 1)) {
        /* The marker walk and libjpeg saw different frames: the buffer was made for the other one. */
        status = graft_fail(message, GRAFT_CODEC_CORRUPT, "it is a JPEG with contradicting frame headers");
    } else {
        int flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS;
        int cmyk = colour == TJCS_CMYK || colour == TJCS_YCCK;
        int format = cmyk ? TJPF_CMYK : info->channels == 1 ? TJPF_GRAY : TJPF_RGB;
        size_t count = (size_t)width * (size_t)height;
        uint8_t *inks = cmyk ? malloc(count * 4) : NULL;
        uint8_t *target = cmyk ? inks : pixels;
        if (target == NULL) {
            status = graft_fail(message, GRAFT_CODEC_MEMORY, "out of memory");
        } else if (tjDecompress2(handle, data, size, target, width, 0, height, format, flags) != 0) {
            /* libjpeg paints what is missing grey and merely warns: that is an error here. Only the first warning can
             * be seen, and stray bytes right before the end marker come after the last pixel: those are let through. */
            const char *reason = tjGetErrorStr2(handle);
            int harmless = tjGetErrorCode(handle) == TJERR_WARNING && strstr(reason, "extraneous") != NULL &&
                           strstr(reason, "0xd9") != NULL;
            if (!harmless)
                status = graft_fail(message, GRAFT_CODEC_CORRUPT, "libjpeg-turbo says: %s", reason);
        }
        if (cmyk && status == GRAFT_CODEC_OK)
            cmyk_to_rgb(inks, pixels, count);
        free(inks);
    }

    tjDestroy(handle);
    return status;
}
