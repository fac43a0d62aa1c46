// Arithmetic on residues mod q < 2^50, without branches.
#ifndef POLYMPC_CKERNELS_RESIDUE_H
#define POLYMPC_CKERNELS_RESIDUE_H

#include <stdint.h>

typedef unsigned __int128 ck_wide;

// x - bound where x >= bound, else x; both below 2^63.
static inline uint64_t residue_fold(uint64_t x, uint64_t bound) {
  const uint64_t difference = x - bound;
  return difference + (bound & (uint64_t)((int64_t)difference >> 63));
}

// x w mod q in [0, 2 q), for any x, with shoup = floor(w 2^64 / q).
static inline uint64_t residue_mul_lazy(uint64_t x, uint64_t w, uint64_t shoup, uint64_t q) {
  return x * w - (uint64_t)(((ck_wide)x * shoup) >> 64) * q;
}

static inline uint64_t residue_mul(uint64_t x, uint64_t w, uint64_t shoup, uint64_t q) {
  return residue_fold(residue_mul_lazy(x, w, shoup, q), q);
}

// Public: floor(w 2^64 / q).
static inline uint64_t residue_shoup(uint64_t w, uint64_t q) { return (uint64_t)(((ck_wide)w << 64) / q); }

#endif
