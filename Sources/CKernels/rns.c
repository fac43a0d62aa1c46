// Conversions between residues, fractions of Q, plaintext words and packed bits. Constant time: no word decides a jump.
#include <string.h>

#include "field.h"
#include "include/CKernels.h"
#include "residue.h"

static inline ck_wide wide_at(const uint64_t *values, size_t i) {
  return (ck_wide)values[2 * i] | (ck_wide)values[2 * i + 1] << 64;
}

static inline void set_wide(uint64_t *values, size_t i, ck_wide value) {
  values[2 * i] = (uint64_t)value;
  values[2 * i + 1] = (uint64_t)(value >> 64);
}

void ck_rns_fractions(const ck_rns *rns, const uint64_t *residues, size_t stride, size_t n, uint64_t *fractions) {
  for (size_t i = 0; i < n; i++) {
    ck_wide sum = 0;
    for (size_t j = 0; j < rns->primes; j++) {
      const uint64_t y = residue_mul(residues[j * stride + i], rns->inverse[j], rns->inverse_shoup[j], rns->q[j]);
      sum += (ck_wide)y * rns->reciprocal_low[j] + ((ck_wide)(y * rns->reciprocal_high[j]) << 64);
    }
    set_wide(fractions, i, sum);
  }
}

void ck_add_wide(const uint64_t *a, const uint64_t *b, size_t n, uint64_t *out) {
  for (size_t i = 0; i < n; i++) set_wide(out, i, wide_at(a, i) + wide_at(b, i));
}

void ck_split_fractions(int modulus, const uint64_t *fractions, size_t n, uint64_t *integers, uint64_t *rests) {
  for (size_t i = 0; i < n; i++) {
    const uint64_t low = fractions[2 * i], high = fractions[2 * i + 1];
    if (modulus == CK_WORD) {
      integers[i] = high;
      rests[i] = low;
    } else {
      // f p / 2^128 as (high p) + (low p >> 64).
      const ck_wide sum = (ck_wide)high * FIELD_P + (((ck_wide)low * FIELD_P) >> 64);
      integers[i] = (uint64_t)(sum >> 64);
      rests[i] = (uint64_t)sum;
    }
  }
}

void ck_embed(int modulus, uint64_t q_mod_t, uint64_t q, uint64_t scale, uint64_t scale_shoup, uint64_t half,
              const uint64_t *words, size_t n, uint64_t *out) {
  // (Q m + floor(t/2) - rest) / t with rest = (Q m + floor(t/2)) mod t, where Q m = 0 mod q.
  for (size_t i = 0; i < n; i++) {
    const uint64_t rest = modulus == CK_WORD ? q_mod_t * words[i] + (1ull << 63)
                                             : field_add(field_mul(q_mod_t, words[i]), FIELD_HALF - 1);
    out[i] = residue_fold(half + q - residue_mul(rest, scale, scale_shoup, q), q);
  }
}

void ck_wide_residues(uint64_t q, const uint64_t *values, size_t n, uint64_t *out) {
  const uint64_t one = residue_shoup(1, q), turn = (uint64_t)(((ck_wide)1 << 64) % q), turn_shoup = residue_shoup(turn, q);
  for (size_t i = 0; i < n; i++) {
    const uint64_t low = residue_mul(values[2 * i], 1, one, q);
    out[i] = residue_fold(low + residue_mul(values[2 * i + 1], turn, turn_shoup, q), q);
  }
}

void ck_field_residues(uint64_t q, const uint64_t *words, size_t n, uint64_t *out) {
  const uint64_t one = residue_shoup(1, q), p = FIELD_P % q;
  for (size_t i = 0; i < n; i++) {
    const uint64_t x = residue_mul(words[i], 1, one, q);
    out[i] = residue_fold(x + q - (p & (0 - field_top(words[i]))), q);
  }
}

// Garner's step: the x in [0, q0 q1) with residues r0, r1.
static inline ck_wide garner(uint64_t q0, uint64_t q1, uint64_t inverse, uint64_t shoup, uint64_t one, uint64_t r0,
                             uint64_t r1) {
  const uint64_t lifted = residue_mul(r0, 1, one, q1);
  const uint64_t digit = residue_mul(r1 + q1 - lifted, inverse, shoup, q1);
  return (ck_wide)digit * q0 + r0;
}

void ck_pair_to_wide(uint64_t q0, uint64_t q1, uint64_t q0_inverse, uint64_t q0_inverse_shoup, uint64_t offset,
                     const uint64_t *r0, const uint64_t *r1, size_t n, uint64_t *out) {
  const uint64_t one = residue_shoup(1, q1);
  for (size_t i = 0; i < n; i++) {
    set_wide(out, i,
             garner(q0, q1, q0_inverse, q0_inverse_shoup, one, residue_fold(r0[i] + offset, q0),
                    residue_fold(r1[i] + offset, q1)));
  }
}

