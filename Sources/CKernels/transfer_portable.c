// Four blocks at once in 64-bit words: a round of AES on bit slices, bit i of a slice belonging to byte i of the 64.
#include "transfer.h"

#define TARGET
#define INLINE static inline
#define KERNELS transfer_portable
// Bit slices are too long to unroll.
#define UNROLL
#define LANES 4

typedef struct {
  uint64_t w[8];
} vec;

#define EACH(expression)                    \
  vec out;                                  \
  for (int i = 0; i < 8; i++) out.w[i] = expression; \
  return out

// Byte r, bit c becomes byte c, bit r.
static inline uint64_t transpose_bits(uint64_t x) {
  uint64_t t = (x ^ (x >> 7)) & 0x00aa00aa00aa00aaull;
  x ^= t ^ (t << 7);
  t = (x ^ (x >> 14)) & 0x0000cccc0000ccccull;
  x ^= t ^ (t << 14);
  t = (x ^ (x >> 28)) & 0x00000000f0f0f0f0ull;
  return x ^ t ^ (t << 28);
}

static inline void slice(const uint64_t bytes[8], uint64_t q[8]) {
  for (int b = 0; b < 8; b++) q[b] = 0;
  for (int j = 0; j < 8; j++) {
    const uint64_t x = transpose_bits(bytes[j]);
    for (int b = 0; b < 8; b++) q[b] |= (x >> (8 * b) & 0xff) << (8 * j);
  }
}

static inline void unslice(const uint64_t q[8], uint64_t bytes[8]) {
  for (int j = 0; j < 8; j++) {
    uint64_t x = 0;
    for (int b = 0; b < 8; b++) x |= (q[b] >> (8 * j) & 0xff) << (8 * b);
    bytes[j] = transpose_bits(x);
  }
}

// The S-box as the circuit of Boyar and Peralta (SEC 2012, "A depth-16 circuit for the AES S-box"), 113 gates.
static void substitute(uint64_t q[8]) {
  const uint64_t x0 = q[7], x1 = q[6], x2 = q[5], x3 = q[4], x4 = q[3], x5 = q[2], x6 = q[1], x7 = q[0];
  const uint64_t y14 = x3 ^ x5, y13 = x0 ^ x6, y9 = x0 ^ x3, y8 = x0 ^ x5;
  const uint64_t t0 = x1 ^ x2, y1 = t0 ^ x7, y4 = y1 ^ x3, y12 = y13 ^ y14;
  const uint64_t y2 = y1 ^ x0, y5 = y1 ^ x6, y3 = y5 ^ y8, t1 = x4 ^ y12;
  const uint64_t y15 = t1 ^ x5, y20 = t1 ^ x1, y6 = y15 ^ x7, y10 = y15 ^ t0;
  const uint64_t y11 = y20 ^ y9, y7 = x7 ^ y11, y17 = y10 ^ y11, y19 = y10 ^ y8;
  const uint64_t y16 = t0 ^ y11, y21 = y13 ^ y16, y18 = x0 ^ y16;
  const uint64_t t2 = y12 & y15, t4 = (y3 & y6) ^ t2, t6 = (y4 & x7) ^ t2;
  const uint64_t t7 = y13 & y16, t9 = (y5 & y1) ^ t7, t11 = (y2 & y7) ^ t7;
  const uint64_t t12 = y9 & y11, t14 = (y14 & y17) ^ t12, t16 = (y8 & y10) ^ t12;
  const uint64_t t21 = t4 ^ t14 ^ y20, t22 = t6 ^ t16 ^ y19, t23 = t9 ^ t14 ^ y21, t24 = t11 ^ t16 ^ y18;
  const uint64_t t25 = t21 ^ t22, t26 = t21 & t23, t27 = t24 ^ t26, t29 = (t25 & t27) ^ t22;
  const uint64_t t30 = t23 ^ t24, t31 = t22 ^ t26, t33 = (t31 & t30) ^ t24;
  const uint64_t t34 = t23 ^ t33, t35 = t27 ^ t33, t36 = t24 & t35, t37 = t36 ^ t34;
  const uint64_t t38 = t27 ^ t36, t39 = t29 & t38, t40 = t25 ^ t39;
  const uint64_t t41 = t40 ^ t37, t42 = t29 ^ t33, t43 = t29 ^ t40, t44 = t33 ^ t37, t45 = t42 ^ t41;
  const uint64_t z0 = t44 & y15, z1 = t37 & y6, z2 = t33 & x7, z3 = t43 & y16, z4 = t40 & y1, z5 = t29 & y7;
  const uint64_t z6 = t42 & y11, z7 = t45 & y17, z8 = t41 & y10, z9 = t44 & y12, z10 = t37 & y3, z11 = t33 & y4;
  const uint64_t z12 = t43 & y13, z13 = t40 & y5, z14 = t29 & y2, z15 = t42 & y9, z16 = t45 & y14, z17 = t41 & y8;
  const uint64_t t46 = z15 ^ z16, t47 = z10 ^ z11, t48 = z5 ^ z13, t49 = z9 ^ z10, t50 = z2 ^ z12, t51 = z2 ^ z5;
  const uint64_t t52 = z7 ^ z8, t53 = z0 ^ z3, t54 = z6 ^ z7, t55 = z16 ^ z17, t56 = z12 ^ t48, t57 = t50 ^ t53;
  const uint64_t t58 = z4 ^ t46, t59 = z3 ^ t54, t60 = t46 ^ t57, t61 = z14 ^ t57, t62 = t52 ^ t58;
  const uint64_t t63 = t49 ^ t58, t64 = z4 ^ t59, t65 = t61 ^ t62, t66 = z1 ^ t63, t67 = t64 ^ t65;
  const uint64_t s3 = t53 ^ t66;
  q[7] = t59 ^ t63;
  q[6] = t64 ^ ~s3;
  q[5] = t55 ^ ~t67;
  q[4] = s3;
  q[3] = t51 ^ t66;
  q[2] = t47 ^ t65;
  q[1] = t56 ^ ~t62;
  q[0] = t48 ^ ~t60;
}

