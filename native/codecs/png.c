/* PNG by libpng's full interface, without gamma (the simplified one applies it, Pillow does not). */
#include "internal.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

struct png_source {
    const uint8_t *data;
    size_t size, at;
};

struct png_sink {
    uint8_t *data;
    size_t size, capacity;
};

/* What libpng's error handler needs; the jump buffer is libpng's own. */
struct png_fault {
    const struct graft_message *message;
    int32_t status;
};

static void on_error(png_structp png, png_const_charp text)
{
    struct png_fault *fault = png_get_error_ptr(png);
    fault->status = graft_fail(fault->message, GRAFT_CODEC_CORRUPT, "libpng says: %s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void read_bytes(png_structp png, png_bytep to, size_t count)
{
    struct png_source *source = png_get_io_ptr(png);
    if (count > source->size - source->at)
        png_error(png, "the file ends too early");
    memcpy(to, source->data + source->at, count);
    source->at += count;
}

/* Walks the chunks: sums up IDAT, notes a transparent colour and the orientation. Checksums are left to libpng. */
static uint64_t walk_chunks(const uint8_t *data, size_t size, int *transparent, int32_t *orientation)
{
    uint64_t compressed = 0;
    size_t at = 8;
    while (size - at >= 12) {
        size_t length = graft_be32(data + at);
        const uint8_t *name = data + at + 4;
        size_t available = size - at - 8;
        if (memcmp(name, "IDAT", 4) == 0)
            compressed += length < available ? length : available;
        else if (memcmp(name, "tRNS", 4) == 0 && compressed == 0)
            *transparent = 1;
        else if (memcmp(name, "eXIf", 4) == 0 && length <= available)
            *orientation = graft_exif_orientation(data + at + 8, length);
        if (length > available || available - length < 4)
            break;
        at += 12 + length;
    }

    return compressed;
}

int32_t graft_png_probe(const uint8_t *data, size_t size, struct graft_image_info *info,
                        const struct graft_message *message)
{
    info->format = GRAFT_IMAGE_PNG;
    if (size < 33)
        return graft_fail(message, GRAFT_CODEC_CORRUPT, "it is a PNG that ends inside its header");
    if (graft_be32(data + 8) != 13 || memcmp(data + 12, "IHDR", 4) != 0)
        return graft_fail(message, GRAFT_CODEC_CORRUPT, "it is a PNG that does not begin with a header chunk");

    uint32_t width = graft_be32(data + 16), height = graft_be32(data + 20);
    int depth = data[24], type = data[25];
    int32_t status = graft_check_size(message, width, height);
    if (status != GRAFT_CODEC_OK)
        return status;

    /* Bit n: depth n is allowed for this colour type. */
    static const uint32_t depths[7] = {0x10116, 0, 0x10100, 0x00116, 0x10100, 0, 0x10100};
    if (type > 6 || depth > 16 || ((depths[type] >> depth) & 1) == 0)
        return graft_fail(message, GRAFT_CODEC_CORRUPT,
                          "its header says colour type %d with %d bits, which PNG does not have", type, depth);
    if (data[28] > 1)
        return graft_fail(message, GRAFT_CODEC_CORRUPT, "its header names an unknown interlace method");

    int transparent = 0;
    uint64_t compressed = walk_chunks(data, size, &transparent, &info->orientation);
    static const int samples[7] = {1, 0, 3, 1, 2, 0, 4};
    uint64_t raw = (uint64_t)width * height * (uint64_t)(samples[type] * depth) / 8;
    /* Deflate cannot do better than 1032 to 1. */
    if (compressed == 0)
        return graft_fail(message, GRAFT_CODEC_CORRUPT, "it is a PNG without picture data");
    if (raw > compressed * 1032)
        return graft_fail(message, GRAFT_CODEC_TOO_LARGE,
                          "its header says %u x %u pixels, which %llu bytes of picture data cannot hold", width, height,
                          (unsigned long long)compressed);

    int grey = type == PNG_COLOR_TYPE_GRAY || type == PNG_COLOR_TYPE_GRAY_ALPHA;
    int alpha = (type & PNG_COLOR_MASK_ALPHA) != 0 || transparent;
    info->width = (int32_t)width;
    info->height = (int32_t)height;
    info->channels = (grey ? 1 : 3) + (alpha ? 1 : 0);
    info->bit_depth = depth;
    info->flags = (grey ? GRAFT_IMAGE_GREY : 0) | (alpha ? GRAFT_IMAGE_ALPHA : 0) |
                  (type == PNG_COLOR_TYPE_PALETTE ? GRAFT_IMAGE_PALETTE : 0) | (data[28] ? GRAFT_IMAGE_INTERLACED : 0);
    return GRAFT_CODEC_OK;
}

/* The longjmp of on_error ends here. What is read after it (source, fault, sink) are locals of the callers, which
 * setjmp does not touch. */
static void decode_rows(png_structp png, png_infop png_info, const struct graft_image_info *info, uint8_t *pixels)
{
    if (setjmp(png_jmpbuf(png)) != 0)
        return;

    /* Chunks that do not change a sample are not even inflated. */
    static const png_byte ignored[] = "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0"
                                      "pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0sTER\0tEXt\0tIME\0zTXt";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, ignored, (int)(sizeof ignored / 5));
    png_set_user_limits(png, GRAFT_CODECS_MAX_PIXELS, GRAFT_CODECS_MAX_PIXELS);
    png_read_info(png, png_info);

    png_set_expand(png); /* palette to RGB, few bits of grey to 8, a transparent colour to alpha */
    png_set_strip_16(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, png_info);

    size_t stride = (size_t)info->width * (size_t)info->channels;
    if (png_get_image_width(png, png_info) != (png_uint_32)info->width ||
        png_get_image_height(png, png_info) != (png_uint_32)info->height || png_get_rowbytes(png, png_info) != stride)
        png_error(png, "contradicting headers or a broken transparent colour");

    for (int pass = 0; pass < passes; ++pass) {
        for (int32_t y = 0; y < info->height; ++y)
            png_read_row(png, pixels + (size_t)y * stride, NULL);
    }

    png_read_end(png, NULL);
}

int32_t graft_png_decode(const uint8_t *data, size_t size, const struct graft_image_info *info, uint8_t *pixels,
                         const struct graft_message *message)
{
    struct png_source source = {data, size, 0};
    struct png_fault fault = {message, GRAFT_CODEC_OK};
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &fault, on_error, on_warning);
    if (png == NULL)
        return graft_fail(message, GRAFT_CODEC_MEMORY, "libpng could not start");

    png_infop png_info = png_create_info_struct(png);
    if (png_info == NULL) {
        png_destroy_read_struct(&png, NULL, NULL);
        return graft_fail(message, GRAFT_CODEC_MEMORY, "libpng could not start");
    }

    png_set_read_fn(png, &source, read_bytes);
    decode_rows(png, png_info, info, pixels);
    png_destroy_read_struct(&png, &png_info, NULL);
    return fault.status;
}

