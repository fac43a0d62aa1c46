// A tile of bits from rows to blocks: first bytes, then bits.
#include "transfer.h"

#include <string.h>

#define ROWS 128

// Byte r, bit c becomes byte c, bit r.
static inline uint64_t transpose_bits(uint64_t x) {
  uint64_t t = (x ^ (x >> 7)) & 0x00aa00aa00aa00aaull;
  x ^= t ^ (t << 7);
  t = (x ^ (x >> 14)) & 0x0000cccc0000ccccull;
  x ^= t ^ (t << 14);
  t = (x ^ (x >> 28)) & 0x00000000f0f0f0f0ull;
  return x ^ t ^ (t << 28);
}

static void transpose_portable(const uint8_t *rows, uint8_t *out) {
  for (size_t group = 0; group < ROWS / 8; group++) {
    for (size_t column = 0; column < CK_TILE_BYTES; column++) {
      uint64_t x = 0;
      for (size_t r = 0; r < 8; r++) x |= (uint64_t)rows[CK_TILE_BYTES * (8 * group + r) + column] << (8 * r);
      x = transpose_bits(x);
      for (size_t c = 0; c < 8; c++) out[16 * (8 * column + c) + group] = (uint8_t)(x >> (8 * c));
    }
  }
}

#if defined(__x86_64__)
#include <immintrin.h>

// 16 rows of 16 bytes, transposed: row r of `bytes` (ROWS bytes apart) is column r.
__attribute__((target("sse2"))) static inline void transpose_bytes(const uint8_t *rows, uint8_t *bytes) {
  __m128i a[16], b[16];
  for (int i = 0; i < 16; i++) a[i] = _mm_loadu_si128((const __m128i *)(rows + CK_TILE_BYTES * i));
#define LEVEL(from, to)                              \
  for (int i = 0; i < 8; i++) {                      \
    to[2 * i] = _mm_unpacklo_epi8(from[i], from[i + 8]); \
    to[2 * i + 1] = _mm_unpackhi_epi8(from[i], from[i + 8]); \
  }
  LEVEL(a, b) LEVEL(b, a) LEVEL(a, b) LEVEL(b, a)
#undef LEVEL
  for (int i = 0; i < 16; i++) _mm_storeu_si128((__m128i *)(bytes + ROWS * i), a[i]);
}

__attribute__((target("avx512f,avx512bw"))) static void transpose_512(const uint8_t *rows, uint8_t *out) {
  uint8_t bytes[16 * ROWS] __attribute__((aligned(64)));
  for (size_t column = 0; column < CK_TILE_BYTES; column += 16) {
    for (size_t r = 0; r < ROWS; r += 16) transpose_bytes(rows + CK_TILE_BYTES * r + column, bytes + r);
    for (size_t c = 0; c < 16; c++) {
      __m512i low = _mm512_load_si512(bytes + ROWS * c), high = _mm512_load_si512(bytes + ROWS * c + 64);
      uint8_t *block = out + 16 * (8 * (column + c));
      for (int bit = 7; bit >= 0; bit--) {
        const uint64_t words[2] = {_mm512_movepi8_mask(low), _mm512_movepi8_mask(high)};
        memcpy(block + 16 * bit, words, 16);
        low = _mm512_add_epi8(low, low);
        high = _mm512_add_epi8(high, high);
      }
    }
  }
  ck_zeroize(bytes, sizeof bytes);
}

__attribute__((target("avx2"))) static void transpose_256(const uint8_t *rows, uint8_t *out) {
  uint8_t bytes[16 * ROWS] __attribute__((aligned(64)));
  for (size_t column = 0; column < CK_TILE_BYTES; column += 16) {
    for (size_t r = 0; r < ROWS; r += 16) transpose_bytes(rows + CK_TILE_BYTES * r + column, bytes + r);
    for (size_t c = 0; c < 16; c++) {
      __m256i part[4];
      for (int i = 0; i < 4; i++) part[i] = _mm256_load_si256((const __m256i *)(bytes + ROWS * c + 32 * i));
      uint8_t *block = out + 16 * (8 * (column + c));
      for (int bit = 7; bit >= 0; bit--) {
        uint32_t words[4];
        for (int i = 0; i < 4; i++) {
          words[i] = (uint32_t)_mm256_movemask_epi8(part[i]);
          part[i] = _mm256_add_epi8(part[i], part[i]);
        }
        memcpy(block + 16 * bit, words, 16);
      }
    }
  }
  ck_zeroize(bytes, sizeof bytes);
}
#endif

static void pack_portable(const uint64_t *blocks, size_t stride, size_t count, unsigned bit, uint8_t *out) {
  for (size_t i = 0; i < count; i += 8) {
    const size_t here = count - i < 8 ? count - i : 8;
    uint64_t byte = 0;
    for (size_t j = 0; j < here; j++) byte |= (blocks[2 * stride * (i + j)] >> bit & 1) << j;
    out[i / 8] = (uint8_t)byte;
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void pack_256(const uint64_t *blocks, size_t count, unsigned bit,
                                                     uint8_t *out) {
  const __m128i shift = _mm_cvtsi32_si128(63 - (int)bit);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    unsigned byte = 0;
    for (unsigned half = 0; half < 2; half++) {
      const __m256i *in = (const __m256i *)(blocks + 2 * (i + 4 * half));
      // Low words of blocks 0, 2, 1, 3, then in order.
      const __m256i low = _mm256_unpacklo_epi64(_mm256_loadu_si256(in), _mm256_loadu_si256(in + 1));
      const __m256i top = _mm256_sll_epi64(_mm256_permute4x64_epi64(low, 0xd8), shift);
      byte |= (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(top)) << (4 * half);
    }
    out[i / 8] = (uint8_t)byte;
  }
  if (i < count) pack_portable(blocks + 2 * i, 1, count - i, bit, out + i / 8);
}
#endif

void ck_transfer_pack(ck_aes isa, const uint64_t *blocks, size_t stride, size_t count, unsigned bit, uint8_t *out) {
#if defined(__x86_64__)
  if (isa >= CK_AES_256 && stride == 1) {
    pack_256(blocks, count, bit, out);
    return;
  }
#endif
  pack_portable(blocks, stride, count, bit, out);
}

void ck_transpose_tile(ck_aes isa, const uint8_t *rows, uint8_t *out) {
  switch (isa) {
#if defined(__x86_64__)
    case CK_AES_512: transpose_512(rows, out); break;
    case CK_AES_256: transpose_256(rows, out); break;
#endif
    default: transpose_portable(rows, out); break;
  }
}
