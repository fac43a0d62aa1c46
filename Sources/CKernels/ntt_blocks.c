// Products with polynomials in X^B, whose transforms are constant over blocks of B words: dispatch and portable kernels.
#include "ntt_blocks.h"
#include "ntt_scalar.h"
#include "residue.h"

#include <string.h>

// On rows of lanes; the first m roots of a table are those of degree m at the power n / m of psi.
static void short_scalar(const ck_ntt *table, size_t m, uint64_t *x, uint64_t *out, size_t stride) {
  const uint64_t q = table->q, twice = 2 * q;
  ntt_butterflies(table, m, m * CK_NTT_LANES, x);
  for (size_t b = 0; b < m; b++)
    for (size_t j = 0; j < CK_NTT_LANES; j++)
      out[b * stride + j] = residue_fold(residue_fold(x[b * CK_NTT_LANES + j], twice), q);
}

void ck_ntt_short(int isa, const ck_ntt *table, size_t m, uint64_t *x, uint64_t *out, size_t stride) {
#if defined(__x86_64__)
  if (isa == CK_AVX512) {
    ntt_short_avx512(table, m, x, out, stride);
    return;
  }
#endif
  short_scalar(table, m, x, out, stride);
}

// x y / 2^52 mod q, reduced, for reduced x and y (Montgomery); q_inverse is q^-1 mod 2^52.
static inline uint64_t montgomery(uint64_t x, uint64_t y, uint64_t q, uint64_t q_inverse) {
  const uint64_t mask = (1ull << 52) - 1;
  const ck_wide product = (ck_wide)x * y;
  const uint64_t factor = ((uint64_t)product * q_inverse) & mask;
  const uint64_t high = (uint64_t)(product >> 52), removed = (uint64_t)(((ck_wide)factor * q) >> 52);
  return residue_fold(high + q - removed, q);
}

static void gather_scalar(uint64_t q, uint64_t q_inverse, const uint64_t *x0, const uint64_t *x1,
                          const uint64_t *twist, size_t count, size_t row, uint64_t *out) {
  for (size_t i = 0; i < count; i += CK_NTT_LANES, out += 2 * CK_NTT_LANES * row) {
    if (!twist) {
      memcpy(out, x0 + i, CK_NTT_LANES * sizeof(uint64_t));
      memcpy(out + CK_NTT_LANES, x1 + i, CK_NTT_LANES * sizeof(uint64_t));
      continue;
    }
    for (size_t j = 0; j < CK_NTT_LANES; j++) {
      out[j] = montgomery(x0[i + j], twist[i + j], q, q_inverse);
      out[CK_NTT_LANES + j] = montgomery(x1[i + j], twist[i + j], q, q_inverse);
    }
  }
}

void ck_ntt_gather(int isa, uint64_t q, uint64_t q_inverse, const uint64_t *x0, const uint64_t *x1,
                   const uint64_t *twist, size_t count, size_t row, uint64_t *out) {
#if defined(__x86_64__)
  if (isa == CK_AVX512) {
    ntt_gather_avx512(q, q_inverse, x0, x1, twist, count, row, out);
    return;
  }
#endif
  gather_scalar(q, q_inverse, x0, x1, twist, count, row, out);
}

static void block_accumulate_scalar(size_t n, size_t block, size_t count, size_t terms, size_t row, const uint64_t *x,
                                    const uint64_t *w, size_t outputs, uint64_t *const *accumulators) {
  const uint64_t mask = (1ull << 52) - 1;
  for (size_t i = 0; i < count; i++) {
    const uint64_t *words = x + i / CK_NTT_LANES * 2 * CK_NTT_LANES * row + i % CK_NTT_LANES;
    const uint64_t *weights = w + i / block * CK_NTT_LANES * row;
    for (size_t o = 0; o < outputs; o++) {
      for (size_t part = 0; part < 2; part++) {
        uint64_t *low = accumulators[o] + 2 * part * n + i, *high = low + n;
        for (size_t k = 0; k < terms; k++) {
          const ck_wide product =
              (ck_wide)words[(2 * k + part) * CK_NTT_LANES] * weights[k * CK_NTT_LANES + o];
          *low += (uint64_t)product & mask;
          *high += (uint64_t)(product >> 52);
        }
      }
    }
  }
}

void ck_ntt_block_accumulate(int isa, uint64_t q, size_t n, size_t block, size_t count, size_t terms, size_t row,
                             const uint64_t *x, const uint64_t *w, size_t outputs, uint64_t *const *accumulators) {
  switch (isa) {
#if defined(__x86_64__)
    case CK_AVX512: ntt_block_accumulate_avx512(q, n, block, count, terms, row, x, w, outputs, accumulators); return;
    case CK_AVX2: ntt_block_accumulate_avx2(q, n, block, count, terms, row, x, w, outputs, accumulators); return;
#endif
    default: block_accumulate_scalar(n, block, count, terms, row, x, w, outputs, accumulators);
  }
}
