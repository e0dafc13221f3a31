/* Which codec. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static int starts_with(const uint8_t *data, size_t size, const char *magic, size_t length)
{
    return size >= length && memcmp(data, magic, length) == 0;
}

static int is_png(const uint8_t *data, size_t size) { return starts_with(data, size, "\x89PNG\r\n\x1a\n", 8); }

static int is_jpeg(const uint8_t *data, size_t size) { return starts_with(data, size, "\xff\xd8\xff", 3); }

static int is_webp(const uint8_t *data, size_t size)
{
    return size >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBP", 4) == 0;
}

/* The name of a format that is recognised only to say what it is; NULL if unknown. */
static const char *other_format(const uint8_t *data, size_t size)
{
    if (starts_with(data, size, "GIF8", 4))
        return "a GIF";
    if (starts_with(data, size, "BM", 2))
        return "a BMP";
    if (starts_with(data, size, "II*\0", 4) || starts_with(data, size, "MM\0*", 4))
        return "a TIFF";
    if (size >= 12 && memcmp(data + 4, "ftyp", 4) == 0)
        return "a HEIF or AVIF";
    return NULL;
}

int32_t graft_codecs_abi(void) { return GRAFT_CODECS_ABI; }

int32_t graft_image_probe(const uint8_t *data, size_t size, struct graft_image_info *info, char *message,
                          size_t message_size)
{
    const struct graft_message line = {message, message_size};
    if (info == NULL || (data == NULL && size > 0))
        return graft_fail(&line, GRAFT_CODEC_ARGUMENT, "an argument is null");

    memset(info, 0, sizeof *info);
    info->orientation = 1;
    if (size == 0)
        return graft_fail(&line, GRAFT_CODEC_NOT_A_PICTURE, "it is empty");
    if (is_png(data, size))
        return graft_png_probe(data, size, info, &line);
    if (is_jpeg(data, size))
        return graft_jpeg_probe(data, size, info, &line);
    if (is_webp(data, size))
        return graft_webp_probe(data, size, info, &line);

    const char *other = other_format(data, size);
    if (other != NULL)
        return graft_fail(&line, GRAFT_CODEC_UNSUPPORTED, "it is %s picture, and only PNG, JPEG and WebP are read", other);
    return graft_fail(&line, GRAFT_CODEC_NOT_A_PICTURE, "it is neither a PNG nor a JPEG nor a WebP");
}

int32_t graft_image_decode(const uint8_t *data, size_t size, uint8_t *pixels, size_t pixels_size, char *message,
                           size_t message_size)
{
    const struct graft_message line = {message, message_size};
    struct graft_image_info info;
    int32_t status = graft_image_probe(data, size, &info, message, message_size);
    if (status != GRAFT_CODEC_OK)
        return status;
    if (pixels == NULL || pixels_size != (size_t)info.width * (size_t)info.height * (size_t)info.channels)
        return graft_fail(&line, GRAFT_CODEC_ARGUMENT, "the buffer has %zu bytes instead of %d x %d x %d", pixels_size,
                          info.height, info.width, info.channels);

    switch (info.format) {
    case GRAFT_IMAGE_PNG:
        return graft_png_decode(data, size, &info, pixels, &line);
    case GRAFT_IMAGE_JPEG:
        return graft_jpeg_decode(data, size, &info, pixels, &line);
    default:
        return graft_webp_decode(data, size, &info, pixels, &line);
    }
}

void graft_codecs_free(void *memory) { free(memory); }
