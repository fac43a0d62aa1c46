// Short transforms, tiles and products with block constants, on vectors of eight words (IFMA).
#include "ntt_blocks.h"

#if defined(__x86_64__)
#include "ntt_butterflies.h"
#include "residue.h"

// Stages m and 2 m of `quarter` rows; the last ones go out reduced.
TARGET static void short_pair(const ck_ntt *table, uint64_t *x, size_t m, size_t quarter, bounds b, uint64_t *out,
                              size_t stride) {
  const uint64_t *w = table->root, *s = table->root_shoup;
  const size_t width = quarter * CK_NTT_LANES;
  for (size_t i = 0; i < m; i++) {
    const factor outer = factor_at(w + m + i, s + m + i);
    const factor left = factor_at(w + 2 * m + 2 * i, s + 2 * m + 2 * i);
    const factor right = factor_at(w + 2 * m + 2 * i + 1, s + 2 * m + 2 * i + 1);
    uint64_t *p = x + 4 * i * width;
    for (size_t j = 0; j < quarter; j++, p += CK_NTT_LANES) {
      __m512i r0 = load(p), r1 = load(p + width), r2 = load(p + 2 * width), r3 = load(p + 3 * width);
      forward_butterfly(&r0, &r2, outer, b);
      forward_butterfly(&r1, &r3, outer, b);
      forward_butterfly(&r0, &r1, left, b);
      forward_butterfly(&r2, &r3, right, b);
      if (quarter == 1) {
        uint64_t *to = out + 4 * i * stride;
        store(to, fold(fold(r0, b.twice), b.q));
        store(to + stride, fold(fold(r1, b.twice), b.q));
        store(to + 2 * stride, fold(fold(r2, b.twice), b.q));
        store(to + 3 * stride, fold(fold(r3, b.twice), b.q));
      } else {
        store(p, r0);
        store(p + width, r1);
        store(p + 2 * width, r2);
        store(p + 3 * width, r3);
      }
    }
  }
}

TARGET void ntt_short_avx512(const ck_ntt *table, size_t m, uint64_t *x, uint64_t *out, size_t stride) {
  const bounds b = bounds_of(table->q);
  if (m == 1) {
    store(out, load(x));
    return;
  }
  size_t stage = 1;
  if (__builtin_ctzll(m) % 2 == 1) {
    const factor f = factor_at(table->root + 1, table->root_shoup + 1);
    const size_t half = m / 2 * CK_NTT_LANES;
    for (size_t j = 0; j < half; j += CK_NTT_LANES) {
      __m512i low = load(x + j), high = load(x + half + j);
      forward_butterfly(&low, &high, f, b);
      if (m == 2) {
        store(out, fold(fold(low, b.twice), b.q));
        store(out + stride, fold(fold(high, b.twice), b.q));
      } else {
        store(x + j, low);
        store(x + half + j, high);
      }
    }
    stage = 2;
  }
  for (; stage < m; stage *= 4) short_pair(table, x, stage, m / (4 * stage), b, out, stride);
}

TARGET void ntt_gather_avx512(uint64_t q, uint64_t q_inverse, const uint64_t *x0, const uint64_t *x1,
                              const uint64_t *twist, size_t count, size_t row, uint64_t *out) {
  const __m512i zero = _mm512_setzero_si512(), modulus = _mm512_set1_epi64((long long)q),
                inverse = _mm512_set1_epi64((long long)q_inverse);
  for (size_t i = 0; i < count; i += CK_NTT_LANES, out += 2 * CK_NTT_LANES * row) {
    __m512i words[2] = {load(x0 + i), load(x1 + i)};
    for (int c = 0; c < 2; c++) {
      if (twist) {
        // Montgomery: the product less a multiple of q that ends in 52 zeros.
        const __m512i t = load(twist + i);
        const __m512i low = _mm512_madd52lo_epu64(zero, words[c], t);
        const __m512i factor = _mm512_madd52lo_epu64(zero, low, inverse);
        const __m512i removed = _mm512_madd52hi_epu64(zero, factor, modulus);
        const __m512i high = _mm512_madd52hi_epu64(modulus, words[c], t);
        words[c] = fold(_mm512_sub_epi64(high, removed), modulus);
      }
      store(out + c * CK_NTT_LANES, words[c]);
    }
  }
}

// Four outputs, both components, a vector of words: sixteen sums in registers, of which the high ones are reduced.
INLINE void tile_of_four(size_t n, size_t terms, const uint64_t *x, const uint64_t *w, size_t outputs,
                         uint64_t *const *accumulators, size_t place, factor top, bounds b) {
  __m512i low0[4], high0[4], low1[4], high1[4];
#pragma clang loop unroll(full)
  for (unsigned o = 0; o < 4; o++) low0[o] = high0[o] = low1[o] = high1[o] = _mm512_setzero_si512();
  for (size_t k = 0; k < terms; k++) {
    const __m512i first = load(x + 2 * CK_NTT_LANES * k), second = load(x + 2 * CK_NTT_LANES * k + CK_NTT_LANES);
#pragma clang loop unroll(full)
    for (unsigned o = 0; o < 4; o++) {
      const __m512i weight = _mm512_set1_epi64((long long)w[CK_NTT_LANES * k + o]);
      low0[o] = _mm512_madd52lo_epu64(low0[o], first, weight);
      high0[o] = _mm512_madd52hi_epu64(high0[o], first, weight);
      low1[o] = _mm512_madd52lo_epu64(low1[o], second, weight);
      high1[o] = _mm512_madd52hi_epu64(high1[o], second, weight);
    }
  }
#pragma clang loop unroll(full)
  for (unsigned o = 0; o < 4; o++) {
    if (o >= outputs) continue;
    uint64_t *a = accumulators[o] + place;
    store(a, _mm512_add_epi64(load(a), _mm512_add_epi64(low0[o], fold(mul_lazy(high0[o], top, b), b.q))));
    store(a + 2 * n, _mm512_add_epi64(load(a + 2 * n), _mm512_add_epi64(low1[o], fold(mul_lazy(high1[o], top, b), b.q))));
  }
}

TARGET void ntt_block_accumulate_avx512(uint64_t q, size_t n, size_t block, size_t count, size_t terms, size_t row,
                                        const uint64_t *x, const uint64_t *w, size_t outputs,
                                        uint64_t *const *accumulators) {
  const uint64_t power = (1ull << 52) % q, companion = residue_shoup(power, q);
  const factor top = factor_at(&power, &companion);
  const bounds b = bounds_of(q);
  for (size_t i = 0; i < count; i += CK_NTT_LANES) {
    const uint64_t *weights = w + i / block * CK_NTT_LANES * row;
    for (size_t o = 0; o < outputs; o += 4)
      tile_of_four(n, terms, x + 2 * i * row, weights + o, outputs - o, accumulators + o, i, top, b);
  }
}
#endif
