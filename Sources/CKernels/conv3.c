// Convolution 3x3 of stride 1 in float32, by instruction set.
#include "include/CKernelsFloat.h"

#define VL 16
#define BLOCK 6
#define PAIR 2
#define NAME(part) conv3_512_##part
#define TARGET __attribute__((target("avx512f,avx512vl,fma")))
#include "conv3_body.h"

#define VL 8
#define BLOCK 3
#define PAIR 1
#define NAME(part) conv3_256_##part
#define TARGET __attribute__((target("avx2,fma")))
#include "conv3_body.h"

bool ck_float_isa_available(ck_isa isa) {
  switch (isa) {
    case CK_SCALAR:
      return true;
    case CK_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case CK_AVX512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
    default:
      return false;
  }
}

// The scalar twin: the same sums, spelled out.
static void conv3_scalar_forward(const float *planes, size_t plane_stride, unsigned channels, size_t pitch, size_t span,
                                 const float *weights, float *out, size_t out_stride) {
  for (int o = 0; o < 4; o++) {
    for (size_t p = 0; p < span; p++) {
      float sum = 0;
      for (unsigned c = 0; c < channels; c++) {
        for (int tap = 0; tap < 9; tap++) {
          sum += weights[(c * 9 + tap) * 4 + o] * planes[c * plane_stride + p + (size_t)(tap / 3) * pitch + tap % 3];
        }
      }
      out[o * out_stride + p] = sum;
    }
  }
}

static void conv3_scalar_weights(const float *planes, size_t plane_stride, unsigned channels, const float *gradients,
                                 size_t gradient_stride, unsigned outputs, size_t sample_stride, unsigned samples,
                                 size_t pitch, size_t span, float *out) {
  for (unsigned o = 0; o < outputs; o++) {
    for (unsigned c = 0; c < channels; c++) {
      for (int tap = 0; tap < 9; tap++) {
        float sum = 0;
        for (unsigned s = 0; s < samples; s++) {
          const float *g = gradients + o * gradient_stride + s * sample_stride;
          const float *x = planes + c * plane_stride + s * sample_stride + (size_t)(tap / 3) * pitch + tap % 3;
          for (size_t p = 0; p < span; p++) sum += g[p] * x[p];
        }
        out[((size_t)o * channels + c) * 9 + tap] += sum;
      }
    }
  }
}

void ck_conv3_forward(ck_isa isa, const float *planes, size_t plane_stride, unsigned channels, size_t pitch, size_t span,
                      const float *weights, float *out, size_t out_stride) {
  switch (isa) {
    case CK_AVX512:
      return conv3_512_forward(planes, plane_stride, channels, pitch, span, weights, out, out_stride);
    case CK_AVX2:
      return conv3_256_forward(planes, plane_stride, channels, pitch, span, weights, out, out_stride);
    default:
      return conv3_scalar_forward(planes, plane_stride, channels, pitch, span, weights, out, out_stride);
  }
}

void ck_conv3_weights(ck_isa isa, const float *planes, size_t plane_stride, unsigned channels, const float *gradients,
                      size_t gradient_stride, unsigned outputs, size_t sample_stride, unsigned samples, size_t pitch,
                      size_t span, float *out) {
  switch (isa) {
    case CK_AVX512:
      return conv3_512_weights(planes, plane_stride, channels, gradients, gradient_stride, outputs, sample_stride,
                               samples, pitch, span, out);
    case CK_AVX2:
      return conv3_256_weights(planes, plane_stride, channels, gradients, gradient_stride, outputs, sample_stride,
                               samples, pitch, span, out);
    default:
      return conv3_scalar_weights(planes, plane_stride, channels, gradients, gradient_stride, outputs, sample_stride,
                                  samples, pitch, span, out);
  }
}
