/* CRC-32 of IEEE 802.3, as zlib has it: what label maps are compared by. */
#ifndef CRC32_H
#define CRC32_H

#include <stddef.h>
#include <stdint.h>

static inline uint32_t crc32(const uint8_t *bytes, size_t count)
{
    uint32_t crc = 0xffffffffu;
    for (size_t at = 0; at < count; at++) {
        crc ^= bytes[at];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

#endif
