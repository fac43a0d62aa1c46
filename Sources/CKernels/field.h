// Arithmetic mod p = 2^64 - 2^32 + 1 on reduced words, without branches.
#ifndef POLYMPC_CKERNELS_FIELD_H
#define POLYMPC_CKERNELS_FIELD_H

#include <stdint.h>

#define FIELD_P 0xFFFFFFFF00000001ull
// 2^64 mod p.
#define FIELD_E 0x00000000FFFFFFFFull
// (p + 1) / 2: words from here on have their top bit set.
#define FIELD_HALF 0x7FFFFFFF80000001ull

static inline uint64_t field_add(uint64_t a, uint64_t b) {
  uint64_t s, t;
  uint64_t carry = __builtin_add_overflow(a, b, &s);
  carry |= __builtin_add_overflow(s, FIELD_E, &t);
  return s + (FIELD_E & (0 - carry));
}

static inline uint64_t field_sub(uint64_t a, uint64_t b) {
  uint64_t s;
  uint64_t borrow = __builtin_sub_overflow(a, b, &s);
  return s - (FIELD_E & (0 - borrow));
}

// low + 2^64 high mod p, for any 128-bit value: 2^64 = 2^32 - 1 and 2^96 = -1.
static inline uint64_t field_reduce(uint64_t low, uint64_t high) {
  uint64_t top = high >> 32, middle = high & FIELD_E, t, s, r;
  uint64_t borrow = __builtin_sub_overflow(low, top, &t);
  t -= FIELD_E & (0 - borrow);
  uint64_t carry = __builtin_add_overflow(t, (middle << 32) - middle, &s);
  s += FIELD_E & (0 - carry);
  uint64_t above = __builtin_add_overflow(s, FIELD_E, &r);
  return s + (FIELD_E & (0 - above));
}

static inline uint64_t field_mul(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return field_reduce((uint64_t)product, (uint64_t)(product >> 64));
}

// 1 where a >= (p + 1) / 2.
static inline uint64_t field_top(uint64_t a) {
  uint64_t ignored;
  return 1 ^ (uint64_t)__builtin_sub_overflow(a, FIELD_HALF, &ignored);
}

#endif
