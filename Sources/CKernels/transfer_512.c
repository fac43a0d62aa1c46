// Four blocks a vector: VAES with AVX-512.
#include "transfer.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,vaes,aes")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define KERNELS transfer_512
#define UNROLL _Pragma("clang loop unroll(full)")
#define LANES 4

typedef __m512i vec;

INLINE vec v_load(const uint8_t *p) { return _mm512_loadu_si512(p); }
INLINE void v_store(uint8_t *p, vec x) { _mm512_storeu_si512(p, x); }
INLINE vec v_broadcast(const uint8_t *p) { return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p)); }
INLINE vec v_zero(void) { return _mm512_setzero_si512(); }
INLINE vec v_xor(vec a, vec b) { return _mm512_xor_si512(a, b); }
INLINE vec v_and(vec a, vec b) { return _mm512_and_si512(a, b); }
INLINE vec v_andnot(vec a, vec b) { return _mm512_andnot_si512(a, b); }
INLINE vec v_round(vec x, vec k) { return _mm512_aesenc_epi128(x, k); }
INLINE vec v_last(vec x, vec k) { return _mm512_aesenclast_epi128(x, k); }
INLINE vec v_swap(vec x) { return _mm512_shuffle_epi32(x, 0x4e); }
INLINE vec v_high_half(void) { return _mm512_set_epi64(-1, 0, -1, 0, -1, 0, -1, 0); }
INLINE vec v_lowest(void) { return _mm512_set_epi64(0, 1, 0, 1, 0, 1, 0, 1); }
INLINE vec v_last_column(vec x) { return _mm512_shuffle_epi8(x, _mm512_set1_epi32(0x0c0f0e0d)); }
INLINE vec v_words(uint32_t w) { return _mm512_set1_epi32((int)w); }
INLINE vec v_shift4(vec x) { return _mm512_bslli_epi128(x, 4); }
INLINE vec v_shift8(vec x) { return _mm512_bslli_epi128(x, 8); }
INLINE vec v_both(uint64_t x) { return _mm512_set1_epi64((long long)x); }
INLINE vec v_counter(uint64_t c) {
  return _mm512_add_epi64(_mm512_set_epi64(0, (long long)c, 0, (long long)c, 0, (long long)c, 0, (long long)c),
                          _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0));
}
INLINE vec v_index(uint64_t j) { return _mm512_add_epi64(v_both(j), _mm512_set_epi64(3, 3, 2, 2, 1, 1, 0, 0)); }
INLINE vec v_equal(vec a, vec b) { return _mm512_movm_epi64(_mm512_cmpeq_epi64_mask(a, b)); }
INLINE void v_reduce(vec x, uint64_t *out) {
  const __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
  _mm_storeu_si128((__m128i *)out, _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1)));
}

#include "transfer_kernels.h"
#endif
