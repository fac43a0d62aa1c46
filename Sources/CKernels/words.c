// Linear kernels for weights that are full words, modulo 2^64: one product a multiply-accumulate where the low 64 bits
// of a product have an instruction, else three of 32-bit halves.
#include "include/CKernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
// Counts of the loops so marked are constants; their accumulators must stay in registers.
#define UNROLL _Pragma("clang loop unroll(full)")
#define INLINE_AVX2 __attribute__((target("avx2"), always_inline)) static inline
#define INLINE_AVX512 __attribute__((target("avx512f,avx512dq"), always_inline)) static inline
#endif

// ---- Scalar twin -----------------------------------------------------------------------------------------------

static void convolve_scalar(unsigned width, const uint64_t *planes, const uint32_t *offsets, const uint64_t *weights,
                            size_t taps, size_t positions, uint64_t *sums, size_t stride) {
  for (unsigned o = 0; o < width; o++) {
    for (size_t q = 0; q < positions; q++) {
      uint64_t sum = 0;
      for (size_t t = 0; t < taps; t++) sum += planes[offsets[t] + q] * weights[t * width + o];
      sums[o * stride + q] = sum;
    }
  }
}

static void dot_scalar(unsigned width, const uint64_t *x, const uint64_t *weights, size_t weight_stride, size_t first,
                       size_t count, uint64_t *sums) {
  for (unsigned o = 0; o < width; o++) {
    for (size_t t = first; t < count; t++) sums[o] += x[t] * weights[o * weight_stride + t];
  }
}

#if defined(__x86_64__)

// ---- AVX2: 4 words a vector, low products and cross products apart -----------------------------------------------

INLINE_AVX2 void multiply_avx2(__m256i x, __m256i w, __m256i *low, __m256i *cross) {
  *low = _mm256_add_epi64(*low, _mm256_mul_epu32(x, w));
  *cross = _mm256_add_epi64(*cross, _mm256_mul_epu32(_mm256_srli_epi64(x, 32), w));
  *cross = _mm256_add_epi64(*cross, _mm256_mul_epu32(x, _mm256_srli_epi64(w, 32)));
}

INLINE_AVX2 __m256i sum_avx2(__m256i low, __m256i cross) {
  return _mm256_add_epi64(low, _mm256_slli_epi64(cross, 32));
}

INLINE_AVX2 void tile_avx2(const unsigned width, const unsigned vectors, const uint64_t *planes,
                           const uint32_t *offsets, const uint64_t *weights, size_t taps, uint64_t *sums,
                           size_t stride) {
  __m256i low[4][4], cross[4][4];
  UNROLL
  for (unsigned o = 0; o < width; o++)
    UNROLL
    for (unsigned v = 0; v < vectors; v++) low[o][v] = cross[o][v] = _mm256_setzero_si256();
  for (size_t t = 0; t < taps; t++) {
    const uint64_t *p = planes + offsets[t];
    __m256i x[4];
    UNROLL
    for (unsigned v = 0; v < vectors; v++) x[v] = _mm256_loadu_si256((const __m256i *)(p + 4 * v));
    UNROLL
    for (unsigned o = 0; o < width; o++) {
      const __m256i w = _mm256_set1_epi64x((long long)weights[t * width + o]);
      UNROLL
      for (unsigned v = 0; v < vectors; v++) multiply_avx2(x[v], w, &low[o][v], &cross[o][v]);
    }
  }
  UNROLL
  for (unsigned o = 0; o < width; o++)
    UNROLL
    for (unsigned v = 0; v < vectors; v++)
      _mm256_storeu_si256((__m256i *)(sums + o * stride + 4 * v), sum_avx2(low[o][v], cross[o][v]));
}

