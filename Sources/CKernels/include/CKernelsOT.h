// Kernels of oblivious transfer, included by CKernels.h. A block is 16 bytes, handled as two words (low, high) or as
// bytes; AES-128 reads its bytes in order (FIPS 197).
#ifndef POLYMPC_CKERNELS_OT_H
#define POLYMPC_CKERNELS_OT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// How AES is computed. All of them give the same bytes.
typedef enum {
  /// Bit slices in portable C: no table, no branch on data.
  CK_AES_PORTABLE = 0,
  /// AES-NI, one block an instruction.
  CK_AES_128 = 1,
  /// VAES, two blocks.
  CK_AES_256 = 2,
  /// VAES with AVX-512, four blocks.
  CK_AES_512 = 3,
} ck_aes;

/// True where this processor runs that variant.
bool ck_aes_available(ck_aes isa);

/// Bytes of the round keys of one key.
#define CK_ROUND_KEY_BYTES 176

/// Round keys of `count` keys of 16 bytes, one after the other.
void ck_aes_expand(ck_aes isa, const uint8_t *keys, size_t count, uint8_t *round_keys);

/// `blocks` blocks under one key; `out` may be `in`.
void ck_aes_encrypt(ck_aes isa, const uint8_t *round_keys, const uint8_t *in, size_t blocks, uint8_t *out);

/// out[(v * stride + i)] = H_(first + i)(blocks[i] ^ offsets[v]) for i < count, v < variants, in blocks, where
/// H_j(x) = E_(salt ^ j)(s(x)) ^ s(x), s(high, low) = (high ^ low, high). Guo, Katz, Wang, Weng, Yu (CRYPTO 2020).
void ck_transfer_hash(ck_aes isa, const uint64_t *salt, uint64_t first, size_t count, const uint64_t *blocks,
                      const uint64_t *offsets, size_t variants, uint64_t *out, size_t stride);

/// out[i] = sum_l blocks[m i + l] X^l in GF(2^128), X^128 = X^7 + X^2 + X + 1, m <= 8.
void ck_transfer_combine(const uint64_t *blocks, size_t count, unsigned m, uint64_t *out);

/// Bit i of `out` = bit `bit` (below 64) of block stride i, i < count; surplus bits of the last byte are zero.
void ck_transfer_pack(ck_aes isa, const uint64_t *blocks, size_t stride, size_t count, unsigned bit, uint8_t *out);

// ---- SoftSpoken ------------------------------------------------------------------------------------------------

/// Correlated transfers of one tile, and bytes of one of its rows of bits.
#define CK_TILE 2048
#define CK_TILE_BYTES 256

/// Streams G_x of 2^k leaves (k is 1, 2, 4 or 8), given by round keys, blocks `counter` to `counter + 15`:
/// sum = xor of all; row b of `planes` = xor of those with bit b of x set.
void ck_softspoken_planes(ck_aes isa, const uint8_t *round_keys, unsigned k, uint64_t counter, uint8_t *sum,
                          uint8_t *planes);

/// Bit r of block j of `out` = bit j of row r, for 128 rows of CK_TILE bits.
void ck_transpose_tile(ck_aes isa, const uint8_t *rows, uint8_t *out);

// ---- Silent extension ------------------------------------------------------------------------------------------

/// Expands in place the correlated tree of Guo et al. (EUROCRYPT 2023) from leaves[0] ^ leaves[1] = offset to
/// 2^depth leaves; child b of node j of 2^l is j + b 2^l. sums[l - 1] = xor of the left nodes of level l + 1, for
/// l = 1 ..< depth. The lowest bit of each leaf is cleared.
void ck_tree_expand(ck_aes isa, const uint8_t *round_keys, unsigned depth, uint64_t *leaves, uint64_t *sums);

/// The same tree without the leaf at `position` (secret): known[l] is, for each level l + 1, the xor of the nodes on the
/// side that `position` does not take there. The leaf at `position` becomes the xor of all others. The lowest bit of a
/// leaf is set at `position` and cleared elsewhere.
void ck_tree_puncture(ck_aes isa, const uint8_t *round_keys, unsigned depth, const uint64_t *known, uint64_t position,
                      uint64_t *leaves);

/// Rows of the local linear code: indices of a row.
#define CK_CODE_WEIGHT 10

/// out[i] ^= xor of ten of the 2^log_k blocks of `secret`, those that words 10 r to 10 r + 9 (32 bits, mod 2^log_k) of the
/// AES-CTR stream name, r = first_row + i. first_row and rows are multiples of 16.
void ck_code_encode(ck_aes isa, const uint8_t *round_keys, uint64_t first_row, size_t rows, const uint64_t *secret,
                    unsigned log_k, uint64_t *out);

#endif
