// Transforms with 52-bit fused multiply-add (IFMA): Harvey's butterflies, two stages a pass over memory, the last three
// stages of the forward transform (first of the inverse) on permuted vectors.
#include "ntt.h"

#if defined(__x86_64__)
#include "ntt_butterflies.h"
#include "residue.h"

// Lanes of a pair of vectors change their arrangement; the same three steps lead from natural order to single-word
// stages and back.
typedef struct {
  __m512i first, second;
} arrangement;

INLINE void rearrange(__m512i *a, __m512i *b, arrangement by) {
  const __m512i x = _mm512_permutex2var_epi64(*a, by.first, *b);
  *b = _mm512_permutex2var_epi64(*a, by.second, *b);
  *a = x;
}

INLINE arrangement halves(void) {
  const arrangement r = {_mm512_setr_epi64(0, 1, 2, 3, 8, 9, 10, 11), _mm512_setr_epi64(4, 5, 6, 7, 12, 13, 14, 15)};
  return r;
}
INLINE arrangement quarters(void) {
  const arrangement r = {_mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15)};
  return r;
}
INLINE arrangement singles(void) {
  const arrangement r = {_mm512_setr_epi64(0, 8, 2, 10, 4, 12, 6, 14), _mm512_setr_epi64(1, 9, 3, 11, 5, 13, 7, 15)};
  return r;
}
INLINE arrangement interleaved(void) {
  const arrangement r = {_mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15)};
  return r;
}
INLINE arrangement separated(void) {
  const arrangement r = {_mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15)};
  return r;
}

INLINE factor spread(const uint64_t *w, const uint64_t *shoup, __m512i lanes, __mmask8 count) {
  const factor f = {_mm512_permutexvar_epi64(lanes, _mm512_maskz_loadu_epi64(count, w)),
                    _mm512_srli_epi64(_mm512_permutexvar_epi64(lanes, _mm512_maskz_loadu_epi64(count, shoup)), 12)};
  return f;
}

INLINE __m512i lanes_of_four(void) { return _mm512_setr_epi64(0, 0, 0, 0, 1, 1, 1, 1); }
INLINE __m512i lanes_of_two(void) { return _mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3); }
INLINE __m512i lanes_of_one(void) { return _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7); }

TARGET static void forward_tail(const ck_ntt *table, uint64_t *x, bounds b) {
  const size_t n = table->n;
  const uint64_t *w = table->root, *s = table->root_shoup;
  for (size_t i = 0; i < n / 16; i++) {
    __m512i low = load(x + 16 * i), high = load(x + 16 * i + 8);
    rearrange(&low, &high, halves());
    forward_butterfly(&low, &high, spread(w + n / 8 + 2 * i, s + n / 8 + 2 * i, lanes_of_four(), 3), b);
    rearrange(&low, &high, quarters());
    forward_butterfly(&low, &high, spread(w + n / 4 + 4 * i, s + n / 4 + 4 * i, lanes_of_two(), 15), b);
    rearrange(&low, &high, singles());
    forward_butterfly(&low, &high, spread(w + n / 2 + 8 * i, s + n / 2 + 8 * i, lanes_of_one(), 255), b);
    rearrange(&low, &high, interleaved());
    store(x + 16 * i, fold(fold(low, b.twice), b.q));
    store(x + 16 * i + 8, fold(fold(high, b.twice), b.q));
  }
}

TARGET static void inverse_head(const ck_ntt *table, uint64_t *x, bounds b) {
  const size_t n = table->n;
  const uint64_t *w = table->inverse_root, *s = table->inverse_root_shoup;
  for (size_t i = 0; i < n / 16; i++) {
    __m512i low = load(x + 16 * i), high = load(x + 16 * i + 8);
    rearrange(&low, &high, separated());
    inverse_butterfly(&low, &high, spread(w + n / 2 + 8 * i, s + n / 2 + 8 * i, lanes_of_one(), 255), b);
    rearrange(&low, &high, singles());
    inverse_butterfly(&low, &high, spread(w + n / 4 + 4 * i, s + n / 4 + 4 * i, lanes_of_two(), 15), b);
    rearrange(&low, &high, quarters());
    inverse_butterfly(&low, &high, spread(w + n / 8 + 2 * i, s + n / 8 + 2 * i, lanes_of_four(), 3), b);
    rearrange(&low, &high, halves());
    store(x + 16 * i, low);
    store(x + 16 * i + 8, high);
  }
}

