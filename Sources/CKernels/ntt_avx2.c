// Transforms in double precision with fused multiply-add: integers below 2^53 are exact, x w - round(x w / q) q comes out
// of two products. Residues are signed inside, in (-4 q, 4 q) at most, and canonical at the ends.
#include "ntt.h"
#include "ntt_blocks.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define NEAREST (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)

typedef struct {
  __m256d q, inverse;
} prime;

INLINE prime prime_of(uint64_t q) {
  const prime p = {_mm256_set1_pd((double)q), _mm256_set1_pd(1.0 / (double)q)};
  return p;
}

// Words below 2^52 to doubles: the word becomes the mantissa of 2^52 + word.
INLINE __m256d to_double(__m256i x) {
  const __m256i magic = _mm256_set1_epi64x(0x4330000000000000ll);
  return _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(x, magic)), _mm256_set1_pd(4503599627370496.0));
}

INLINE __m256i to_word(__m256d x) {
  const __m256d magic = _mm256_set1_pd(4503599627370496.0);
  return _mm256_xor_si256(_mm256_castpd_si256(_mm256_add_pd(x, magic)), _mm256_castpd_si256(magic));
}

INLINE __m256d load_word(const uint64_t *x) { return to_double(_mm256_loadu_si256((const __m256i *)x)); }
INLINE __m256d load(const uint64_t *x) { return _mm256_loadu_pd((const double *)x); }
INLINE void store(uint64_t *x, __m256d v) { _mm256_storeu_pd((double *)x, v); }

// The representative nearest zero, for |x| < 2^52.
INLINE __m256d center(__m256d x, prime p) {
  return _mm256_fnmadd_pd(_mm256_round_pd(_mm256_mul_pd(x, p.inverse), NEAREST), p.q, x);
}

// x w mod q, of magnitude below q, for |x| < 2^53, 0 <= w < q.
INLINE __m256d mul(__m256d x, __m256d w, prime p) {
  const __m256d high = _mm256_mul_pd(x, w);
  const __m256d low = _mm256_fmsub_pd(x, w, high);
  const __m256d quotient = _mm256_round_pd(_mm256_mul_pd(high, p.inverse), NEAREST);
  return _mm256_add_pd(_mm256_fnmadd_pd(quotient, p.q, high), low);
}

// Canonical words of |x| < 2^52.
INLINE __m256i canonical(__m256d x, prime p) {
  const __m256d centered = center(x, p);
  const __m256d negative = _mm256_cmp_pd(centered, _mm256_setzero_pd(), _CMP_LT_OQ);
  return to_word(_mm256_add_pd(centered, _mm256_and_pd(negative, p.q)));
}

INLINE void forward_butterfly(__m256d *low, __m256d *high, __m256d w, prime p) {
  const __m256d v = mul(*high, w, p), u = *low;
  *low = _mm256_add_pd(u, v);
  *high = _mm256_sub_pd(u, v);
}

INLINE void inverse_butterfly(__m256d *low, __m256d *high, __m256d w, prime p) {
  const __m256d u = *low, v = *high;
  *low = _mm256_add_pd(u, v);
  *high = mul(_mm256_sub_pd(u, v), w, p);
}

INLINE __m256d factor_at(const uint64_t *w) { return _mm256_set1_pd((double)*w); }
INLINE __m256d factors_of_two(const uint64_t *w) {
  const __m256d both = _mm256_castpd128_pd256(_mm_loadu_pd((const double *)w));
  return to_double(_mm256_castpd_si256(_mm256_permute4x64_pd(both, 0x50)));
}

// Natural order of two vectors to pairs of words with distance two, to distance one, and back.
INLINE void swap_halves(__m256d *a, __m256d *b) {
  const __m256d x = _mm256_permute2f128_pd(*a, *b, 0x20);
  *b = _mm256_permute2f128_pd(*a, *b, 0x31);
  *a = x;
}
INLINE void swap_words(__m256d *a, __m256d *b) {
  const __m256d x = _mm256_unpacklo_pd(*a, *b);
  *b = _mm256_unpackhi_pd(*a, *b);
  *a = x;
}