#define LOOP_AVX2(NAME, WIDTH, VECTORS)                                                                               \
  __attribute__((target("avx2"))) static void NAME(const uint64_t *planes, const uint32_t *offsets,                  \
                                                   const uint64_t *weights, size_t taps, size_t positions,           \
                                                   uint64_t *sums, size_t stride) {                                  \
    size_t q = 0;                                                                                                     \
    for (; q + 4 * (VECTORS - 1) < positions; q += 4 * VECTORS)                                                       \
      tile_avx2(WIDTH, VECTORS, planes + q, offsets, weights, taps, sums + q, stride);                                \
    for (; q < positions; q += 4) tile_avx2(WIDTH, 1, planes + q, offsets, weights, taps, sums + q, stride);          \
  }
LOOP_AVX2(convolve_avx2_1, 1, 4)
LOOP_AVX2(convolve_avx2_2, 2, 2)
LOOP_AVX2(convolve_avx2_4, 4, 1)

INLINE_AVX2 size_t dot_tile_avx2(const unsigned width, const uint64_t *x, const uint64_t *weights,
                                 size_t weight_stride, size_t count, uint64_t *sums) {
  __m256i low[4], cross[4];
  UNROLL
  for (unsigned o = 0; o < width; o++) low[o] = cross[o] = _mm256_setzero_si256();
  size_t t = 0;
  for (; t + 4 <= count; t += 4) {
    const __m256i a = _mm256_loadu_si256((const __m256i *)(x + t));
    UNROLL
    for (unsigned o = 0; o < width; o++)
      multiply_avx2(a, _mm256_loadu_si256((const __m256i *)(weights + o * weight_stride + t)), &low[o], &cross[o]);
  }
  UNROLL
  for (unsigned o = 0; o < width; o++) {
    uint64_t lanes[4];
    _mm256_storeu_si256((__m256i *)lanes, sum_avx2(low[o], cross[o]));
    sums[o] += lanes[0] + lanes[1] + lanes[2] + lanes[3];
  }
  return t;
}

__attribute__((target("avx2"))) static size_t dot_avx2(unsigned width, const uint64_t *x, const uint64_t *weights,
                                                       size_t weight_stride, size_t count, uint64_t *sums) {
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
                               const uint32_t *offsets, const uint64_t *weights, size_t taps, uint64_t *sums,
                               size_t stride) {
  __m512i sum[4][4];
  UNROLL
  for (unsigned o = 0; o < width; o++)
    UNROLL
    for (unsigned v = 0; v < vectors; v++) sum[o][v] = _mm512_setzero_si512();
  for (size_t t = 0; t < taps; t++) {
    const uint64_t *p = planes + offsets[t];
    __m512i x[4];
    UNROLL
    for (unsigned v = 0; v < vectors; v++) x[v] = _mm512_loadu_si512(p + 8 * v);
    UNROLL
    for (unsigned o = 0; o < width; o++) {
      const __m512i w = _mm512_set1_epi64((long long)weights[t * width + o]);
      UNROLL
      for (unsigned v = 0; v < vectors; v++)
        sum[o][v] = _mm512_add_epi64(sum[o][v], _mm512_mullo_epi64(x[v], w));
    }
  }
  UNROLL
  for (unsigned o = 0; o < width; o++)
    UNROLL
    for (unsigned v = 0; v < vectors; v++) _mm512_storeu_si512(sums + o * stride + 8 * v, sum[o][v]);
}

#define LOOP_AVX512(NAME, WIDTH, VECTORS)                                                                             \
  __attribute__((target("avx512f,avx512dq"))) static void NAME(const uint64_t *planes, const uint32_t *offsets,      \
                                                               const uint64_t *weights, size_t taps,                 \
                                                               size_t positions, uint64_t *sums, size_t stride) {    \
    size_t q = 0;                                                                                                     \
    for (; q + 8 * (VECTORS - 1) < positions; q += 8 * VECTORS)                                                       \
      tile_avx512(WIDTH, VECTORS, planes + q, offsets, weights, taps, sums + q, stride);                              \
    for (; q < positions; q += 8) tile_avx512(WIDTH, 1, planes + q, offsets, weights, taps, sums + q, stride);        \
  }
LOOP_AVX512(convolve_avx512_1, 1, 4)
LOOP_AVX512(convolve_avx512_2, 2, 4)
LOOP_AVX512(convolve_avx512_4, 4, 4)