void ck_pair_to_fractions(uint64_t q0, uint64_t q1, uint64_t q0_inverse, uint64_t q0_inverse_shoup, unsigned bits,
                          const uint64_t *r0, const uint64_t *r1, size_t n, uint64_t *fractions) {
  const uint64_t one = residue_shoup(1, q1);
  const ck_wide product = (ck_wide)q0 * q1, half = product >> 1;
  const uint64_t half0 = (uint64_t)(half % q0), half1 = (uint64_t)(half % q1);
  for (size_t i = 0; i < n; i++) {
    const ck_wide shifted = garner(q0, q1, q0_inverse, q0_inverse_shoup, one, residue_fold(r0[i] + half0, q0),
                                   residue_fold(r1[i] + half1, q1));
    set_wide(fractions, i, (shifted - half) << (128 - bits));
  }
}

// Bits are appended to a 64-bit reservoir; positions depend on public numbers only.
typedef struct {
  uint8_t *out;
  uint64_t reservoir;
  unsigned held;
} writer;

static inline void put(writer *w, uint64_t value, unsigned bits) {
  if (!bits) return;
  value &= ~0ull >> (64 - bits);
  w->reservoir |= value << w->held;
  if (w->held + bits >= 64) {
    memcpy(w->out, &w->reservoir, 8);
    w->out += 8;
    w->reservoir = w->held ? value >> (64 - w->held) : 0;
    w->held = w->held + bits - 64;
  } else {
    w->held += bits;
  }
}

static inline void finish(writer *w) { memcpy(w->out, &w->reservoir, (w->held + 7) / 8); }

static inline unsigned low_bits(unsigned bits) { return bits < 64 ? bits : 64; }
static inline unsigned high_bits(unsigned bits) { return bits < 64 ? 0 : bits - 64; }

void ck_pack_wide(const uint64_t *values, size_t n, unsigned bits, uint8_t *out) {
  writer w = {out, 0, 0};
  for (size_t i = 0; i < n; i++) {
    put(&w, values[2 * i], low_bits(bits));
    put(&w, values[2 * i + 1], high_bits(bits));
  }
  finish(&w);
}

void ck_pack_words(const uint64_t *values, size_t n, unsigned bits, uint8_t *out) {
  writer w = {out, 0, 0};
  for (size_t i = 0; i < n; i++) put(&w, values[i], bits);
  finish(&w);
}

void ck_pack_fractions(const uint64_t *fractions, size_t n, unsigned bits, uint8_t *out) {
  writer w = {out, 0, 0};
  const ck_wide half = (ck_wide)1 << (127 - bits);
  for (size_t i = 0; i < n; i++) {
    const ck_wide value = (wide_at(fractions, i) + half) >> (128 - bits);
    put(&w, (uint64_t)value, low_bits(bits));
    put(&w, (uint64_t)(value >> 64), high_bits(bits));
  }
  finish(&w);
}

typedef struct {
  const uint8_t *in, *end;
  uint64_t reservoir;
  unsigned held;
} reader;

static inline uint64_t get(reader *r, unsigned bits) {
  if (!bits) return 0;
  const uint64_t mask = ~0ull >> (64 - bits);
  if (r->held >= bits) {
    const uint64_t value = r->reservoir & mask;
    r->reservoir = bits < 64 ? r->reservoir >> bits : 0;
    r->held -= bits;
    return value;
  }
  uint64_t next = 0;
  const size_t left = (size_t)(r->end - r->in), taken = left < 8 ? left : 8;
  memcpy(&next, r->in, taken);
  r->in += taken;
  const unsigned missing = bits - r->held;
  const uint64_t value = (r->reservoir | (r->held < 64 ? next << r->held : 0)) & mask;
  r->reservoir = missing < 64 ? next >> missing : 0;
  r->held = 64 - missing;
  return value;
}

void ck_unpack_wide(const uint8_t *bytes, size_t n, unsigned bits, uint64_t *values) {
  reader r = {bytes, bytes + (n * bits + 7) / 8, 0, 0};
  for (size_t i = 0; i < n; i++) {
    values[2 * i] = get(&r, low_bits(bits));
    values[2 * i + 1] = get(&r, high_bits(bits));
  }
}

void ck_unpack_words(const uint8_t *bytes, size_t n, unsigned bits, uint64_t *values) {
  reader r = {bytes, bytes + (n * bits + 7) / 8, 0, 0};
  for (size_t i = 0; i < n; i++) values[i] = get(&r, bits);
}
