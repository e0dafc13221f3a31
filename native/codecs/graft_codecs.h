/* Picture codecs of Graft: PNG by libpng, JPEG by TurboJPEG, WebP by libwebp, behind a C ABI that never lets a longjmp out.
 *
 * Every function returns GRAFT_CODEC_OK or a code below, and on a fault copies one line (UTF-8, terminated, cut to fit)
 * into message. Nothing here keeps state; every function may be called from any thread. */
#ifndef GRAFT_CODECS_H
#define GRAFT_CODECS_H

#include <stddef.h>
#include <stdint.h>

#define GRAFT_CODECS_EXPORT __attribute__((visibility("default")))

/* Raised whenever a signature or a structure below changes. */
#define GRAFT_CODECS_ABI 2

/* Pillow's limit: twice 2^30 / 4 / 3 pixels. */
#define GRAFT_CODECS_MAX_PIXELS 178956970

enum graft_codec_status {
    GRAFT_CODEC_OK = 0,
    GRAFT_CODEC_NOT_A_PICTURE = 1, /* not PNG, JPEG or WebP */
    GRAFT_CODEC_UNSUPPORTED = 2,   /* a picture, but of a kind that is not read */
    GRAFT_CODEC_TOO_LARGE = 3,     /* more pixels than the limit, or more than the data can hold */
    GRAFT_CODEC_CORRUPT = 4,       /* truncated, wrong checksum, impossible values */
    GRAFT_CODEC_ARGUMENT = 5,      /* the caller's mistake */
    GRAFT_CODEC_MEMORY = 6         /* out of memory */
};

enum graft_image_format { GRAFT_IMAGE_PNG = 1, GRAFT_IMAGE_JPEG = 2, GRAFT_IMAGE_WEBP = 3 };

enum graft_image_flags {
    GRAFT_IMAGE_GREY = 1,
    GRAFT_IMAGE_ALPHA = 2, /* an alpha channel or a transparent colour */
    GRAFT_IMAGE_PALETTE = 4,
    GRAFT_IMAGE_INTERLACED = 8 /* Adam7, or a progressive JPEG */
};

struct graft_image_info {
    int32_t format;      /* enum graft_image_format */
    int32_t width;       /* pixels, at least 1 */
    int32_t height;      /* pixels, at least 1 */
    int32_t channels;    /* of the decoded picture: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA */
    int32_t bit_depth;   /* per sample in the file: 1, 2, 4, 8 or 16 */
    int32_t flags;       /* enum graft_image_flags */
    int32_t orientation; /* of EXIF, 1..8; 1 where there is none. Not applied. */
};

GRAFT_CODECS_EXPORT int32_t graft_codecs_abi(void);

/* Reads the header. Refuses what the limit or the amount of data rules out, so that a caller may allocate
 * width * height * channels bytes afterwards. */
GRAFT_CODECS_EXPORT int32_t graft_image_probe(const uint8_t *data, size_t size, struct graft_image_info *info,
                                              char *message, size_t message_size);

/* Decodes into pixels, which holds exactly width * height * channels bytes as graft_image_probe told: rows from the
 * top, channels interleaved, 8 bits. Palettes are expanded, a transparent colour becomes alpha, 16-bit samples are cut
 * to their high byte, no gamma or colour profile is applied. CMYK becomes RGB as in Pillow. Of an animation it is the
 * first frame, on its whole canvas. On a fault pixels holds anything. */
GRAFT_CODECS_EXPORT int32_t graft_image_decode(const uint8_t *data, size_t size, uint8_t *pixels, size_t pixels_size,
                                               char *message, size_t message_size);

/* Encodes 8-bit pixels of 1 to 4 channels as PNG. level: zlib's, 0..9. *out is freed by graft_codecs_free. */
GRAFT_CODECS_EXPORT int32_t graft_png_encode(const uint8_t *pixels, size_t pixels_size, int32_t width, int32_t height,
                                             int32_t channels, int32_t level, uint8_t **out, size_t *out_size,
                                             char *message, size_t message_size);

/* Encodes 8-bit pixels of 1 (grey) or 3 (RGB) channels as a baseline JPEG: accurate DCT, JFIF's YCbCr. quality: 1..100,
 * libjpeg's. subsample: 0 for 4:4:4, 1 for 4:2:0. *out is freed by graft_codecs_free. */
GRAFT_CODECS_EXPORT int32_t graft_jpeg_encode(const uint8_t *pixels, size_t pixels_size, int32_t width, int32_t height,
                                              int32_t channels, int32_t quality, int32_t subsample, uint8_t **out,
                                              size_t *out_size, char *message, size_t message_size);

GRAFT_CODECS_EXPORT void graft_codecs_free(void *memory);

#endif
