// Kernels of polynomial rings Z_q[X]/(X^N + 1), included by CKernels.h.
#ifndef POLYMPC_CKERNELS_LATTICE_H
#define POLYMPC_CKERNELS_LATTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---- Number-theoretic transform --------------------------------------------------------------------------------
// Residues are words below q < 2^50, q = 1 mod 2N. The transform domain has the bit-reversed order of Longa and Naehrig
// (CANS 2016, algorithms 1 and 2), the same for every instruction set.

/// Tables of one prime and degree: entry m + i is psi^brv(m + i), psi a primitive 2N-th root of unity.
typedef struct {
  uint64_t q;
  uint64_t n;
  /// Powers, and floor(power * 2^64 / q).
  const uint64_t *root, *root_shoup;
  /// Inverses of the powers, likewise.
  const uint64_t *inverse_root, *inverse_root_shoup;
  /// 1/N, and its Shoup companion.
  uint64_t inverse_n, inverse_n_shoup;
} ck_ntt;

/// True where this processor transforms with CK_SCALAR, CK_AVX2 (with FMA) or CK_AVX512 (with IFMA).
bool ck_ntt_available(int isa);

/// In place, n >= 16 a power of two; operands and results are reduced.
void ck_ntt_forward(int isa, const ck_ntt *table, uint64_t *x);
void ck_ntt_inverse(int isa, const ck_ntt *table, uint64_t *x);

/// Largest number of products one accumulator takes before it is folded.
#define CK_NTT_PRODUCTS 4096
/// Pairs of operands one call takes.
#define CK_NTT_PAIRS 8

/// For p = 0, 1 and each i: accumulator p (+)= sum_j x_p[j][i] * w[j][i] for `count` <= CK_NTT_PAIRS; operands reduced.
/// Accumulator p is two rows of n words, low at accumulators + 2 p n and high after it; what it stands for is
/// low + 2^52 high mod q (how it is split depends on the instruction set). x1 may be null.
void ck_ntt_accumulate(int isa, uint64_t q, size_t n, size_t count, const uint64_t *const *x0, const uint64_t *const *x1,
                       const uint64_t *const *w, uint64_t *accumulators);

// Polynomials in X^B, B = n / m: in the transform domain they are constant over blocks of B words, and a transform of
// degree m finds the constants.

/// Polynomials that are transformed side by side, and outputs of a row of weights.
#define CK_NTT_LANES 8

/// Transforms of CK_NTT_LANES polynomials of degree m in X^(n / m), 1 <= m <= n a power of two: coefficient i of polynomial
/// j stands at x[CK_NTT_LANES i + j] and is overwritten; its constant of block b goes to out[b * stride + j]. Operands and
/// results are reduced.
void ck_ntt_short(int isa, const ck_ntt *table, size_t m, uint64_t *x, uint64_t *out, size_t stride);

/// A tile of `count` words (a multiple of CK_NTT_LANES) of a pair of transforms, multiplied by a twist where there is one: words
/// 8 i ... of component c go to out[16 row i + 8 c ...] as x_c twist / 2^52 mod q. `q_inverse` is q^-1 mod 2^52; all reduced.
/// Tiles of several terms stand side by side, each 16 words after the last; an odd `row` >= their number keeps them apart in caches.
void ck_ntt_gather(int isa, uint64_t q, uint64_t q_inverse, const uint64_t *x0, const uint64_t *x1,
                   const uint64_t *twist, size_t count, size_t row, uint64_t *out);

/// For o < outputs <= CK_NTT_LANES, p = 0, 1 and each i < count: accumulator p of o (+)= sum_k x_p,k[i] w[(i / block) row + k][o],
/// with `terms` tiles as ck_ntt_gather writes them, rows of CK_NTT_LANES weights, and accumulators as in
/// ck_ntt_accumulate, from the tile's first word on. `block` is a multiple of CK_NTT_LANES; terms q^2 < 2^104.
void ck_ntt_block_accumulate(int isa, uint64_t q, size_t n, size_t block, size_t count, size_t terms, size_t row,
                             const uint64_t *x, const uint64_t *w, size_t outputs, uint64_t *const *accumulators);

/// out[i] = low[i] + 2^52 high[i] mod q, reduced; high[i] < 2^61.
void ck_ntt_fold(int isa, uint64_t q, size_t n, const uint64_t *accumulator, uint64_t *out);

/// out = a + b, a - b mod q.
void ck_residue_add(uint64_t q, size_t n, const uint64_t *a, const uint64_t *b, uint64_t *out);
void ck_residue_subtract(uint64_t q, size_t n, const uint64_t *a, const uint64_t *b, uint64_t *out);
/// Any signed 64-bit integers as residues.
void ck_residue_signed64(uint64_t q, size_t n, const int64_t *values, uint64_t *out);
/// Signed integers, |value| < q, as residues.
void ck_residue_signed(int isa, uint64_t q, size_t n, const int32_t *values, uint64_t *out);

