// Dispatch of the transfer kernels, and those without AES.
#include "transfer.h"

bool ck_aes_available(ck_aes isa) {
  switch (isa) {
    case CK_AES_PORTABLE: return true;
#if defined(__x86_64__)
    case CK_AES_128: return __builtin_cpu_supports("aes") && __builtin_cpu_supports("sse4.1");
    case CK_AES_256: return __builtin_cpu_supports("vaes") && __builtin_cpu_supports("avx2");
    case CK_AES_512:
      return __builtin_cpu_supports("vaes") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
    default: return false;
  }
}

static const transfer_kernels *kernels(ck_aes isa) {
  switch (isa) {
#if defined(__x86_64__)
    case CK_AES_128: return &transfer_128;
    case CK_AES_256: return &transfer_256;
    case CK_AES_512: return &transfer_512;
#endif
    default: return &transfer_portable;
  }
}

void ck_aes_expand(ck_aes isa, const uint8_t *keys, size_t count, uint8_t *round_keys) {
  kernels(isa)->expand(keys, count, round_keys);
}

void ck_aes_encrypt(ck_aes isa, const uint8_t *round_keys, const uint8_t *in, size_t blocks, uint8_t *out) {
  kernels(isa)->encrypt(round_keys, in, blocks, out);
}

void ck_transfer_hash(ck_aes isa, const uint64_t *salt, uint64_t first, size_t count, const uint64_t *blocks,
                      const uint64_t *offsets, size_t variants, uint64_t *out, size_t stride) {
  kernels(isa)->hash(salt, first, count, blocks, offsets, variants, out, stride);
}

void ck_transfer_combine(const uint64_t *blocks, size_t count, unsigned m, uint64_t *out) {
  for (size_t i = 0; i < count; i++) {
    const uint64_t *group = blocks + 2 * m * i;
    uint64_t low = 0, high = 0;
    for (unsigned l = m; l-- > 0;) {
      const uint64_t carry = ck_opaque(high >> 63);
      high = (high << 1 | low >> 63) ^ group[2 * l + 1];
      low = (low << 1 ^ (0x87 & (0 - carry))) ^ group[2 * l];
    }
    out[2 * i] = low;
    out[2 * i + 1] = high;
  }
}

void ck_softspoken_planes(ck_aes isa, const uint8_t *round_keys, unsigned k, uint64_t counter, uint8_t *sum,
                          uint8_t *planes) {
  kernels(isa)->planes(round_keys, k, counter, sum, planes);
}

void ck_tree_expand(ck_aes isa, const uint8_t *round_keys, unsigned depth, uint64_t *leaves, uint64_t *sums) {
  kernels(isa)->tree(round_keys, depth, leaves, sums);
}

void ck_tree_puncture(ck_aes isa, const uint8_t *round_keys, unsigned depth, const uint64_t *known, uint64_t position,
                      uint64_t *leaves) {
  kernels(isa)->puncture(round_keys, depth, known, position, leaves);
}

void ck_code_encode(ck_aes isa, const uint8_t *round_keys, uint64_t first_row, size_t rows, const uint64_t *secret,
                    unsigned log_k, uint64_t *out) {
  kernels(isa)->encode(round_keys, first_row, rows, secret, log_k, out);
}
