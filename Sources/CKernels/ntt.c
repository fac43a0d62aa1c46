// Dispatch, portable transform, and products of transforms.
#include "include/CKernels.h"
#include "ntt.h"
#include "ntt_scalar.h"
#include "residue.h"

bool ck_ntt_available(int isa) {
  switch (isa) {
    case CK_SCALAR: return true;
#if defined(__x86_64__)
    case CK_AVX2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case CK_AVX512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512ifma");
#endif
    default: return false;
  }
}

static void forward_scalar(const ck_ntt *table, uint64_t *x) {
  const uint64_t q = table->q, twice = 2 * q;
  ntt_butterflies(table, table->n, table->n, x);
  for (size_t j = 0; j < table->n; j++) x[j] = residue_fold(residue_fold(x[j], twice), q);
}

static void inverse_scalar(const ck_ntt *table, uint64_t *x) {
  const uint64_t q = table->q, twice = 2 * q;
  size_t t = 1;
  for (size_t m = table->n; m > 1; m >>= 1) {
    const size_t half = m >> 1;
    for (size_t i = 0; i < half; i++) {
      const uint64_t w = table->inverse_root[half + i], shoup = table->inverse_root_shoup[half + i];
      uint64_t *low = x + 2 * i * t, *high = low + t;
      for (size_t j = 0; j < t; j++) {
        const uint64_t u = low[j], v = high[j];
        low[j] = residue_fold(u + v, twice);
        high[j] = residue_mul_lazy(u + twice - v, w, shoup, q);
      }
    }
    t <<= 1;
  }
  for (size_t j = 0; j < table->n; j++) x[j] = residue_mul(x[j], table->inverse_n, table->inverse_n_shoup, q);
}

void ck_ntt_forward(int isa, const ck_ntt *table, uint64_t *x) {
  switch (isa) {
#if defined(__x86_64__)
    case CK_AVX512: ntt_forward_avx512(table, x); return;
    case CK_AVX2: ntt_forward_avx2(table, x); return;
#endif
    default: forward_scalar(table, x);
  }
}

void ck_ntt_inverse(int isa, const ck_ntt *table, uint64_t *x) {
  switch (isa) {
#if defined(__x86_64__)
    case CK_AVX512: ntt_inverse_avx512(table, x); return;
    case CK_AVX2: ntt_inverse_avx2(table, x); return;
#endif
    default: inverse_scalar(table, x);
  }
}

static void accumulate_scalar(size_t n, size_t count, const uint64_t *const *x, const uint64_t *const *w,
                              uint64_t *accumulator) {
  const uint64_t mask = (1ull << 52) - 1;
  for (size_t i = 0; i < n; i++) {
    uint64_t low = accumulator[i], high = accumulator[n + i];
    for (size_t j = 0; j < count; j++) {
      const ck_wide product = (ck_wide)x[j][i] * w[j][i];
      low += (uint64_t)product & mask;
      high += (uint64_t)(product >> 52);
    }
    accumulator[i] = low;
    accumulator[n + i] = high;
  }
}

void ck_ntt_accumulate(int isa, uint64_t q, size_t n, size_t count, const uint64_t *const *x0,
                       const uint64_t *const *x1, const uint64_t *const *w, uint64_t *accumulators) {
  switch (isa) {
#if defined(__x86_64__)
    case CK_AVX512: ntt_accumulate_avx512(n, count, x0, x1, w, accumulators); return;
    case CK_AVX2:
      ntt_accumulate_avx2(q, n, count, x0, w, accumulators);
      if (x1) ntt_accumulate_avx2(q, n, count, x1, w, accumulators + 2 * n);
      return;
#endif
    default:
      accumulate_scalar(n, count, x0, w, accumulators);
      if (x1) accumulate_scalar(n, count, x1, w, accumulators + 2 * n);
  }
}

void ck_ntt_fold(int isa, uint64_t q, size_t n, const uint64_t *accumulator, uint64_t *out) {
#if defined(__x86_64__)
  if (isa == CK_AVX512 && n % 8 == 0) {
    ntt_fold_avx512(q, n, accumulator, out);
    return;
  }
#endif
  const uint64_t one = residue_shoup(1, q), top = (1ull << 52) % q, top_shoup = residue_shoup(top, q);
  for (size_t i = 0; i < n; i++) {
    const uint64_t low = residue_mul_lazy(accumulator[i], 1, one, q);
    const uint64_t high = residue_mul_lazy(accumulator[n + i], top, top_shoup, q);
    out[i] = residue_fold(residue_fold(low + high, 2 * q), q);
  }
}

void ck_residue_add(uint64_t q, size_t n, const uint64_t *a, const uint64_t *b, uint64_t *out) {
  for (size_t i = 0; i < n; i++) out[i] = residue_fold(a[i] + b[i], q);
}

void ck_residue_subtract(uint64_t q, size_t n, const uint64_t *a, const uint64_t *b, uint64_t *out) {
  for (size_t i = 0; i < n; i++) out[i] = residue_fold(a[i] + q - b[i], q);
}

void ck_residue_signed64(uint64_t q, size_t n, const int64_t *values, uint64_t *out) {
  const uint64_t one = residue_shoup(1, q), half = ((uint64_t)1 << 63) % q;
  for (size_t i = 0; i < n; i++) {
    const uint64_t shifted = residue_mul((uint64_t)values[i] ^ ((uint64_t)1 << 63), 1, one, q);
    out[i] = residue_fold(shifted + q - half, q);
  }
}

void ck_residue_signed(int isa, uint64_t q, size_t n, const int32_t *values, uint64_t *out) {
#if defined(__x86_64__)
  if (isa == CK_AVX512 && n % 8 == 0) {
    residue_signed_avx512(q, n, values, out);
    return;
  }
#endif
  for (size_t i = 0; i < n; i++) {
    const int64_t value = values[i];
    out[i] = (uint64_t)value + (q & (uint64_t)(value >> 63));
  }
}