INLINE_AVX512 size_t dot_tile_avx512(const unsigned width, const uint64_t *x, const uint64_t *weights,
                                     size_t weight_stride, size_t count, uint64_t *sums) {
  __m512i sum[4];
  UNROLL
  for (unsigned o = 0; o < width; o++) sum[o] = _mm512_setzero_si512();
  size_t t = 0;
  for (; t + 8 <= count; t += 8) {
    const __m512i a = _mm512_loadu_si512(x + t);
    UNROLL
    for (unsigned o = 0; o < width; o++)
      sum[o] = _mm512_add_epi64(sum[o], _mm512_mullo_epi64(a, _mm512_loadu_si512(weights + o * weight_stride + t)));
  }
  UNROLL
  for (unsigned o = 0; o < width; o++) sums[o] += (uint64_t)_mm512_reduce_add_epi64(sum[o]);
  return t;
}

__attribute__((target("avx512f,avx512dq"))) static size_t dot_avx512(unsigned width, const uint64_t *x,
                                                                     const uint64_t *weights, size_t weight_stride,
                                                                     size_t count, uint64_t *sums) {
  switch (width) {
  case 4:
    return dot_tile_avx512(4, x, weights, weight_stride, count, sums);
  case 2:
    return dot_tile_avx512(2, x, weights, weight_stride, count, sums);
  default:
    return dot_tile_avx512(1, x, weights, weight_stride, count, sums);
  }
}

// Low 64-bit products are of AVX-512DQ, which `isa` does not promise.
static ck_isa supported(ck_isa isa) {
  return isa == CK_AVX512 && !__builtin_cpu_supports("avx512dq") ? CK_AVX2 : isa;
}
#endif

// ---- Dispatch --------------------------------------------------------------------------------------------------

void ck_convolve_words(ck_isa isa, unsigned width, const uint64_t *planes, const uint32_t *offsets,
                       const uint64_t *weights, size_t taps, size_t positions, uint64_t *sums, size_t stride) {
#if defined(__x86_64__)
  isa = supported(isa);
  if (isa == CK_AVX512) {
    switch (width) {
    case 4:
      convolve_avx512_4(planes, offsets, weights, taps, positions, sums, stride);
      return;
    case 2:
      convolve_avx512_2(planes, offsets, weights, taps, positions, sums, stride);
      return;
    case 1:
      convolve_avx512_1(planes, offsets, weights, taps, positions, sums, stride);
      return;
    }
  }
  if (isa == CK_AVX2) {
    switch (width) {
    case 4:
      convolve_avx2_4(planes, offsets, weights, taps, positions, sums, stride);
      return;
    case 2:
      convolve_avx2_2(planes, offsets, weights, taps, positions, sums, stride);
      return;
    case 1:
      convolve_avx2_1(planes, offsets, weights, taps, positions, sums, stride);
      return;
    }
  }
#endif
  (void)isa;
  convolve_scalar(width, planes, offsets, weights, taps, positions, sums, stride);
}

void ck_dot_words(ck_isa isa, unsigned width, const uint64_t *x, const uint64_t *weights, size_t weight_stride,
                  size_t count, uint64_t *sums) {
  size_t done = 0;
  for (unsigned o = 0; o < width; o++) sums[o] = 0;
#if defined(__x86_64__)
  isa = supported(isa);
  if (isa == CK_AVX512) done = dot_avx512(width, x, weights, weight_stride, count, sums);
  if (isa == CK_AVX2) done = dot_avx2(width, x, weights, weight_stride, count, sums);
#endif
  (void)isa;
  dot_scalar(width, x, weights, weight_stride, done, count, sums);
}

void ck_interleave(const uint64_t *weights, size_t weight_stride, unsigned channels, unsigned width, size_t count,
                   uint64_t *out) {
  for (size_t t = 0; t < count; t++) {
    for (unsigned o = 0; o < width; o++) out[t * width + o] = o < channels ? weights[o * weight_stride + t] : 0;
  }
}
