// What each instruction set gives to the dispatch of transfer.c.
#ifndef POLYMPC_TRANSFER_H
#define POLYMPC_TRANSFER_H

#include "include/CKernels.h"

typedef struct {
  void (*expand)(const uint8_t *keys, size_t count, uint8_t *round_keys);
  void (*encrypt)(const uint8_t *round_keys, const uint8_t *in, size_t blocks, uint8_t *out);
  void (*hash)(const uint64_t *salt, uint64_t first, size_t count, const uint64_t *blocks, const uint64_t *offsets,
               size_t variants, uint64_t *out, size_t stride);
  void (*planes)(const uint8_t *round_keys, unsigned k, uint64_t counter, uint8_t *sum, uint8_t *planes);
  void (*tree)(const uint8_t *round_keys, unsigned depth, uint64_t *leaves, uint64_t *sums);
  void (*puncture)(const uint8_t *round_keys, unsigned depth, const uint64_t *known, uint64_t position,
                   uint64_t *leaves);
  void (*encode)(const uint8_t *round_keys, uint64_t first_row, size_t rows, const uint64_t *secret, unsigned log_k,
                 uint64_t *out);
} transfer_kernels;

extern const transfer_kernels transfer_portable;
#if defined(__x86_64__)
extern const transfer_kernels transfer_128, transfer_256, transfer_512;
#endif

#endif
