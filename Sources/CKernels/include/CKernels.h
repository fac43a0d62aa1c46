// Integer kernels of PolyMPCNet. Plain C: every function is a pure function of its arguments, touches no global
// state, allocates nothing, and takes no branch and no address from a secret word.
#ifndef POLYMPC_CKERNELS_H
#define POLYMPC_CKERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Instruction set of a linear kernel. All of them give the same words.
typedef enum {
  CK_SCALAR = 0,
  CK_AVX2 = 1,
  CK_AVX512 = 2,
} ck_isa;

/// Modulus of a word: the prime 2^64 - 2^32 + 1, or 2^64.
typedef enum {
  CK_FIELD = 0,
  CK_WORD = 1,
} ck_modulus;

/// The same word, of which the compiler knows nothing. Without it a mask made of a secret bit becomes a branch on the bit, or a
/// choice between two loads an address (Scripts/constant-time finds them).
static inline uint64_t ck_opaque(uint64_t x) {
  __asm__("" : "+r"(x));
  return x;
}

/// True where this processor runs the kernels of `isa`.
bool ck_isa_available(ck_isa isa);

// ---- Convolution -----------------------------------------------------------------------------------------------

/// A word with both halves at zero after the shift that makes them signed: the encoding of zero in planes.
#define CK_HALF_OFFSET 0x8000000080000000ull

/// Words that kernels may read beyond the last plane.
#define CK_OVERREAD 32

/// Positions are rounded up to a multiple of this in accumulator rows.
#define CK_POSITION_UNIT 16

/// One group of a convolution, or a band of its output rows.
typedef struct {
  uint32_t channels;
  uint32_t in_height, in_width;
  uint32_t out_width;
  uint32_t kernel_height, kernel_width;
  uint32_t stride_height, stride_width;
  uint32_t pad_top, pad_left;
  /// First output row of the band, and number of rows for which the planes have room.
  uint32_t row_begin, row_count;
  /// Words from one plane to the next.
  uint32_t plane_stride;
  /// What is xored to every word: CK_HALF_OFFSET, or 0 for ck_convolve_words.
  uint64_t offset;
} ck_band;

/// Planes for one channel: one for each (row phase, kernel column) pair.
size_t ck_band_planes_per_channel(const ck_band *band);
/// Rows of one plane.
size_t ck_band_plane_rows(const ck_band *band);

/// Copies `channels` CHW planes of `input` so that each tap of an output band reads contiguous words:
/// plane (phase, column)[row][x] = input[(row_begin + row) * stride + phase - pad_top][x * stride + column - pad_left],
/// each xor `offset`, zero outside the image.
void ck_band_fill(const ck_band *band, const uint64_t *input, uint64_t *planes);

/// Offset into the planes of each tap (channel, kernel row, kernel column), `channels * kernel area` of them.
void ck_band_offsets(const ck_band *band, uint32_t *offsets);

/// For each of `width` (1, 2 or 4) output channels o and each position q:
/// low[o][q] = sum_t signed32(low half of planes[offsets[t] + q]) * weights[t * width + o], `high` likewise.
/// Accumulators: row 2 o is `low`, row 2 o + 1 `high`, `accumulator_stride` (multiple of CK_POSITION_UNIT) words each.
void ck_convolve(ck_isa isa, unsigned width, const uint64_t *planes, const uint32_t *offsets, const int32_t *weights,
                 size_t taps, size_t positions, int64_t *accumulators, size_t accumulator_stride);

/// As ck_convolve for one position, lanes over the inputs: x holds words that are *not* yet offset, and row o of the
/// weights starts at weights + o * weight_stride. sums[2 o], sums[2 o + 1] are the low and the high sum.
void ck_dot(ck_isa isa, unsigned width, const uint64_t *x, const int32_t *weights, size_t weight_stride, size_t count,
            int64_t *sums);

/// output[q] (+)= 2^shift * (low[q] + 2^32 high[q] + correction) mod M, shift in 0..63, |low|, |high| <= 2^62;
/// `accumulate` adds to output.
void ck_finish(ck_modulus modulus, const int64_t *low, const int64_t *high, size_t count, uint64_t correction,
               unsigned shift, bool accumulate, uint64_t *output);

/// Bits of a limb of a full-word weight.
#define CK_LIMB_BITS 22

