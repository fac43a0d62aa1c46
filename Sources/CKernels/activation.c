// Elementwise steps of the polynomial activation over F_p with exact truncation.
#include "include/CKernels.h"
#include "field.h"

static inline uint64_t bit_at(const uint8_t *bits, size_t index) { return (bits[index >> 3] >> (index & 7)) & 1; }

static inline void set_bit(uint8_t *bits, size_t index, uint64_t value) {
  const unsigned place = index & 7;
  bits[index >> 3] = (uint8_t)((bits[index >> 3] & ~(1u << place)) | ((unsigned)value << place));
}

// a where bit = 0, b where bit = 1.
static inline uint64_t choose(uint64_t a, uint64_t b, uint64_t bit) { return a ^ ((a ^ b) & (0 - ck_opaque(bit))); }

static inline uint64_t add_mod(ck_modulus modulus, uint64_t a, uint64_t b) {
  return modulus == CK_FIELD ? field_add(a, b) : a + b;
}

static inline uint64_t sub_mod(ck_modulus modulus, uint64_t a, uint64_t b) {
  return modulus == CK_FIELD ? field_sub(a, b) : a - b;
}

void ck_x2_open(const uint64_t *z0, const uint64_t *alpha, const uint64_t *u, uint64_t k, uint64_t constant,
                const uint8_t *rho, size_t rho_offset, size_t count, uint64_t *d, uint64_t *y0, uint8_t *delta,
                size_t delta_offset) {
  for (size_t i = 0; i < count; i++) {
    const uint64_t z = z0[i];
    const uint64_t linear = field_add(z, k);
    const uint64_t y = field_add(field_add(u[i], constant), field_mul(z, linear));
    d[i] = field_sub(field_add(z, linear), alpha[i]);
    y0[i] = y;
    set_bit(delta, delta_offset + i, field_top(y) ^ bit_at(rho, rho_offset + i));
  }
}

static inline __attribute__((always_inline)) void answer(const uint64_t *d, const uint64_t *c, const uint64_t *vc,
                                                         const uint8_t *delta, size_t delta_offset,
                                                         const uint64_t *pad0, const uint64_t *pad1, unsigned shift,
                                                         const ck_modulus output, size_t count, uint64_t *messages) {
  // floor(p / 2^T), the carry out of the modulus after the shift; 0 mod p at T = 0.
  const uint64_t turn = output == CK_FIELD && shift == 0 ? 0 : FIELD_P >> shift;
  for (size_t i = 0; i < count; i++) {
    const uint64_t y = field_add(field_mul(d[i], c[i]), vc[i]);
    const uint64_t bit = bit_at(delta, delta_offset + i);
    const uint64_t floor = y >> shift;
    const uint64_t with_turn = sub_mod(output, floor, turn);
    const uint64_t first = choose(floor, with_turn, field_top(y));
    messages[2 * i] = add_mod(output, first, choose(pad0[i], pad1[i], bit));
    messages[2 * i + 1] = add_mod(output, with_turn, choose(pad1[i], pad0[i], bit));
  }
}

void ck_x2_answer(const uint64_t *d, const uint64_t *c, const uint64_t *vc, const uint8_t *delta, size_t delta_offset,
                  const uint64_t *pad0, const uint64_t *pad1, unsigned shift, ck_modulus output, size_t count,
                  uint64_t *messages) {
  if (output == CK_FIELD)
    answer(d, c, vc, delta, delta_offset, pad0, pad1, shift, CK_FIELD, count, messages);
  else
    answer(d, c, vc, delta, delta_offset, pad0, pad1, shift, CK_WORD, count, messages);
}

static inline __attribute__((always_inline)) void close_mod(const uint64_t *y0, const uint64_t *messages,
                                                            const uint64_t *pad_rho, unsigned shift,
                                                            uint64_t offset_shifted, const ck_modulus output,
                                                            size_t count, uint64_t *x) {
  for (size_t i = 0; i < count; i++) {
    const uint64_t message = choose(messages[2 * i], messages[2 * i + 1], field_top(y0[i]));
    const uint64_t floor = sub_mod(output, y0[i] >> shift, offset_shifted);
    x[i] = sub_mod(output, add_mod(output, floor, message), pad_rho[i]);
  }
}

void ck_x2_close(const uint64_t *y0, const uint64_t *messages, const uint64_t *pad_rho, unsigned shift,
                 uint64_t offset_shifted, ck_modulus output, size_t count, uint64_t *x) {
  if (output == CK_FIELD)
    close_mod(y0, messages, pad_rho, shift, offset_shifted, CK_FIELD, count, x);
  else
    close_mod(y0, messages, pad_rho, shift, offset_shifted, CK_WORD, count, x);
}

void ck_x2_data_share(const uint64_t *d, const uint64_t *c, const uint64_t *vc, size_t count, uint64_t *y1) {
  for (size_t i = 0; i < count; i++) y1[i] = field_add(field_mul(d[i], c[i]), vc[i]);
}

void ck_x2_local_data(const uint64_t *y1, const uint64_t *mask, unsigned shift, ck_modulus output, size_t count,
                      uint64_t *x) {
  for (size_t i = 0; i < count; i++) {
    // p - y1 is p at y1 = 0, which is 0 as a field word.
    const uint64_t floor = add_mod(output, (FIELD_P - y1[i]) >> shift, 0);
    x[i] = sub_mod(output, sub_mod(output, 0, floor), mask[i]);
  }
}

void ck_x2_local_model(const uint64_t *y0, const uint64_t *received, unsigned shift, ck_modulus output, size_t count,
                       uint64_t *x) {
  for (size_t i = 0; i < count; i++) x[i] = add_mod(output, y0[i] >> shift, received[i]);
}
