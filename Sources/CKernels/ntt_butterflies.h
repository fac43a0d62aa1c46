// Harvey's butterflies with 52-bit fused multiply-add (IFMA) on vectors of eight words.
#ifndef POLYMPC_CKERNELS_NTT_BUTTERFLIES_H
#define POLYMPC_CKERNELS_NTT_BUTTERFLIES_H

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define TARGET __attribute__((target("avx512f,avx512dq,avx512ifma")))
#define INLINE static inline __attribute__((always_inline)) TARGET

typedef struct {
  __m512i w, shoup;
} factor;

typedef struct {
  __m512i q, twice, mask;
} bounds;

INLINE bounds bounds_of(uint64_t q) {
  const bounds b = {_mm512_set1_epi64((long long)q), _mm512_set1_epi64((long long)(2 * q)),
                    _mm512_set1_epi64((1ll << 52) - 1)};
  return b;
}

// The 52-bit companion is the upper part of the 64-bit one.
INLINE factor factor_at(const uint64_t *w, const uint64_t *shoup) {
  const factor f = {_mm512_set1_epi64((long long)*w), _mm512_set1_epi64((long long)(*shoup >> 12))};
  return f;
}

// x w mod q in [0, 2 q) for x < 2^52.
INLINE __m512i mul_lazy(__m512i x, factor f, bounds b) {
  const __m512i zero = _mm512_setzero_si512();
  const __m512i quotient = _mm512_madd52hi_epu64(zero, x, f.shoup);
  const __m512i low = _mm512_madd52lo_epu64(zero, x, f.w);
  return _mm512_and_si512(_mm512_sub_epi64(low, _mm512_madd52lo_epu64(zero, quotient, b.q)), b.mask);
}

INLINE __m512i fold(__m512i x, __m512i bound) { return _mm512_min_epu64(x, _mm512_sub_epi64(x, bound)); }

INLINE void forward_butterfly(__m512i *low, __m512i *high, factor f, bounds b) {
  const __m512i u = fold(*low, b.twice), v = mul_lazy(*high, f, b);
  *low = _mm512_add_epi64(u, v);
  *high = _mm512_add_epi64(u, _mm512_sub_epi64(b.twice, v));
}

INLINE void inverse_butterfly(__m512i *low, __m512i *high, factor f, bounds b) {
  const __m512i u = *low, v = *high;
  *low = fold(_mm512_add_epi64(u, v), b.twice);
  *high = mul_lazy(_mm512_add_epi64(u, _mm512_sub_epi64(b.twice, v)), f, b);
}

INLINE __m512i load(const uint64_t *x) { return _mm512_loadu_si512(x); }
INLINE void store(uint64_t *x, __m512i v) { _mm512_storeu_si512(x, v); }
#endif

#endif
