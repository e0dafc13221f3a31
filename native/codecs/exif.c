/* The orientation tag (0x0112) in the first directory of a TIFF block. */
#include "internal.h"

#include <string.h>

static uint32_t read16(const uint8_t *p, int little) { return little ? (uint32_t)p[1] << 8 | p[0] : graft_be16(p); }

static uint32_t read32(const uint8_t *p, int little)
{
    return little ? read16(p + 2, 1) << 16 | read16(p, 1) : graft_be32(p);
}

int32_t graft_exif_orientation(const uint8_t *tiff, size_t size)
{
    if (size < 14 || (memcmp(tiff, "II*\0", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0))
        return 1;

    int little = tiff[0] == 'I';
    size_t at = read32(tiff + 4, little);
    if (at > size - 2)
        return 1;

    uint32_t count = read16(tiff + at, little);
    at += 2;
    for (uint32_t i = 0; i < count && size - at >= 12; ++i, at += 12) {
        /* A short (type 3), so the value lies in the first two bytes of the value field. */
        if (read16(tiff + at, little) == 0x0112 && read16(tiff + at + 2, little) == 3) {
            uint32_t value = read16(tiff + at + 8, little);
            return value >= 1 && value <= 8 ? (int32_t)value : 1;
        }
    }

    return 1;
}
