// Weighted sums over taps of one plane in float32 (depthwise convolution), by instruction set.
#include "include/CKernelsFloat.h"

#define VL 16
#define BLOCK 8
#define NAME(part) taps_512_##part
#define TARGET __attribute__((target("avx512f,avx512vl,fma")))
#include "taps_body.h"

#define VL 8
#define BLOCK 8
#define NAME(part) taps_256_##part
#define TARGET __attribute__((target("avx2,fma")))
#include "taps_body.h"

// The scalar twin: the same sums, spelled out.
static void taps_scalar_forward(const float *plane, const ptrdiff_t *offsets, unsigned taps, const float *weights,
                                size_t span, float *out) {
  for (size_t p = 0; p < span; p++) {
    float sum = 0;
    for (unsigned t = 0; t < taps; t++) sum += weights[t] * plane[offsets[t] + (ptrdiff_t)p];
    out[p] = sum;
  }
}

static void taps_scalar_weights(const float *plane, const ptrdiff_t *offsets, unsigned taps, const float *gradients,
                                size_t span, float *out) {
  for (unsigned t = 0; t < taps; t++) {
    float sum = 0;
    for (size_t p = 0; p < span; p++) sum += gradients[p] * plane[offsets[t] + (ptrdiff_t)p];
    out[t] += sum;
  }
}

void ck_taps_forward(ck_isa isa, const float *plane, const ptrdiff_t *offsets, unsigned taps, const float *weights,
                     size_t span, float *out) {
  switch (isa) {
    case CK_AVX512:
      return taps_512_forward(plane, offsets, taps, weights, span, out);
    case CK_AVX2:
      return taps_256_forward(plane, offsets, taps, weights, span, out);
    default:
      return taps_scalar_forward(plane, offsets, taps, weights, span, out);
  }
}

void ck_taps_weights(ck_isa isa, const float *plane, const ptrdiff_t *offsets, unsigned taps, const float *gradients,
                     size_t span, float *out) {
  switch (isa) {
    case CK_AVX512:
      return taps_512_weights(plane, offsets, taps, gradients, span, out);
    case CK_AVX2:
      return taps_256_weights(plane, offsets, taps, gradients, span, out);
    default:
      return taps_scalar_weights(plane, offsets, taps, gradients, span, out);
  }
}
