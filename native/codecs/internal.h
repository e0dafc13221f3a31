/* What the files of this library share. */
#ifndef GRAFT_CODECS_INTERNAL_H
#define GRAFT_CODECS_INTERNAL_H

#include "graft_codecs.h"

struct graft_message {
    char *text;
    size_t size;
};

/* Copies the formatted line (without line ends) and gives back status. */
int32_t graft_fail(const struct graft_message *message, int32_t status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether width * height is within the limit; says so in message if not. */
int32_t graft_check_size(const struct graft_message *message, uint64_t width, uint64_t height);

/* Orientation (1..8) of a TIFF block, as EXIF holds it; 1 where it has none or is broken. */
int32_t graft_exif_orientation(const uint8_t *tiff, size_t size);

int32_t graft_png_probe(const uint8_t *data, size_t size, struct graft_image_info *info,
                        const struct graft_message *message);
int32_t graft_png_decode(const uint8_t *data, size_t size, const struct graft_image_info *info, uint8_t *pixels,
                         const struct graft_message *message);
int32_t graft_jpeg_probe(const uint8_t *data, size_t size, struct graft_image_info *info,
                         const struct graft_message *message);
int32_t graft_jpeg_decode(const uint8_t *data, size_t size, const struct graft_image_info *info, uint8_t *pixels,
                          const struct graft_message *message);

int32_t graft_webp_probe(const uint8_t *data, size_t size, struct graft_image_info *info,
                         const struct graft_message *message);
int32_t graft_webp_decode(const uint8_t *data, size_t size, const struct graft_image_info *info, uint8_t *pixels,
                          const struct graft_message *message);

static inline uint32_t graft_be16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }

static inline uint32_t graft_be32(const uint8_t *p) { return graft_be16(p) << 16 | graft_be16(p + 2); }

static inline uint32_t graft_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

#endif
