// Word loops of the multiplexer, included once for each instruction set with SUFFIX and TARGET. One byte of bits serves
// eight words: the compiler is told to turn each such group into vectors, for it would not by itself.

#define PASTE2(name, suffix) name##suffix
#define PASTE(name, suffix) PASTE2(name, suffix)
#define FN(name) PASTE(name, SUFFIX)
#define INLINE static inline __attribute__((always_inline)) TARGET
#define VECTORS _Pragma("clang loop vectorize(enable) interleave(disable)")

INLINE void FN(select_group)(int modulus, size_t n, unsigned b0, const uint64_t *m0, const uint64_t *g, uint64_t *d) {
  const uint64_t one = ck_opaque(1);
  VECTORS
  for (size_t j = 0; j < n; j++) d[j] = sub_in(modulus, negate_in(modulus, m0[j], mask_of(b0, j, one)), g[j]);
}

INLINE void FN(answer_group)(int modulus, size_t n, unsigned b1, unsigned rho1, unsigned delta0, const uint64_t *d,
                             const uint64_t *c, const uint64_t *h1, const uint64_t *w1, const uint64_t *offset,
                             uint64_t *answer) {
  const uint64_t one = ck_opaque(1);
  VECTORS
  for (size_t j = 0; j < n; j++) {
    const uint64_t b = mask_of(b1, j, one), r = mask_of(rho1, j, one), delta = mask_of(delta0, j, one);
    const uint64_t flipped = negate_in(modulus, c[j], r);
    uint64_t inner = add_in(modulus, h1[j], d[j] & r);
    inner = add_in(modulus, inner, flipped & delta);
    inner = add_in(modulus, inner, negate_in(modulus, w1[j], delta));
    const uint64_t kept = add_in(modulus, c[j] & b, offset[j]);
    answer[j] = add_in(modulus, negate_in(modulus, inner, b ^ r), kept);
  }
}

INLINE void FN(close_group)(int modulus, size_t n, unsigned b0, unsigned delta0, unsigned delta1, const uint64_t *m0,
                            const uint64_t *h0, const uint64_t *w0, const uint64_t *base, const uint64_t *answer,
                            uint64_t *out) {
  const uint64_t one = ck_opaque(1);
  VECTORS
  for (size_t j = 0; j < n; j++) {
    const uint64_t b = mask_of(b0, j, one), first = mask_of(delta0, j, one), second = mask_of(delta1, j, one);
    const uint64_t inner = add_in(modulus, h0[j], negate_in(modulus, w0[j], first));
    // b0 m0 + delta1 m0 (1 - 2 b0) is m0 where just one of the bits is set, and 0 where both or none are.
    uint64_t sum = add_in(modulus, m0[j] & (b ^ second), negate_in(modulus, inner, second));
    if (base) sum = add_in(modulus, sum, base[j]);
    out[j] = add_in(modulus, sum, answer[j]);
  }
}

#define GROUPS(call)                                            \
  for (size_t i = 0; i + 8 <= count; i += 8) {                  \
    const size_t n = 8, k = i / 8;                              \
    call;                                                       \
  }                                                             \
  if (count % 8) {                                              \
    const size_t i = count & ~(size_t)7, n = count % 8, k = i / 8; \
    call;                                                       \
  }

INLINE void FN(select_in)(int modulus, size_t count, const uint8_t *b0, const uint64_t *m0, const uint64_t *g,
                          uint64_t *d) {
  GROUPS(FN(select_group)(modulus, n, b0[k], m0 + i, g + i, d + i))
}

INLINE void FN(answer_in)(int modulus, size_t count, const uint8_t *b1, const uint8_t *rho1, const uint8_t *delta0,
                          const uint64_t *d, const uint64_t *c, const uint64_t *h1, const uint64_t *w1,
                          const uint64_t *offset, uint64_t *answer) {
  GROUPS(FN(answer_group)(modulus, n, b1[k], rho1[k], delta0[k], d + i, c + i, h1 + i, w1 + i, offset + i, answer + i))
}

INLINE void FN(close_in)(int modulus, size_t count, const uint8_t *b0, const uint8_t *delta0, const uint8_t *delta1,
                         const uint64_t *m0, const uint64_t *h0, const uint64_t *w0, const uint64_t *base,
                         const uint64_t *answer, uint64_t *out) {
  GROUPS(FN(close_group)(modulus, n, b0[k], delta0[k], delta1[k], m0 + i, h0 + i, w0 + i, base ? base + i : 0,
                         answer + i, out + i))
}

TARGET static void FN(mux_select)(int modulus, size_t count, const uint8_t *b0, const uint64_t *m0, const uint64_t *g,
                                  uint64_t *d) {
  if (modulus == CK_FIELD)
    FN(select_in)(CK_FIELD, count, b0, m0, g, d);
  else
    FN(select_in)(CK_WORD, count, b0, m0, g, d);
}

TARGET static void FN(mux_answer)(int modulus, size_t count, const uint8_t *b1, const uint8_t *rho1,
                                  const uint8_t *delta0, const uint64_t *d, const uint64_t *c, const uint64_t *h1,
                                  const uint64_t *w1, const uint64_t *offset, uint64_t *answer) {
  if (modulus == CK_FIELD)
    FN(answer_in)(CK_FIELD, count, b1, rho1, delta0, d, c, h1, w1, offset, answer);
  else
    FN(answer_in)(CK_WORD, count, b1, rho1, delta0, d, c, h1, w1, offset, answer);
}

TARGET static void FN(mux_close)(int modulus, size_t count, const uint8_t *b0, const uint8_t *delta0,
                                 const uint8_t *delta1, const uint64_t *m0, const uint64_t *h0, const uint64_t *w0,
                                 const uint64_t *base, const uint64_t *answer, uint64_t *out) {
  if (modulus == CK_FIELD)
    FN(close_in)(CK_FIELD, count, b0, delta0, delta1, m0, h0, w0, base, answer, out);
  else
    FN(close_in)(CK_WORD, count, b0, delta0, delta1, m0, h0, w0, base, answer, out);
}

#undef GROUPS
#undef VECTORS
#undef INLINE
#undef FN
#undef PASTE
#undef PASTE2
