// The negacyclic transform over F_p: slots of plaintexts.
#include "field.h"
#include "include/CKernels.h"

void ck_field_ntt_forward(const uint64_t *root, size_t n, uint64_t *x) {
  size_t t = n;
  for (size_t m = 1; m < n; m <<= 1) {
    t >>= 1;
    for (size_t i = 0; i < m; i++) {
      const uint64_t w = root[m + i];
      uint64_t *low = x + 2 * i * t, *high = low + t;
      for (size_t j = 0; j < t; j++) {
        const uint64_t u = low[j], v = field_mul(high[j], w);
        low[j] = field_add(u, v);
        high[j] = field_sub(u, v);
      }
    }
  }
}

void ck_field_ntt_inverse(const uint64_t *inverse_root, uint64_t inverse_n, size_t n, uint64_t *x) {
  size_t t = 1;
  for (size_t m = n; m > 1; m >>= 1) {
    const size_t half = m >> 1;
    for (size_t i = 0; i < half; i++) {
      const uint64_t w = inverse_root[half + i];
      uint64_t *low = x + 2 * i * t, *high = low + t;
      for (size_t j = 0; j < t; j++) {
        const uint64_t u = low[j], v = high[j];
        low[j] = field_add(u, v);
        high[j] = field_mul(field_sub(u, v), w);
      }
    }
    t <<= 1;
  }
  for (size_t j = 0; j < n; j++) x[j] = field_mul(x[j], inverse_n);
}
