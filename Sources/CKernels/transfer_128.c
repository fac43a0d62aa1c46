// One block a vector: AES-NI.
#include "transfer.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("sse4.1,ssse3,aes")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define KERNELS transfer_128
#define UNROLL _Pragma("clang loop unroll(full)")
#define LANES 1

typedef __m128i vec;

INLINE vec v_load(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }
INLINE void v_store(uint8_t *p, vec x) { _mm_storeu_si128((__m128i *)p, x); }
INLINE vec v_broadcast(const uint8_t *p) { return v_load(p); }
INLINE vec v_zero(void) { return _mm_setzero_si128(); }
INLINE vec v_xor(vec a, vec b) { return _mm_xor_si128(a, b); }
INLINE vec v_and(vec a, vec b) { return _mm_and_si128(a, b); }
INLINE vec v_andnot(vec a, vec b) { return _mm_andnot_si128(a, b); }
INLINE vec v_round(vec x, vec k) { return _mm_aesenc_si128(x, k); }
INLINE vec v_last(vec x, vec k) { return _mm_aesenclast_si128(x, k); }
INLINE vec v_swap(vec x) { return _mm_shuffle_epi32(x, 0x4e); }
INLINE vec v_high_half(void) { return _mm_set_epi64x(-1, 0); }
INLINE vec v_lowest(void) { return _mm_set_epi64x(0, 1); }
INLINE vec v_last_column(vec x) { return _mm_shuffle_epi8(x, _mm_set1_epi32(0x0c0f0e0d)); }
INLINE vec v_words(uint32_t w) { return _mm_set1_epi32((int)w); }
INLINE vec v_shift4(vec x) { return _mm_slli_si128(x, 4); }
INLINE vec v_shift8(vec x) { return _mm_slli_si128(x, 8); }
INLINE vec v_both(uint64_t x) { return _mm_set1_epi64x((long long)x); }
INLINE vec v_counter(uint64_t c) { return _mm_set_epi64x(0, (long long)c); }
INLINE vec v_index(uint64_t j) { return v_both(j); }
INLINE vec v_equal(vec a, vec b) { return _mm_cmpeq_epi64(a, b); }
INLINE void v_reduce(vec x, uint64_t *out) { _mm_storeu_si128((__m128i *)out, x); }

#include "transfer_kernels.h"
#endif