// Stages m and 2 m, whose blocks have 4 quarter words; quarter >= 8.
TARGET static void forward_pair(const ck_ntt *table, uint64_t *x, size_t m, bounds b) {
  const size_t quarter = table->n / (4 * m);
  const uint64_t *w = table->root, *s = table->root_shoup;
  for (size_t i = 0; i < m; i++) {
    const factor outer = factor_at(w + m + i, s + m + i);
    const factor left = factor_at(w + 2 * m + 2 * i, s + 2 * m + 2 * i);
    const factor right = factor_at(w + 2 * m + 2 * i + 1, s + 2 * m + 2 * i + 1);
    uint64_t *p = x + 4 * i * quarter;
    for (size_t j = 0; j < quarter; j += 8, p += 8) {
      __m512i r0 = load(p), r1 = load(p + quarter), r2 = load(p + 2 * quarter), r3 = load(p + 3 * quarter);
      forward_butterfly(&r0, &r2, outer, b);
      forward_butterfly(&r1, &r3, outer, b);
      forward_butterfly(&r0, &r1, left, b);
      forward_butterfly(&r2, &r3, right, b);
      store(p, r0);
      store(p + quarter, r1);
      store(p + 2 * quarter, r2);
      store(p + 3 * quarter, r3);
    }
  }
}

// Inverse stages of 2 m and m blocks.
TARGET static void inverse_pair(const ck_ntt *table, uint64_t *x, size_t m, bounds b) {
  const size_t quarter = table->n / (4 * m);
  const uint64_t *w = table->inverse_root, *s = table->inverse_root_shoup;
  for (size_t i = 0; i < m; i++) {
    const factor outer = factor_at(w + m + i, s + m + i);
    const factor left = factor_at(w + 2 * m + 2 * i, s + 2 * m + 2 * i);
    const factor right = factor_at(w + 2 * m + 2 * i + 1, s + 2 * m + 2 * i + 1);
    uint64_t *p = x + 4 * i * quarter;
    for (size_t j = 0; j < quarter; j += 8, p += 8) {
      __m512i r0 = load(p), r1 = load(p + quarter), r2 = load(p + 2 * quarter), r3 = load(p + 3 * quarter);
      inverse_butterfly(&r0, &r1, left, b);
      inverse_butterfly(&r2, &r3, right, b);
      inverse_butterfly(&r0, &r2, outer, b);
      inverse_butterfly(&r1, &r3, outer, b);
      store(p, r0);
      store(p + quarter, r1);
      store(p + 2 * quarter, r2);
      store(p + 3 * quarter, r3);
    }
  }
}

TARGET void ntt_forward_avx512(const ck_ntt *table, uint64_t *x) {
  const bounds b = bounds_of(table->q);
  const size_t n = table->n;
  size_t m = 1;
  if (__builtin_ctzll(n) % 2 == 0) {
    // An even number of stages: one alone, then pairs.
    const factor f = factor_at(table->root + 1, table->root_shoup + 1);
    for (size_t j = 0; j < n / 2; j += 8) {
      __m512i low = load(x + j), high = load(x + n / 2 + j);
      forward_butterfly(&low, &high, f, b);
      store(x + j, low);
      store(x + n / 2 + j, high);
    }
    m = 2;
  }
  for (; m < n / 8; m *= 4) forward_pair(table, x, m, b);
  forward_tail(table, x, b);
}

