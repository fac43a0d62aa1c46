// Word steps of the comparison protocol: the multiplexer, and what prepares its material.
#include "field.h"
#include "include/CKernels.h"

// All ones where bit j of a byte is set; `one` is a 1 of which the compiler knows nothing. It would turn masks that it knows to be
// all ones or zero into jumps on secrets.
static inline __attribute__((always_inline)) uint64_t mask_of(unsigned byte, size_t j, uint64_t one) {
  return 0 - ((uint64_t)byte >> j & one);
}

static inline __attribute__((always_inline)) uint64_t add_in(int modulus, uint64_t a, uint64_t b) {
  return modulus == CK_FIELD ? field_add(a, b) : a + b;
}

static inline __attribute__((always_inline)) uint64_t sub_in(int modulus, uint64_t a, uint64_t b) {
  return modulus == CK_FIELD ? field_sub(a, b) : a - b;
}

// -x where `mask` is all ones.
static inline __attribute__((always_inline)) uint64_t negate_in(int modulus, uint64_t x, uint64_t mask) {
  if (modulus == CK_WORD) return (x ^ mask) - mask;
  return x ^ ((x ^ field_sub(0, x)) & mask);
}

#define SUFFIX _scalar
#define TARGET
#include "multiplexer_words.h"
#undef SUFFIX
#undef TARGET

#if defined(__x86_64__)
#define SUFFIX _avx2
#define TARGET __attribute__((target("avx2")))
#include "multiplexer_words.h"
#undef SUFFIX
#undef TARGET

#define SUFFIX _avx512
#define TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl")))
#include "multiplexer_words.h"
#undef SUFFIX
#undef TARGET

#define DISPATCH(name, ...)                                                     \
  if (isa == CK_AVX512) name##_avx512(__VA_ARGS__);                             \
  else if (isa == CK_AVX2) name##_avx2(__VA_ARGS__);                            \
  else name##_scalar(__VA_ARGS__)
#else
#define DISPATCH(name, ...) \
  (void)isa;                \
  name##_scalar(__VA_ARGS__)
#endif

void ck_mux_select(int isa, int modulus, size_t count, const uint8_t *b0, const uint8_t *rho0, const uint64_t *m0,
                   const uint64_t *g, uint8_t *delta0, uint64_t *d) {
  for (size_t i = 0; i < (count + 7) / 8; i++) delta0[i] = b0[i] ^ rho0[i];
  DISPATCH(mux_select, modulus, count, b0, m0, g, d);
}

void ck_mux_answer(int isa, int modulus, size_t count, const uint8_t *b1, const uint8_t *rho1, const uint8_t *delta0,
                   const uint64_t *d, const uint64_t *c, const uint64_t *h1, const uint64_t *w1, const uint64_t *offset,
                   uint8_t *delta1, uint64_t *answer) {
  for (size_t i = 0; i < (count + 7) / 8; i++) delta1[i] = b1[i] ^ rho1[i];
  DISPATCH(mux_answer, modulus, count, b1, rho1, delta0, d, c, h1, w1, offset, answer);
}

void ck_mux_close(int isa, int modulus, size_t count, const uint8_t *b0, const uint8_t *delta0, const uint8_t *delta1,
                  const uint64_t *m0, const uint64_t *h0, const uint64_t *w0, const uint64_t *base,
                  const uint64_t *answer, uint64_t *out) {
  DISPATCH(mux_close, modulus, count, b0, delta0, delta1, m0, h0, w0, base, answer, out);
}

void ck_negate_where(int modulus, size_t count, const uint8_t *bits, const uint64_t *x, uint64_t *out) {
  const uint64_t one = ck_opaque(1);
  for (size_t i = 0; i < count; i++) out[i] = negate_in(modulus, x[i], mask_of(bits[i / 8], i % 8, one));
}

void ck_keep_where(size_t count, const uint8_t *bits, const uint64_t *x, uint64_t *out) {
  const uint64_t one = ck_opaque(1);
  for (size_t i = 0; i < count; i++) out[i] = x[i] & mask_of(bits[i / 8], i % 8, one);
}

void ck_truncate_share(int modulus, int leads, unsigned shift, size_t count, const uint64_t *share, uint64_t *out) {
  for (size_t i = 0; i < count; i++) {
    const uint64_t floor = (leads ? share[i] : 0 - share[i]) >> shift;
    // field_add reduces: a whole word of 64 bits may lie above p at shift 0.
    const uint64_t reduced = modulus == CK_FIELD ? field_add(floor, 0) : floor;
    out[i] = leads ? reduced : sub_in(modulus, 0, reduced);
  }
}
