// Linear kernels: words are two signed 32-bit halves, each multiplied by a small weight into a 64-bit accumulator.
#include "include/CKernels.h"
#include "field.h"

#if defined(__x86_64__)
#include <immintrin.h>
// Counts of the loops so marked are constants; their accumulators must stay in registers.
#define UNROLL _Pragma("clang loop unroll(full)")
#define INLINE_AVX2 __attribute__((target("avx2"), always_inline)) static inline
#define INLINE_AVX512 __attribute__((target("avx512f"), always_inline)) static inline
#endif

bool ck_isa_available(ck_isa isa) {
  switch (isa) {
  case CK_SCALAR:
    return true;
#if defined(__x86_64__)
  case CK_AVX2:
    return __builtin_cpu_supports("avx2") != 0;
  case CK_AVX512:
    return __builtin_cpu_supports("avx512f") != 0;
#endif
  default:
    return false;
  }
}

// ---- Scalar twin -----------------------------------------------------------------------------------------------

static void convolve_scalar(unsigned width, const uint64_t *planes, const uint32_t *offsets, const int32_t *weights,
                            size_t taps, size_t positions, int64_t *acc, size_t stride) {
  for (unsigned o = 0; o < width; o++) {
    for (size_t q = 0; q < positions; q++) {
      int64_t low = 0, high = 0;
      for (size_t t = 0; t < taps; t++) {
        const uint64_t x = planes[offsets[t] + q];
        const int64_t w = weights[t * width + o];
        low += (int64_t)(int32_t)(uint32_t)x * w;
        high += (int64_t)(int32_t)(uint32_t)(x >> 32) * w;
      }
      acc[(2 * o) * stride + q] = low;
      acc[(2 * o + 1) * stride + q] = high;
    }
  }
}

static void dot_scalar(unsigned width, const uint64_t *x, const int32_t *weights, size_t weight_stride, size_t first,
                       size_t count, int64_t *sums) {
  for (unsigned o = 0; o < width; o++) {
    int64_t low = 0, high = 0;
    for (size_t t = first; t < count; t++) {
      const uint64_t word = x[t] ^ CK_HALF_OFFSET;
      const int64_t w = weights[o * weight_stride + t];
      low += (int64_t)(int32_t)(uint32_t)word * w;
      high += (int64_t)(int32_t)(uint32_t)(word >> 32) * w;
    }
    sums[2 * o] += low;
    sums[2 * o + 1] += high;
  }
}

#if defined(__x86_64__)

// ---- AVX2: 4 words a vector ------------------------------------------------------------------------------------

INLINE_AVX2 void tile_avx2(const unsigned width, const unsigned vectors, const uint64_t *planes,
                           const uint32_t *offsets, const int32_t *weights, size_t taps, int64_t *acc, size_t stride) {
  __m256i low[4][4], high[4][4];
  UNROLL
  for (unsigned o = 0; o < width; o++)
    UNROLL
    for (unsigned v = 0; v < vectors; v++) low[o][v] = high[o][v] = _mm256_setzero_si256();
  for (size_t t = 0; t < taps; t++) {
    const uint64_t *p = planes + offsets[t];
    __m256i x[4], y[4];
    UNROLL
    for (unsigned v = 0; v < vectors; v++) {
      x[v] = _mm256_loadu_si256((const __m256i *)(p + 4 * v));
      y[v] = _mm256_srli_epi64(x[v], 32);
    }
    UNROLL
    for (unsigned o = 0; o < width; o++) {
      const __m256i w = _mm256_set1_epi32(weights[t * width + o]);
      UNROLL
      for (unsigned v = 0; v < vectors; v++) {
        low[o][v] = _mm256_add_epi64(low[o][v], _mm256_mul_epi32(x[v], w));
        high[o][v] = _mm256_add_epi64(high[o][v], _mm256_mul_epi32(y[v], w));
      }
    }
  }
  UNROLL
  for (unsigned o = 0; o < width; o++)
    UNROLL
    for (unsigned v = 0; v < vectors; v++) {
      _mm256_storeu_si256((__m256i *)(acc + (2 * o) * stride + 4 * v), low[o][v]);
      _mm256_storeu_si256((__m256i *)(acc + (2 * o + 1) * stride + 4 * v), high[o][v]);
    }
}

