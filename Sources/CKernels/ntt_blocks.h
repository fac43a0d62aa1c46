// Vector kernels behind the dispatch of ntt_blocks.c.
#ifndef POLYMPC_CKERNELS_NTT_BLOCKS_H
#define POLYMPC_CKERNELS_NTT_BLOCKS_H

#include "include/CKernels.h"

#if defined(__x86_64__)
void ntt_short_avx512(const ck_ntt *table, size_t m, uint64_t *x, uint64_t *out, size_t stride);
void ntt_gather_avx512(uint64_t q, uint64_t q_inverse, const uint64_t *x0, const uint64_t *x1, const uint64_t *twist,
                       size_t count, size_t row, uint64_t *out);
void ntt_block_accumulate_avx512(uint64_t q, size_t n, size_t block, size_t count, size_t terms, size_t row, const uint64_t *x,
                                 const uint64_t *w, size_t outputs, uint64_t *const *accumulators);
void ntt_block_accumulate_avx2(uint64_t q, size_t n, size_t block, size_t count, size_t terms, size_t row, const uint64_t *x,
                               const uint64_t *w, size_t outputs, uint64_t *const *accumulators);
#endif

#endif