TARGET void ntt_inverse_avx512(const ck_ntt *table, uint64_t *x) {
  const bounds b = bounds_of(table->q);
  const size_t n = table->n;
  inverse_head(table, x, b);
  const size_t last = __builtin_ctzll(n) % 2 == 0 ? 2 : 1;
  for (size_t m = n / 32; m >= last && m > 0; m /= 4) inverse_pair(table, x, m, b);
  if (last == 2) {
    const factor f = factor_at(table->inverse_root + 1, table->inverse_root_shoup + 1);
    for (size_t j = 0; j < n / 2; j += 8) {
      __m512i low = load(x + j), high = load(x + n / 2 + j);
      inverse_butterfly(&low, &high, f, b);
      store(x + j, low);
      store(x + n / 2 + j, high);
    }
  }
  const factor scale = factor_at(&table->inverse_n, &table->inverse_n_shoup);
  for (size_t j = 0; j < n; j += 8) store(x + j, fold(mul_lazy(load(x + j), scale, b), b.q));
}

TARGET void ntt_accumulate_avx512(size_t n, size_t count, const uint64_t *const *x0, const uint64_t *const *x1,
                                  const uint64_t *const *w, uint64_t *accumulators) {
  for (size_t i = 0; i < n; i += 8) {
    uint64_t *a = accumulators + i;
    __m512i low0 = load(a), high0 = load(a + n);
    if (x1) {
      __m512i low1 = load(a + 2 * n), high1 = load(a + 3 * n);
      for (size_t j = 0; j < count; j++) {
        const __m512i factor = load(w[j] + i), first = load(x0[j] + i), second = load(x1[j] + i);
        low0 = _mm512_madd52lo_epu64(low0, first, factor);
        high0 = _mm512_madd52hi_epu64(high0, first, factor);
        low1 = _mm512_madd52lo_epu64(low1, second, factor);
        high1 = _mm512_madd52hi_epu64(high1, second, factor);
      }
      store(a + 2 * n, low1);
      store(a + 3 * n, high1);
    } else {
      for (size_t j = 0; j < count; j++) {
        const __m512i factor = load(w[j] + i), first = load(x0[j] + i);
        low0 = _mm512_madd52lo_epu64(low0, first, factor);
        high0 = _mm512_madd52hi_epu64(high0, first, factor);
      }
    }
    store(a, low0);
    store(a + n, high0);
  }
}

// Accumulators are cut at bit 52 twice, so that each part is a factor of lazy multiplication.
TARGET void ntt_fold_avx512(uint64_t q, size_t n, const uint64_t *accumulator, uint64_t *out) {
  const bounds b = bounds_of(q);
  const uint64_t powers[3] = {1, (1ull << 52) % q, (uint64_t)(((ck_wide)1 << 104) % q)};
  uint64_t companions[3];
  factor factors[3];
  for (int part = 0; part < 3; part++) {
    companions[part] = residue_shoup(powers[part], q);
    factors[part] = factor_at(powers + part, companions + part);
  }
  const __m512i twice = b.twice, four = _mm512_add_epi64(twice, twice);
  for (size_t i = 0; i < n; i += 8) {
    const __m512i low = load(accumulator + i);
    const __m512i high = _mm512_add_epi64(load(accumulator + n + i), _mm512_srli_epi64(low, 52));
    __m512i sum = mul_lazy(_mm512_and_si512(low, b.mask), factors[0], b);
    sum = _mm512_add_epi64(sum, mul_lazy(_mm512_and_si512(high, b.mask), factors[1], b));
    sum = _mm512_add_epi64(sum, mul_lazy(_mm512_srli_epi64(high, 52), factors[2], b));
    store(out + i, fold(fold(fold(sum, four), twice), b.q));
  }
}

TARGET void residue_signed_avx512(uint64_t q, size_t n, const int32_t *values, uint64_t *out) {
  const __m512i modulus = _mm512_set1_epi64((long long)q);
  for (size_t i = 0; i < n; i += 8) {
    const __m512i value = _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)(values + i)));
    store(out + i, _mm512_add_epi64(value, _mm512_and_si512(modulus, _mm512_srai_epi64(value, 63))));
  }
}
#endif