#define LOOP_AVX2(NAME, WIDTH, VECTORS)                                                                               \
  __attribute__((target("avx2"))) static void NAME(const uint64_t *planes, const uint32_t *offsets,                  \
                                                   const int32_t *weights, size_t taps, size_t positions,            \
                                                   int64_t *acc, size_t stride) {                                    \
    size_t q = 0;                                                                                                     \
    for (; q + 4 * (VECTORS - 1) < positions; q += 4 * VECTORS)                                                       \
      tile_avx2(WIDTH, VECTORS, planes + q, offsets, weights, taps, acc + q, stride);                                 \
    for (; q < positions; q += 4) tile_avx2(WIDTH, 1, planes + q, offsets, weights, taps, acc + q, stride);           \
  }
LOOP_AVX2(convolve_avx2_1, 1, 4)
LOOP_AVX2(convolve_avx2_2, 2, 2)
LOOP_AVX2(convolve_avx2_4, 4, 1)

INLINE_AVX2 int64_t sum_avx2(__m256i v) {
  __m128i s = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  return (int64_t)((uint64_t)_mm_cvtsi128_si64(s) + (uint64_t)_mm_extract_epi64(s, 1));
}

INLINE_AVX2 size_t dot_tile_avx2(const unsigned width, const uint64_t *x, const int32_t *weights, size_t weight_stride,
                                 size_t count, int64_t *sums) {
  const __m256i offset = _mm256_set1_epi64x((long long)CK_HALF_OFFSET);
  __m256i low[4], high[4];
  UNROLL
  for (unsigned o = 0; o < width; o++) low[o] = high[o] = _mm256_setzero_si256();
  size_t t = 0;
  for (; t + 4 <= count; t += 4) {
    const __m256i a = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(x + t)), offset);
    const __m256i b = _mm256_srli_epi64(a, 32);
    UNROLL
    for (unsigned o = 0; o < width; o++) {
      const __m256i w = _mm256_cvtepi32_epi64(_mm_loadu_si128((const __m128i *)(weights + o * weight_stride + t)));
      low[o] = _mm256_add_epi64(low[o], _mm256_mul_epi32(a, w));
      high[o] = _mm256_add_epi64(high[o], _mm256_mul_epi32(b, w));
    }
  }
  UNROLL
  for (unsigned o = 0; o < width; o++) {
    sums[2 * o] = sum_avx2(low[o]);
    sums[2 * o + 1] = sum_avx2(high[o]);
  }
  return t;
}

__attribute__((target("avx2"))) static size_t dot_avx2(unsigned width, const uint64_t *x, const int32_t *weights,
                                                       size_t weight_stride, size_t count, int64_t *sums) {
  switch (width) {
  case 4:
    return dot_tile_avx2(4, x, weights, weight_stride, count, sums);
  case 2:
    return dot_tile_avx2(2, x, weights, weight_stride, count, sums);
  default:
    return dot_tile_avx2(1, x, weights, weight_stride, count, sums);
  }
}

// ---- AVX-512: 8 words a vector ---------------------------------------------------------------------------------

INLINE_AVX512 void tile_avx512(const unsigned width, const unsigned vectors, const uint64_t *planes,
                               const uint32_t *offsets, const int32_t *weights, size_t taps, int64_t *acc,
                               size_t stride) {
  __m512i low[4][4], high[4][4];
  UNROLL
  for (unsigned o = 0; o < width; o++)
    UNROLL
    for (unsigned v = 0; v < vectors; v++) low[o][v] = high[o][v] = _mm512_setzero_si512();
  for (size_t t = 0; t < taps; t++) {
    const uint64_t *p = planes + offsets[t];
    __m512i x[4], y[4];
    UNROLL
    for (unsigned v = 0; v < vectors; v++) {
      x[v] = _mm512_loadu_si512(p + 8 * v);
      y[v] = _mm512_srli_epi64(x[v], 32);
    }
    UNROLL
    for (unsigned o = 0; o < width; o++) {
      const __m512i w = _mm512_set1_epi32(weights[t * width + o]);
      UNROLL
      for (unsigned v = 0; v < vectors; v++) {
        low[o][v] = _mm512_add_epi64(low[o][v], _mm512_mul_epi32(x[v], w));
        high[o][v] = _mm512_add_epi64(high[o][v], _mm512_mul_epi32(y[v], w));
      }
    }
  }
  UNROLL
  for (unsigned o = 0; o < width; o++)
    UNROLL
    for (unsigned v = 0; v < vectors; v++) {
      _mm512_storeu_si512(acc + (2 * o) * stride + 8 * v, low[o][v]);
      _mm512_storeu_si512(acc + (2 * o + 1) * stride + 8 * v, high[o][v]);
    }
}