// Byte 4 c + r of a block is row r of column c.
static inline uint64_t shift_rows(uint64_t x) {
  return (x & 0x1111111111111111ull) | (x >> 4 & 0x0222022202220222ull) | (x << 12 & 0x2000200020002000ull) |
         (x >> 8 & 0x0044004400440044ull) | (x << 8 & 0x4400440044004400ull) | (x >> 12 & 0x0008000800080008ull) |
         (x << 4 & 0x8880888088808880ull);
}

static inline uint64_t next_row(uint64_t x) {
  return (x >> 1 & 0x7777777777777777ull) | (x << 3 & 0x8888888888888888ull);
}

static void mix_columns(uint64_t q[8]) {
  uint64_t doubled[8], turned[8];
  for (int b = 0; b < 8; b++) turned[b] = next_row(q[b]);
  for (int b = 0; b < 8; b++) doubled[b] = q[b] ^ turned[b];
  const uint64_t top = doubled[7];
  for (int b = 0; b < 8; b++) {
    const uint64_t below = b == 0 ? 0 : doubled[b - 1];
    const uint64_t carry = b == 0 || b == 1 || b == 3 || b == 4 ? top : 0;
    const uint64_t two = next_row(turned[b]);
    q[b] = below ^ carry ^ turned[b] ^ two ^ next_row(two);
  }
}

INLINE vec v_xor(vec a, vec b) { EACH(a.w[i] ^ b.w[i]); }

static vec round_of(vec x, vec k, bool last) {
  uint64_t q[8];
  slice(x.w, q);
  substitute(q);
  for (int b = 0; b < 8; b++) q[b] = shift_rows(q[b]);
  if (!last) mix_columns(q);
  unslice(q, x.w);
  return v_xor(x, k);
}

INLINE vec v_round(vec x, vec k) { return round_of(x, k, false); }
INLINE vec v_last(vec x, vec k) { return round_of(x, k, true); }

// Words are little-endian wherever this is built for; others would need a swap here.
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "oblivious transfer kernels expect a little-endian processor"
#endif
INLINE vec v_load(const uint8_t *p) {
  vec x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
INLINE void v_store(uint8_t *p, vec x) { __builtin_memcpy(p, &x, sizeof x); }
INLINE vec v_broadcast(const uint8_t *p) {
  uint64_t w[2];
  __builtin_memcpy(w, p, sizeof w);
  EACH(w[i & 1]);
}
INLINE vec v_zero(void) { EACH(0); }
INLINE vec v_and(vec a, vec b) { EACH(a.w[i] & b.w[i]); }
INLINE vec v_andnot(vec a, vec b) { EACH(~a.w[i] & b.w[i]); }
INLINE vec v_swap(vec x) { EACH(x.w[i ^ 1]); }
INLINE vec v_high_half(void) { EACH(i & 1 ? ~0ull : 0); }
INLINE vec v_lowest(void) { EACH(i & 1 ? 0 : 1); }
INLINE vec v_last_column(vec x) {
  // Bytes 13, 14, 15, 12 in each column.
  EACH(((x.w[i | 1] >> 40) | (x.w[i | 1] >> 32 & 0xff) << 24) * 0x100000001ull);
}
INLINE vec v_words(uint32_t w) { EACH(w * 0x100000001ull); }
INLINE vec v_shift4(vec x) { EACH(i & 1 ? x.w[i] << 32 | x.w[i - 1] >> 32 : x.w[i] << 32); }
INLINE vec v_shift8(vec x) { EACH(i & 1 ? x.w[i - 1] : 0); }
INLINE vec v_both(uint64_t v) { EACH(v); }
INLINE vec v_counter(uint64_t c) { EACH(i & 1 ? 0 : c + (uint64_t)i / 2); }
INLINE vec v_index(uint64_t j) { EACH(j + (uint64_t)i / 2); }
INLINE vec v_equal(vec a, vec b) {
  EACH(ck_opaque(((a.w[i] ^ b.w[i]) | (0 - (a.w[i] ^ b.w[i]))) >> 63) - 1);
}
INLINE void v_reduce(vec x, uint64_t *out) {
  out[0] = x.w[0] ^ x.w[2] ^ x.w[4] ^ x.w[6];
  out[1] = x.w[1] ^ x.w[3] ^ x.w[5] ^ x.w[7];
}

#include "transfer_kernels.h"