static void write_bytes(png_structp png, png_bytep from, size_t count)
{
    struct png_sink *sink = png_get_io_ptr(png);
    if (count > sink->capacity - sink->size) {
        size_t capacity = sink->capacity * 2 > sink->size + count ? sink->capacity * 2 : sink->size + count;
        uint8_t *grown = realloc(sink->data, capacity);
        if (grown == NULL)
            png_error(png, "out of memory");
        sink->data = grown;
        sink->capacity = capacity;
    }
    memcpy(sink->data + sink->size, from, count);
    sink->size += count;
}

static void flush_bytes(png_structp png) { (void)png; }

static void encode_rows(png_structp png, png_infop png_info, const uint8_t *pixels, int32_t width, int32_t height,
                        int32_t channels, int32_t level)
{
    if (setjmp(png_jmpbuf(png)) != 0)
        return;

    static const int types[4] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                 PNG_COLOR_TYPE_RGBA};
    png_set_user_limits(png, GRAFT_CODECS_MAX_PIXELS, GRAFT_CODECS_MAX_PIXELS);
    png_set_compression_level(png, level);
    png_set_IHDR(png, png_info, (png_uint_32)width, (png_uint_32)height, 8, types[channels - 1], PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, png_info);
    size_t stride = (size_t)width * (size_t)channels;
    for (int32_t y = 0; y < height; ++y)
        png_write_row(png, pixels + (size_t)y * stride);
    png_write_end(png, NULL);
}

int32_t graft_png_encode(const uint8_t *pixels, size_t pixels_size, int32_t width, int32_t height, int32_t channels,
                         int32_t level, uint8_t **out, size_t *out_size, char *text, size_t text_size)
{
    const struct graft_message message = {text, text_size};
    if (pixels == NULL || out == NULL || out_size == NULL)
        return graft_fail(&message, GRAFT_CODEC_ARGUMENT, "an argument is null");
    if (width < 1 || height < 1 || channels < 1 || channels > 4 || level < 0 || level > 9)
        return graft_fail(&message, GRAFT_CODEC_ARGUMENT, "an argument is out of range");
    if ((uint64_t)width * (uint64_t)height > GRAFT_CODECS_MAX_PIXELS)
        return graft_fail(&message, GRAFT_CODEC_TOO_LARGE, "%d x %d pixels are more than the limit of %d", width,
                          height, GRAFT_CODECS_MAX_PIXELS);
    if (pixels_size != (size_t)width * (size_t)height * (size_t)channels)
        return graft_fail(&message, GRAFT_CODEC_ARGUMENT, "the buffer has %zu bytes instead of %d x %d x %d",
                          pixels_size, height, width, channels);

    struct png_sink sink = {NULL, 0, 0};
    struct png_fault fault = {&message, GRAFT_CODEC_OK};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &fault, on_error, on_warning);
    if (png == NULL)
        return graft_fail(&message, GRAFT_CODEC_MEMORY, "libpng could not start");

    png_infop png_info = png_create_info_struct(png);
    if (png_info == NULL) {
        png_destroy_write_struct(&png, NULL);
        return graft_fail(&message, GRAFT_CODEC_MEMORY, "libpng could not start");
    }

    png_set_write_fn(png, &sink, write_bytes, flush_bytes);
    encode_rows(png, png_info, pixels, width, height, channels, level);
    png_destroy_write_struct(&png, &png_info);
    if (fault.status != GRAFT_CODEC_OK) {
        free(sink.data);
        return fault.status;
    }

    *out = sink.data;
    *out_size = sink.size;
    return GRAFT_CODEC_OK;
}
