// Kernels of the comparison protocol (Protocols/comparison/spec.md), included by CKernels.h.
//
// A plane is one bit of many elements: element i is bit i % 8 of byte i / 8. Planes of a call lie one after the other, `bytes`
// bytes each. What lies beyond the last element in a plane's last byte is undefined on output, unless said otherwise.
#ifndef POLYMPC_CKERNELS_COMPARISON_H
#define POLYMPC_CKERNELS_COMPARISON_H

#include <stddef.h>
#include <stdint.h>

/// Largest width of a digit.
#define CK_DIGIT_BITS 6

/// Plane b of `bits` planes is bit b of each word; bits beyond `count` are zero.
void ck_slice(int isa, const uint64_t *words, size_t count, unsigned bits, uint8_t *planes, size_t bytes);

/// Clears what lies beyond `count` elements in each of `planes` planes of (count + 7) / 8 bytes.
void ck_trim(uint8_t *bits, size_t planes, size_t count);

/// P0's tables and leaf shares. `z`: planes of the low bits of z0; `pads`: per digit, per entry, gt and (but for the lowest
/// digit) eq; `tables` likewise without entry 0; `leaves`: gt of digit 0, then gt and eq of each other digit.
void ck_compare_tables(int isa, const uint8_t *widths, unsigned digits, size_t bytes, const uint8_t *z,
                       const uint8_t *pads, uint8_t *tables, uint8_t *leaves);

/// P1's leaf shares: its pad xor the entry of its digit. `choices`: planes of the digits.
void ck_compare_leaves(int isa, const uint8_t *widths, unsigned digits, size_t bytes, const uint8_t *choices,
                       const uint8_t *tables, const uint8_t *chosen, uint8_t *leaves);

/// The pads of the digits in `choices`, in the order of leaves.
void ck_compare_choose(int isa, const uint8_t *widths, unsigned digits, size_t bytes, const uint8_t *choices,
                       const uint8_t *pads, uint8_t *chosen);

/// Moves pad j of every digit to j xor `shift` (planes like choices), in place.
void ck_compare_permute(int isa, const uint8_t *widths, unsigned digits, size_t bytes, const uint8_t *shift,
                        uint8_t *pads);

/// The bits that a party opens on a level with `nodes` nodes: per pair eq(high) + a, gt(low) + b, and but for pair 0
/// eq(low) + b'. `triples`: per pair a, b, ab, and but for pair 0 b', ab'.
void ck_compare_open(int isa, unsigned nodes, size_t bytes, const uint8_t *shares, const uint8_t *triples,
                     uint8_t *opened);

/// Joins the pairs of a level in place; `leads` is 1 at one party and 0 at the other.
void ck_compare_join(int isa, unsigned leads, unsigned nodes, size_t bytes, uint8_t *shares, const uint8_t *triples,
                     const uint8_t *own, const uint8_t *peer);

/// products = (a + a1)(b + b1) + ab1 for each product of a level's triples, `first` and `second` being the two parties'.
void ck_compare_products(int isa, unsigned nodes, size_t bytes, const uint8_t *first, const uint8_t *second,
                         uint8_t *products);

// ---- Multiplexer: words in F_p (0) or Z_2^64 (1), bits from bit 0 of their buffers on ----------------------------

/// delta0 = b0 + rho0, D = m0 (1 - 2 b0) - g.
void ck_mux_select(int isa, int modulus, size_t count, const uint8_t *b0, const uint8_t *rho0, const uint64_t *m0,
                   const uint64_t *g, uint8_t *delta0, uint64_t *d);

/// delta1 = b1 + rho1, answer = (1 - 2 delta1)(h1 + rho1 D + delta0 c' + (1 - 2 delta0) w1) + b1 c + offset, where
/// c' = c (1 - 2 rho1).
void ck_mux_answer(int isa, int modulus, size_t count, const uint8_t *b1, const uint8_t *rho1, const uint8_t *delta0,
                   const uint64_t *d, const uint64_t *c, const uint64_t *h1, const uint64_t *w1, const uint64_t *offset,
                   uint8_t *delta1, uint64_t *answer);

/// out = b0 m0 + delta1 m0 (1 - 2 b0) + (1 - 2 delta1)(h0 + (1 - 2 delta0) w0) + answer (+ base, unless null).
void ck_mux_close(int isa, int modulus, size_t count, const uint8_t *b0, const uint8_t *delta0, const uint8_t *delta1,
                  const uint64_t *m0, const uint64_t *h0, const uint64_t *w0, const uint64_t *base,
                  const uint64_t *answer, uint64_t *out);

/// words += unit times the number whose `bits` bits lie in planes of `bytes` bytes, the lowest first; from element `split` on,
/// -unit times it.
void ck_add_planes(int isa, const uint8_t *planes, unsigned bits, size_t bytes, uint64_t unit, size_t split,
                   size_t count, uint64_t *words);

/// out = -x where the bit is set, x elsewhere; out = x where the bit is set, 0 elsewhere. `out` may be `x`.
void ck_negate_where(int modulus, size_t count, const uint8_t *bits, const uint64_t *x, uint64_t *out);
void ck_keep_where(size_t count, const uint8_t *bits, const uint64_t *x, uint64_t *out);

/// Shares of floor(x / 2^shift) in F_p (0) or Z_2^64 (1) from shares of x in Z_2^64, each party alone:
/// floor(share / 2^shift) if `leads`, else -floor(-share / 2^shift).
void ck_truncate_share(int modulus, int leads, unsigned shift, size_t count, const uint64_t *share, uint64_t *out);

#endif
