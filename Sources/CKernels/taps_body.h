// Sums over taps of one plane for one vector width; included once an instruction set with VL (floats in a vector), BLOCK
// (vectors held at once), NAME and TARGET.

typedef float NAME(vector) __attribute__((vector_size(4 * VL), aligned(4)));

#define INLINE static inline __attribute__((always_inline)) TARGET
#define UNROLL _Pragma("clang loop unroll(full)")

INLINE NAME(vector) NAME(load)(const float *p) { return *(const NAME(vector) *)p; }

INLINE void NAME(block)(const int count, const float *plane, const ptrdiff_t *offsets, unsigned taps, const float *weights,
                        float *out) {
  NAME(vector) sums[BLOCK];
  UNROLL for (int b = 0; b < count; b++) sums[b] = (NAME(vector)){0};
  for (unsigned t = 0; t < taps; t++) {
    const float *x = plane + offsets[t];
    UNROLL for (int b = 0; b < count; b++) sums[b] += weights[t] * NAME(load)(x + b * VL);
  }
  UNROLL for (int b = 0; b < count; b++) *(NAME(vector) *)(out + b * VL) = sums[b];
}

TARGET static void NAME(forward)(const float *plane, const ptrdiff_t *offsets, unsigned taps, const float *weights,
                                 size_t span, float *out) {
  size_t left = (span + VL - 1) / VL;
  for (; left >= BLOCK; left -= BLOCK, plane += BLOCK * VL, out += BLOCK * VL)
    NAME(block)(BLOCK, plane, offsets, taps, weights, out);
  for (; left > 0; left--, plane += VL, out += VL) NAME(block)(1, plane, offsets, taps, weights, out);
}

INLINE void NAME(sums)(const int count, const float *plane, const ptrdiff_t *offsets, const float *gradients, size_t span,
                       float *out) {
  NAME(vector) sums[9];
  UNROLL for (int t = 0; t < count; t++) sums[t] = (NAME(vector)){0};
  for (size_t p = 0; p < span; p += VL) {
    const NAME(vector) g = NAME(load)(gradients + p);
    UNROLL for (int t = 0; t < count; t++) sums[t] += g * NAME(load)(plane + offsets[t] + p);
  }
  UNROLL for (int t = 0; t < count; t++) {
    float sum = 0;
    UNROLL for (int l = 0; l < VL; l++) sum += sums[t][l];
    out[t] += sum;
  }
}

TARGET static void NAME(weights)(const float *plane, const ptrdiff_t *offsets, unsigned taps, const float *gradients,
                                 size_t span, float *out) {
  unsigned t = 0;
  for (; t + 9 <= taps; t += 9) NAME(sums)(9, plane, offsets + t, gradients, span, out + t);
  for (; t + 3 <= taps; t += 3) NAME(sums)(3, plane, offsets + t, gradients, span, out + t);
  for (; t < taps; t++) NAME(sums)(1, plane, offsets + t, gradients, span, out + t);
}

#undef INLINE
#undef UNROLL
#undef VL
#undef BLOCK
#undef NAME
#undef TARGET
