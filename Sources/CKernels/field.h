// Arithmetic mod p = 2^64 - 2^32 + 1 on reduced words, without branches.
#ifndef POLYMPC_CKERNELS_FIELD_H
#define POLYMPC_CKERNELS_FIELD_H

#include <stdint.h>

#define FIELD_P 0xFFFFFFFF00000001ull
// 2^64 mod p.
#define FIELD_E 0x00000000FFFFFFFFull
// (p + 1) / 2: words from here on have their top bit set.
#define FIELD_HALF 0x7FFFFFFF80000001ull

// All ones where a + b = sum carried, or a - b = difference borrowed; else zero. Bit operations, because compilers turn a
// mask made from the carry flag into a jump on a secret.
static inline uint64_t field_carry_mask(uint64_t a, uint64_t b, uint64_t sum) {
  return (uint64_t)((int64_t)((a & b) | ((a | b) & ~sum)) >> 63);
}

static inline uint64_t field_borrow_mask(uint64_t a, uint64_t b, uint64_t difference) {
  return (uint64_t)((int64_t)((~a & b) | ((~a | b) & difference)) >> 63);
}

static inline uint64_t field_add(uint64_t a, uint64_t b) {
  const uint64_t s = a + b;
  return s + (FIELD_E & (field_carry_mask(a, b, s) | field_carry_mask(s, FIELD_E, s + FIELD_E)));
}

static inline uint64_t field_sub(uint64_t a, uint64_t b) {
  const uint64_t s = a - b;
  return s - (FIELD_E & field_borrow_mask(a, b, s));
}

// low + 2^64 high mod p, for any 128-bit value: 2^64 = 2^32 - 1 and 2^96 = -1.
static inline uint64_t field_reduce(uint64_t low, uint64_t high) {
  const uint64_t top = high >> 32, middle = high & FIELD_E;
  const uint64_t difference = low - top;
  const uint64_t t = difference - (FIELD_E & field_borrow_mask(low, top, difference));
  const uint64_t product = (middle << 32) - middle;
  uint64_t s = t + product;
  s += FIELD_E & field_carry_mask(t, product, s);
  return s + (FIELD_E & field_carry_mask(s, FIELD_E, s + FIELD_E));
}

static inline uint64_t field_mul(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return field_reduce((uint64_t)product, (uint64_t)(product >> 64));
}

// 1 where a >= (p + 1) / 2.
static inline uint64_t field_top(uint64_t a) {
  return 1 & ~field_borrow_mask(a, FIELD_HALF, a - FIELD_HALF);
}

#endif
