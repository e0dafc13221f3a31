/* JPEG by TurboJPEG, the way out. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

/* The largest size that a JPEG frame header can say. */
#define JPEG_MAX_SIDE 65535

int32_t graft_jpeg_encode(const uint8_t *pixels, size_t pixels_size, int32_t width, int32_t height, int32_t channels,
                          int32_t quality, int32_t subsample, uint8_t **out, size_t *out_size, char *text,
                          size_t text_size)
{
    const struct graft_message message = {text, text_size};
    if (pixels == NULL || out == NULL || out_size == NULL)
        return graft_fail(&message, GRAFT_CODEC_ARGUMENT, "an argument is null");
    if (width < 1 || height < 1 || (channels != 1 && channels != 3) || quality < 1 || quality > 100 || subsample < 0 ||
        subsample > 1)
        return graft_fail(&message, GRAFT_CODEC_ARGUMENT, "an argument is out of range");
    if (width > JPEG_MAX_SIDE || height > JPEG_MAX_SIDE ||
        (uint64_t)width * (uint64_t)height > GRAFT_CODECS_MAX_PIXELS)
        return graft_fail(&message, GRAFT_CODEC_TOO_LARGE,
                          "%d x %d pixels are more than the limits of %d for a side and %d in all", width, height,
                          JPEG_MAX_SIDE, GRAFT_CODECS_MAX_PIXELS);
    if (pixels_size != (size_t)width * (size_t)height * (size_t)channels)
        return graft_fail(&message, GRAFT_CODEC_ARGUMENT, "the buffer has %zu bytes instead of %d x %d x %d",
                          pixels_size, height, width, channels);

    tjhandle handle = tjInitCompress();
    if (handle == NULL)
        return graft_fail(&message, GRAFT_CODEC_MEMORY, "libjpeg-turbo could not start: %s", tjGetErrorStr2(NULL));

    /* TurboJPEG's own allocator need not be malloc, and graft_codecs_free is free: so the bytes are copied. */
    unsigned char *encoded = NULL;
    unsigned long size = 0;
    int sampling = channels == 1 ? TJSAMP_GRAY : subsample ? TJSAMP_420 : TJSAMP_444;
    int32_t status = GRAFT_CODEC_OK;
    if (tjCompress2(handle, pixels, width, width * channels, height, channels == 1 ? TJPF_GRAY : TJPF_RGB, &encoded,
                    &size, sampling, quality, TJFLAG_ACCURATEDCT) != 0) {
        status = graft_fail(&message, GRAFT_CODEC_CORRUPT, "libjpeg-turbo says: %s", tjGetErrorStr2(handle));
    } else {
        uint8_t *copy = malloc(size);
        if (copy == NULL) {
            status = graft_fail(&message, GRAFT_CODEC_MEMORY, "out of memory");
        } else {
            memcpy(copy, encoded, size);
            *out = copy;
            *out_size = size;
        }
    }

    tjFree(encoded);
    tjDestroy(handle);
    return status;
}
