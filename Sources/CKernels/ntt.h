// Vector kernels behind the dispatch of ntt.c.
#ifndef POLYMPC_CKERNELS_NTT_H
#define POLYMPC_CKERNELS_NTT_H

#include "include/CKernels.h"

#if defined(__x86_64__)
void ntt_forward_avx2(const ck_ntt *table, uint64_t *x);
void ntt_inverse_avx2(const ck_ntt *table, uint64_t *x);
void ntt_accumulate_avx2(uint64_t q, size_t n, size_t count, const uint64_t *const *x, const uint64_t *const *w,
                         uint64_t *accumulator);

void ntt_forward_avx512(const ck_ntt *table, uint64_t *x);
void ntt_inverse_avx512(const ck_ntt *table, uint64_t *x);
void ntt_fold_avx512(uint64_t q, size_t n, const uint64_t *accumulator, uint64_t *out);
void residue_signed_avx512(uint64_t q, size_t n, const int32_t *values, uint64_t *out);
void ntt_accumulate_avx512(size_t n, size_t count, const uint64_t *const *x0, const uint64_t *const *x1,
                           const uint64_t *const *w, uint64_t *accumulators);
#endif

#endif