TARGET static void forward_tail(const ck_ntt *table, uint64_t *x, prime p) {
  const size_t n = table->n;
  for (size_t i = 0; i < n / 8; i++) {
    __m256d low = center(load(x + 8 * i), p), high = load(x + 8 * i + 4);
    high = center(high, p);
    swap_halves(&low, &high);
    forward_butterfly(&low, &high, factors_of_two(table->root + n / 4 + 2 * i), p);
    swap_words(&low, &high);
    forward_butterfly(&low, &high, load_word(table->root + n / 2 + 4 * i), p);
    swap_words(&low, &high);
    swap_halves(&low, &high);
    _mm256_storeu_si256((__m256i *)(x + 8 * i), canonical(low, p));
    _mm256_storeu_si256((__m256i *)(x + 8 * i + 4), canonical(high, p));
  }
}

TARGET static void inverse_head(const ck_ntt *table, uint64_t *x, prime p) {
  const size_t n = table->n;
  for (size_t i = 0; i < n / 8; i++) {
    __m256d low = load_word(x + 8 * i), high = load_word(x + 8 * i + 4);
    swap_halves(&low, &high);
    swap_words(&low, &high);
    inverse_butterfly(&low, &high, load_word(table->inverse_root + n / 2 + 4 * i), p);
    swap_words(&low, &high);
    inverse_butterfly(&low, &high, factors_of_two(table->inverse_root + n / 4 + 2 * i), p);
    swap_halves(&low, &high);
    store(x + 8 * i, center(low, p));
    store(x + 8 * i + 4, high);
  }
}

// Stages m and 2 m. Two stages add at most twice q to what was centered.
TARGET static void forward_pair(const ck_ntt *table, uint64_t *x, size_t m, prime p, int is_first) {
  const size_t quarter = table->n / (4 * m);
  const uint64_t *w = table->root;
  for (size_t i = 0; i < m; i++) {
    const __m256d outer = factor_at(w + m + i), left = factor_at(w + 2 * m + 2 * i),
                  right = factor_at(w + 2 * m + 2 * i + 1);
    uint64_t *a = x + 4 * i * quarter;
    for (size_t j = 0; j < quarter; j += 4, a += 4) {
      __m256d r0, r1, r2, r3;
      if (is_first) {
        r0 = load_word(a), r1 = load_word(a + quarter), r2 = load_word(a + 2 * quarter), r3 = load_word(a + 3 * quarter);
      } else {
        r0 = center(load(a), p), r1 = center(load(a + quarter), p), r2 = load(a + 2 * quarter), r3 = load(a + 3 * quarter);
      }
      forward_butterfly(&r0, &r2, outer, p);
      forward_butterfly(&r1, &r3, outer, p);
      forward_butterfly(&r0, &r1, left, p);
      forward_butterfly(&r2, &r3, right, p);
      store(a, r0);
      store(a + quarter, r1);
      store(a + 2 * quarter, r2);
      store(a + 3 * quarter, r3);
    }
  }
}

TARGET static void inverse_pair(const ck_ntt *table, uint64_t *x, size_t m, prime p) {
  const size_t quarter = table->n / (4 * m);
  const uint64_t *w = table->inverse_root;
  for (size_t i = 0; i < m; i++) {
    const __m256d outer = factor_at(w + m + i), left = factor_at(w + 2 * m + 2 * i),
                  right = factor_at(w + 2 * m + 2 * i + 1);
    uint64_t *a = x + 4 * i * quarter;
    for (size_t j = 0; j < quarter; j += 4, a += 4) {
      __m256d r0 = load(a), r1 = load(a + quarter), r2 = load(a + 2 * quarter), r3 = load(a + 3 * quarter);
      inverse_butterfly(&r0, &r1, left, p);
      inverse_butterfly(&r2, &r3, right, p);
      inverse_butterfly(&r0, &r2, outer, p);
      inverse_butterfly(&r1, &r3, outer, p);
      store(a, center(r0, p));
      store(a + quarter, r1);
      store(a + 2 * quarter, r2);
      store(a + 3 * quarter, r3);
    }
  }
}