/// Negacyclic transform over F_p, p = 2^64 - 2^32 + 1, same order; `root` has n entries as in ck_ntt.
void ck_field_ntt_forward(const uint64_t *root, size_t n, uint64_t *x);
void ck_field_ntt_inverse(const uint64_t *inverse_root, uint64_t inverse_n, size_t n, uint64_t *x);

// ---- Sampling --------------------------------------------------------------------------------------------------

/// Centred binomial, 21 pairs of bits (variance 10.5), from 8 uniform bytes each.
void ck_sample_binomial(const uint64_t *random, size_t n, int32_t *out);
/// Uniform in {-1, 0, 1} up to 2^-63, from 8 uniform bytes each.
void ck_sample_ternary(const uint64_t *random, size_t n, int32_t *out);
/// Uniform residues by rejection, from the low bits of `n` public words in turn, until `wanted` are made; how many were.
size_t ck_sample_residues(uint64_t q, const uint64_t *random, size_t n, uint64_t *out, size_t wanted);

// ---- Residue number system ---------------------------------------------------------------------------------------

#define CK_RNS_PRIMES 4

/// Constants of Q = q_0 q_1 ... of up to CK_RNS_PRIMES primes.
typedef struct {
  size_t primes;
  uint64_t q[CK_RNS_PRIMES];
  /// (Q / q_i)^-1 mod q_i, and its Shoup companion.
  uint64_t inverse[CK_RNS_PRIMES], inverse_shoup[CK_RNS_PRIMES];
  /// floor(2^128 / q_i).
  uint64_t reciprocal_low[CK_RNS_PRIMES], reciprocal_high[CK_RNS_PRIMES];
} ck_rns;

/// fractions[i] = 2^128 c / Q mod 2^128 (low, high), below the exact value by less than primes * 2^50. Residues of prime
/// j stand at residues + j * stride.
void ck_rns_fractions(const ck_rns *rns, const uint64_t *residues, size_t stride, size_t n, uint64_t *fractions);

/// Adds 128-bit numbers, two words each.
void ck_add_wide(const uint64_t *a, const uint64_t *b, size_t n, uint64_t *out);

/// Splits t f / 2^128, t = p or 2^64: integer part, and the first 64 bits of the rest.
void ck_split_fractions(int modulus, const uint64_t *fractions, size_t n, uint64_t *integers, uint64_t *rests);

/// Residues of round(Q m / t) for words m < t. `q_mod_t` is Q mod t; `scale` is t^-1 mod q, `half` (t / 2) t^-1 mod q.
void ck_embed(int modulus, uint64_t q_mod_t, uint64_t q, uint64_t scale, uint64_t scale_shoup, uint64_t half,
              const uint64_t *words, size_t n, uint64_t *out);

/// round(f / 2^(128 - bits)) mod 2^bits of each fraction, packed.
void ck_pack_fractions(const uint64_t *fractions, size_t n, unsigned bits, uint8_t *out);
/// Writes n integers (low, high) of `bits` <= 128 bits one after the other from bit 0 of `out`, which has room for
/// ceil(n * bits / 8) bytes, and back. Bits that fill up the last byte are zero.
void ck_pack_wide(const uint64_t *values, size_t n, unsigned bits, uint8_t *out);
void ck_unpack_wide(const uint8_t *bytes, size_t n, unsigned bits, uint64_t *values);
/// The same for words of at most 64 bits.
void ck_pack_words(const uint64_t *values, size_t n, unsigned bits, uint8_t *out);
void ck_unpack_words(const uint8_t *bytes, size_t n, unsigned bits, uint64_t *values);

/// 128-bit integers (low, high) mod q, reduced.
void ck_wide_residues(uint64_t q, const uint64_t *values, size_t n, uint64_t *out);

/// Words of F_p, taken in (-p/2, p/2], mod q.
void ck_field_residues(uint64_t q, const uint64_t *words, size_t n, uint64_t *out);

/// The integer x in [-offset, q0 q1 - offset) with the given residues mod q0 and q1, plus offset, as (low, high).
void ck_pair_to_wide(uint64_t q0, uint64_t q1, uint64_t q0_inverse, uint64_t q0_inverse_shoup, uint64_t offset,
                     const uint64_t *r0, const uint64_t *r1, size_t n, uint64_t *out);

/// fractions = 2^(128 - bits) x mod 2^128, for the integer x in (-q0 q1 / 2, q0 q1 / 2) with the given residues.
void ck_pair_to_fractions(uint64_t q0, uint64_t q1, uint64_t q0_inverse, uint64_t q0_inverse_shoup, unsigned bits,
                          const uint64_t *r0, const uint64_t *r1, size_t n, uint64_t *fractions);

#endif
