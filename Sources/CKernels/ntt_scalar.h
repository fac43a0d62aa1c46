// The butterflies that the portable transforms share.
#ifndef POLYMPC_CKERNELS_NTT_SCALAR_H
#define POLYMPC_CKERNELS_NTT_SCALAR_H

#include "include/CKernels.h"
#include "residue.h"

// Harvey's lazy butterflies (J. Symb. Comp. 2014) of a transform of m points, each of length / m words: words stay below 4 q.
static inline void ntt_butterflies(const ck_ntt *table, size_t m, size_t length, uint64_t *x) {
  const uint64_t q = table->q, twice = 2 * q;
  size_t t = length;
  for (size_t stage = 1; stage < m; stage <<= 1) {
    t >>= 1;
    for (size_t i = 0; i < stage; i++) {
      const uint64_t w = table->root[stage + i], shoup = table->root_shoup[stage + i];
      uint64_t *low = x + 2 * i * t, *high = low + t;
      for (size_t j = 0; j < t; j++) {
        const uint64_t u = residue_fold(low[j], twice);
        const uint64_t v = residue_mul_lazy(high[j], w, shoup, q);
        low[j] = u + v;
        high[j] = u + twice - v;
      }
    }
  }
}

#endif