TARGET void ntt_forward_avx2(const ck_ntt *table, uint64_t *x) {
  const prime p = prime_of(table->q);
  const size_t n = table->n;
  size_t m = 1;
  if (__builtin_ctzll(n) % 2 == 1) {
    // Stages before the last two are odd in number: one alone, then pairs.
    const __m256d w = factor_at(table->root + 1);
    for (size_t j = 0; j < n / 2; j += 4) {
      __m256d low = load_word(x + j), high = load_word(x + n / 2 + j);
      forward_butterfly(&low, &high, w, p);
      store(x + j, low);
      store(x + n / 2 + j, high);
    }
    m = 2;
  }
  for (; m < n / 4; m *= 4) forward_pair(table, x, m, p, m == 1);
  forward_tail(table, x, p);
}

TARGET void ntt_inverse_avx2(const ck_ntt *table, uint64_t *x) {
  const prime p = prime_of(table->q);
  const size_t n = table->n;
  inverse_head(table, x, p);
  const size_t last = __builtin_ctzll(n) % 2 == 1 ? 2 : 1;
  for (size_t m = n / 16; m >= last && m > 0; m /= 4) inverse_pair(table, x, m, p);
  if (last == 2) {
    const __m256d w = factor_at(table->inverse_root + 1);
    for (size_t j = 0; j < n / 2; j += 4) {
      __m256d low = load(x + j), high = load(x + n / 2 + j);
      inverse_butterfly(&low, &high, w, p);
      store(x + j, low);
      store(x + n / 2 + j, high);
    }
  }
  const __m256d scale = _mm256_set1_pd((double)table->inverse_n);
  for (size_t j = 0; j < n; j += 4) {
    _mm256_storeu_si256((__m256i *)(x + j), canonical(mul(load(x + j), scale, p), p));
  }
}

// Sums of up to eight centered products are exact; the accumulator takes their canonical residue.
TARGET void ntt_accumulate_avx2(uint64_t q, size_t n, size_t count, const uint64_t *const *x, const uint64_t *const *w,
                                uint64_t *accumulator) {
  const prime p = prime_of(q);
  for (size_t i = 0; i < n; i += 4) {
    __m256d sum = _mm256_setzero_pd();
    for (size_t j = 0; j < count; j++) {
      sum = _mm256_add_pd(sum, mul(load_word(x[j] + i), load_word(w[j] + i), p));
      if (j == 3) sum = center(sum, p);
    }
    __m256i *low = (__m256i *)(accumulator + i);
    _mm256_storeu_si256(low, _mm256_add_epi64(_mm256_loadu_si256(low), canonical(sum, p)));
  }
}

// The same for weights that are constant over blocks: four words of both components of an output at a time.
TARGET void ntt_block_accumulate_avx2(uint64_t q, size_t n, size_t block, size_t count, size_t terms, size_t row, const uint64_t *x,
                                      const uint64_t *w, size_t outputs, uint64_t *const *accumulators) {
  const prime p = prime_of(q);
  for (size_t i = 0; i < count; i += 4) {
    const uint64_t *words = x + i / CK_NTT_LANES * 2 * CK_NTT_LANES * row + i % CK_NTT_LANES;
    const uint64_t *weights = w + i / block * CK_NTT_LANES * row;
    for (size_t o = 0; o < outputs; o++) {
      __m256d first = _mm256_setzero_pd(), second = _mm256_setzero_pd();
      for (size_t k = 0; k < terms; k++) {
        const __m256d weight = factor_at(weights + k * CK_NTT_LANES + o);
        first = _mm256_add_pd(first, mul(load_word(words + 2 * k * CK_NTT_LANES), weight, p));
        second = _mm256_add_pd(second, mul(load_word(words + (2 * k + 1) * CK_NTT_LANES), weight, p));
        if (k % 4 == 3) first = center(first, p), second = center(second, p);
      }
      __m256i *low0 = (__m256i *)(accumulators[o] + i), *low1 = (__m256i *)(accumulators[o] + 2 * n + i);
      _mm256_storeu_si256(low0, _mm256_add_epi64(_mm256_loadu_si256(low0), canonical(first, p)));
      _mm256_storeu_si256(low1, _mm256_add_epi64(_mm256_loadu_si256(low1), canonical(second, p)));
    }
  }
}
#endif