#define LOOP_AVX512(NAME, WIDTH, VECTORS)                                                                             \
  __attribute__((target("avx512f"))) static void NAME(const uint64_t *planes, const uint32_t *offsets,               \
                                                      const int32_t *weights, size_t taps, size_t positions,         \
                                                      int64_t *acc, size_t stride) {                                 \
    size_t q = 0;                                                                                                     \
    for (; q + 8 * (VECTORS - 1) < positions; q += 8 * VECTORS)                                                       \
      tile_avx512(WIDTH, VECTORS, planes + q, offsets, weights, taps, acc + q, stride);                               \
    for (; q < positions; q += 8) tile_avx512(WIDTH, 1, planes + q, offsets, weights, taps, acc + q, stride);         \
  }
LOOP_AVX512(convolve_avx512_1, 1, 2)
LOOP_AVX512(convolve_avx512_2, 2, 2)
LOOP_AVX512(convolve_avx512_4, 4, 1)

INLINE_AVX512 size_t dot_tile_avx512(const unsigned width, const uint64_t *x, const int32_t *weights,
                                     size_t weight_stride, size_t count, int64_t *sums) {
  const __m512i offset = _mm512_set1_epi64((long long)CK_HALF_OFFSET);
  __m512i low[4], high[4];
  UNROLL
  for (unsigned o = 0; o < width; o++) low[o] = high[o] = _mm512_setzero_si512();
  size_t t = 0;
  for (; t + 8 <= count; t += 8) {
    const __m512i a = _mm512_xor_si512(_mm512_loadu_si512(x + t), offset);
    const __m512i b = _mm512_srli_epi64(a, 32);
    UNROLL
    for (unsigned o = 0; o < width; o++) {
      const __m512i w = _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)(weights + o * weight_stride + t)));
      low[o] = _mm512_add_epi64(low[o], _mm512_mul_epi32(a, w));
      high[o] = _mm512_add_epi64(high[o], _mm512_mul_epi32(b, w));
    }
  }
  UNROLL
  for (unsigned o = 0; o < width; o++) {
    sums[2 * o] = _mm512_reduce_add_epi64(low[o]);
    sums[2 * o + 1] = _mm512_reduce_add_epi64(high[o]);
  }
  return t;
}

__attribute__((target("avx512f"))) static size_t dot_avx512(unsigned width, const uint64_t *x, const int32_t *weights,
                                                            size_t weight_stride, size_t count, int64_t *sums) {
  switch (width) {
  case 4:
    return dot_tile_avx512(4, x, weights, weight_stride, count, sums);
  case 2:
    return dot_tile_avx512(2, x, weights, weight_stride, count, sums);
  default:
    return dot_tile_avx512(1, x, weights, weight_stride, count, sums);
  }
}
#endif

// ---- Dispatch --------------------------------------------------------------------------------------------------

void ck_convolve(ck_isa isa, unsigned width, const uint64_t *planes, const uint32_t *offsets, const int32_t *weights,
                 size_t taps, size_t positions, int64_t *acc, size_t stride) {
#if defined(__x86_64__)
  if (isa == CK_AVX512) {
    switch (width) {
    case 4:
      convolve_avx512_4(planes, offsets, weights, taps, positions, acc, stride);
      return;
    case 2:
      convolve_avx512_2(planes, offsets, weights, taps, positions, acc, stride);
      return;
    case 1:
      convolve_avx512_1(planes, offsets, weights, taps, positions, acc, stride);
      return;
    }
  }
  if (isa == CK_AVX2) {
    switch (width) {
    case 4:
      convolve_avx2_4(planes, offsets, weights, taps, positions, acc, stride);
      return;
    case 2:
      convolve_avx2_2(planes, offsets, weights, taps, positions, acc, stride);
      return;
    case 1:
      convolve_avx2_1(planes, offsets, weights, taps, positions, acc, stride);
      return;
    }
  }
#endif
  (void)isa;
  convolve_scalar(width, planes, offsets, weights, taps, positions, acc, stride);
}

void ck_dot(ck_isa isa, unsigned width, const uint64_t *x, const int32_t *weights, size_t weight_stride, size_t count,
            int64_t *sums) {
  size_t done = 0;
  for (unsigned i = 0; i < 2 * width; i++) sums[i] = 0;
#if defined(__x86_64__)
  if (isa == CK_AVX512) done = dot_avx512(width, x, weights, weight_stride, count, sums);
  if (isa == CK_AVX2) done = dot_avx2(width, x, weights, weight_stride, count, sums);
#endif
  (void)isa;
  dot_scalar(width, x, weights, weight_stride, done, count, sums);
}