/// Splits `channels` <= `width` rows of `count` full words (row o at weights + o * weight_stride) into three signed
/// limbs of CK_LIMB_BITS bits (zeros from `channels` to `width`), w = l0 + 2^22 l1 + 2^44 l2, |l| <= 2^21 (mod 2^64 the top may wrap, which changes nothing;
/// field words must be reduced). limbs[(l * count + t) * width + o] if `interleaved`, else
/// limbs[(l * width + o) * count + t]; sums[l * width + o] is the sum over t.
void ck_split_limbs(const uint64_t *weights, size_t weight_stride, unsigned channels, unsigned width, size_t count,
                    bool interleaved, int32_t *limbs, int64_t *sums);

/// For each of `width` (1, 2 or 4) output channels o and each position q, modulo 2^64:
/// sums[o * stride + q] = sum_t planes[offsets[t] + q] * weights[t * width + o]. Planes hold words as they are; `stride` is a
/// multiple of CK_POSITION_UNIT.
void ck_convolve_words(ck_isa isa, unsigned width, const uint64_t *planes, const uint32_t *offsets,
                       const uint64_t *weights, size_t taps, size_t positions, uint64_t *sums, size_t stride);

/// As ck_convolve_words for one position, lanes over the inputs: row o of the weights starts at weights + o * weight_stride.
void ck_dot_words(ck_isa isa, unsigned width, const uint64_t *x, const uint64_t *weights, size_t weight_stride,
                  size_t count, uint64_t *sums);

/// out[t * width + o] = row o of `channels` <= `width` rows of `count` words, zeros from `channels` to `width`.
void ck_interleave(const uint64_t *weights, size_t weight_stride, unsigned channels, unsigned width, size_t count,
                   uint64_t *out);

// ---- Polynomial activation over F_p (DESIGN: X2act) ------------------------------------------------------------
// Bit i of a call is bit (offset + i) of its buffer, least significant bit of each byte first.

void ck_x2_open(const uint64_t *z0, const uint64_t *alpha, const uint64_t *u, uint64_t k, uint64_t constant,
                const uint8_t *rho, size_t rho_offset, size_t count, uint64_t *d, uint64_t *y0, uint8_t *delta,
                size_t delta_offset);

void ck_x2_answer(const uint64_t *d, const uint64_t *c, const uint64_t *vc, const uint8_t *delta, size_t delta_offset,
                  const uint64_t *pad0, const uint64_t *pad1, unsigned shift, ck_modulus output, size_t count,
                  uint64_t *messages);

void ck_x2_close(const uint64_t *y0, const uint64_t *messages, const uint64_t *pad_rho, unsigned shift,
                 uint64_t offset_shifted, ck_modulus output, size_t count, uint64_t *x);

/// y1 = d * c + vc.
void ck_x2_data_share(const uint64_t *d, const uint64_t *c, const uint64_t *vc, size_t count, uint64_t *y1);

void ck_x2_local_data(const uint64_t *y1, const uint64_t *mask, unsigned shift, ck_modulus output, size_t count,
                      uint64_t *x);

void ck_x2_local_model(const uint64_t *y0, const uint64_t *received, unsigned shift, ck_modulus output, size_t count,
                       uint64_t *x);

/// out[i] = a[i] + b[i] * c[i] mod p.
void ck_field_multiply_add(const uint64_t *a, const uint64_t *b, const uint64_t *c, size_t count, uint64_t *out);

/// out[i] = a[i] - b[i] mod M; out[i] = a[i] + b[i] mod M.
void ck_subtract(ck_modulus modulus, const uint64_t *a, const uint64_t *b, size_t count, uint64_t *out);
void ck_add(ck_modulus modulus, const uint64_t *a, const uint64_t *b, size_t count, uint64_t *out);

/// Overwrites memory in a way that the compiler may not remove.
void ck_zeroize(void *memory, size_t bytes);

/// Keeps this thread and those it starts on one core; false where the system refuses. For benchmarks.
bool ck_pin_to_core(int core);
/// Gives freed memory back to the system, so that peaks of resident memory can be told apart. For benchmarks.
void ck_release_memory(void);
/// Has the C library keep up to 256 MiB of freed memory, buffers of up to 32 MiB among it, for what is allocated next:
/// polynomials and layers come and go in these sizes, and each would otherwise be mapped and cleared anew.
void ck_keep_memory(void);

#include "CKernelsComparison.h"
#include "CKernelsFloat.h"
#include "CKernelsLattice.h"
#include "CKernelsOT.h"

#endif
