// Convolution 3x3 over planes for one vector width; included once an instruction set with VL (floats in a vector), BLOCK
// (vectors held at once), PAIR (input channels held at once for weights), NAME and TARGET.

typedef float NAME(vector) __attribute__((vector_size(4 * VL), aligned(4)));

#define INLINE static inline __attribute__((always_inline)) TARGET
#define UNROLL _Pragma("clang loop unroll(full)")

INLINE NAME(vector) NAME(load)(const float *p) { return *(const NAME(vector) *)p; }

INLINE void NAME(block)(const int count, const float *planes, size_t plane_stride, unsigned channels, size_t pitch,
                        const float *weights, float *out, size_t out_stride) {
  NAME(vector) sums[4][BLOCK];
  UNROLL for (int o = 0; o < 4; o++) UNROLL for (int b = 0; b < count; b++) sums[o][b] = (NAME(vector)){0};
  for (unsigned c = 0; c < channels; c++, planes += plane_stride) {
    for (int i = 0; i < 3; i++) {
      UNROLL for (int j = 0; j < 3; j++, weights += 4) {
        const float *p = planes + (size_t)i * pitch + j;
        NAME(vector) x[BLOCK];
        UNROLL for (int b = 0; b < count; b++) x[b] = NAME(load)(p + b * VL);
        UNROLL for (int o = 0; o < 4; o++) {
          UNROLL for (int b = 0; b < count; b++) sums[o][b] += weights[o] * x[b];
        }
      }
    }
  }
  UNROLL for (int o = 0; o < 4; o++) {
    UNROLL for (int b = 0; b < count; b++) *(NAME(vector) *)(out + o * out_stride + b * VL) = sums[o][b];
  }
}

TARGET static void NAME(forward)(const float *planes, size_t plane_stride, unsigned channels, size_t pitch, size_t span,
                                 const float *weights, float *out, size_t out_stride) {
  size_t left = (span + VL - 1) / VL;
#define CASE(count)                                                                                      \
  case count:                                                                                            \
    NAME(block)(count, planes, plane_stride, channels, pitch, weights, out, out_stride);                 \
    break;
  while (left > 0) {
    const size_t step = left < BLOCK ? left : BLOCK;
    switch (step) {
      CASE(1)
      CASE(2)
      CASE(3)
#if BLOCK > 3
      CASE(4)
      CASE(5)
      CASE(6)
#endif
    }
    planes += step * VL;
    out += step * VL;
    left -= step;
  }
#undef CASE
}

INLINE float NAME(total)(NAME(vector) v) {
  float sum = 0;
  UNROLL for (int l = 0; l < VL; l++) sum += v[l];
  return sum;
}

INLINE void NAME(taps)(const int pair, const float *planes, size_t plane_stride, const float *gradients,
                       size_t gradient_stride, size_t sample_stride, unsigned samples, size_t span, float *out,
                       size_t out_stride) {
  NAME(vector) sums[4][PAIR][3];
  UNROLL for (int o = 0; o < 4; o++) UNROLL for (int c = 0; c < pair; c++) UNROLL for (int j = 0; j < 3; j++)
      sums[o][c][j] = (NAME(vector)){0};
  for (unsigned s = 0; s < samples; s++) {
    const float *x = planes + s * sample_stride;
    const float *g = gradients + s * sample_stride;
    for (size_t p = 0; p < span; p += VL) {
      NAME(vector) taps[PAIR][3];
      UNROLL for (int c = 0; c < pair; c++) UNROLL for (int j = 0; j < 3; j++) taps[c][j] =
          NAME(load)(x + c * plane_stride + p + j);
      UNROLL for (int o = 0; o < 4; o++) {
        const NAME(vector) gradient = NAME(load)(g + o * gradient_stride + p);
        UNROLL for (int c = 0; c < pair; c++) UNROLL for (int j = 0; j < 3; j++) sums[o][c][j] += gradient * taps[c][j];
      }
    }
  }
  UNROLL for (int o = 0; o < 4; o++) UNROLL for (int c = 0; c < pair; c++) UNROLL for (int j = 0; j < 3; j++)
      out[o * out_stride + c * 9 + j] += NAME(total)(sums[o][c][j]);
}

TARGET static void NAME(weights)(const float *planes, size_t plane_stride, unsigned channels, const float *gradients,
                                 size_t gradient_stride, unsigned outputs, size_t sample_stride, unsigned samples,
                                 size_t pitch, size_t span, float *out) {
  const size_t out_stride = (size_t)channels * 9;
  for (unsigned o = 0; o < outputs; o += 4) {
    const float *g = gradients + o * gradient_stride;
    for (unsigned c = 0; c < channels; c += PAIR) {
      for (int i = 0; i < 3; i++) {
        const float *x = planes + c * plane_stride + (size_t)i * pitch;
        float *target = out + o * out_stride + c * 9 + 3 * i;
        if (PAIR == 2 && c + 1 < channels)
          NAME(taps)(PAIR, x, plane_stride, g, gradient_stride, sample_stride, samples, span, target, out_stride);
        else
          NAME(taps)(1, x, plane_stride, g, gradient_stride, sample_stride, samples, span, target, out_stride);
      }
    }
  }
}

#undef INLINE
#undef UNROLL
#undef VL
#undef BLOCK
#undef PAIR
#undef NAME
#undef TARGET
