/* What is wrong, in a line, and the limits. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>

int32_t graft_fail(const struct graft_message *message, int32_t status, const char *format, ...)
{
    if (message->text == NULL || message->size == 0)
        return status;

    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message->text, message->size, format, arguments);
    va_end(arguments);
    for (char *c = message->text; *c != 0; ++c) {
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    }

    return status;
}

int32_t graft_check_size(const struct graft_message *message, uint64_t width, uint64_t height)
{
    if (width == 0 || height == 0)
        return graft_fail(message, GRAFT_CODEC_CORRUPT, "its header says %llu x %llu pixels",
                          (unsigned long long)width, (unsigned long long)height);

    /* Both come from fields of at most 32 bits, so the product cannot overflow. */
    if (width * height > GRAFT_CODECS_MAX_PIXELS)
        return graft_fail(message, GRAFT_CODEC_TOO_LARGE,
                          "its header says %llu x %llu pixels, more than the limit of %d", (unsigned long long)width,
                          (unsigned long long)height, GRAFT_CODECS_MAX_PIXELS);

    return GRAFT_CODEC_OK;
}
