// From accumulators to words, from full words to limbs, and elementwise sums.
#include "include/CKernels.h"
#include "field.h"

#include <string.h>

// low + 2^32 high mod p for |low|, |high| <= 2^62. With high = 2^32 t + l, 0 <= l < 2^32, this is
// (low + (2^32 - 1) t) + 2^32 l: the first part fits a signed word, the second is a reduced word.
static inline uint64_t field_combine(int64_t low, int64_t high) {
  const int64_t signed_part = low + (high >> 32) * (int64_t)FIELD_E;
  const uint64_t embedded = (uint64_t)signed_part - (FIELD_E & (uint64_t)(signed_part >> 63));
  return field_add(embedded, (uint64_t)high << 32);
}

static inline uint64_t field_shift(uint64_t a, unsigned shift) {
  const unsigned __int128 product = (unsigned __int128)a << shift;
  return field_reduce((uint64_t)product, (uint64_t)(product >> 64));
}

static void finish_field(const int64_t *low, const int64_t *high, size_t count, uint64_t correction, unsigned shift,
                         bool accumulate, uint64_t *output) {
  if (shift == 0 && !accumulate) {
    for (size_t q = 0; q < count; q++) output[q] = field_add(field_combine(low[q], high[q]), correction);
    return;
  }
  for (size_t q = 0; q < count; q++) {
    const uint64_t value = field_shift(field_add(field_combine(low[q], high[q]), correction), shift);
    output[q] = field_add(accumulate ? output[q] : 0, value);
  }
}

static void finish_word(const int64_t *low, const int64_t *high, size_t count, uint64_t correction, unsigned shift,
                        bool accumulate, uint64_t *output) {
  if (accumulate) {
    for (size_t q = 0; q < count; q++)
      output[q] += ((uint64_t)low[q] + ((uint64_t)high[q] << 32) + correction) << shift;
  } else {
    for (size_t q = 0; q < count; q++)
      output[q] = ((uint64_t)low[q] + ((uint64_t)high[q] << 32) + correction) << shift;
  }
}

void ck_finish(ck_modulus modulus, const int64_t *low, const int64_t *high, size_t count, uint64_t correction,
               unsigned shift, bool accumulate, uint64_t *output) {
  if (modulus == CK_FIELD)
    finish_field(low, high, count, correction, shift, accumulate, output);
  else
    finish_word(low, high, count, correction, shift, accumulate, output);
}

// The low CK_LIMB_BITS bits as a signed number.
static inline int64_t low_limb(uint64_t w) {
  return (int64_t)(w << (64 - CK_LIMB_BITS)) >> (64 - CK_LIMB_BITS);
}

void ck_split_limbs(const uint64_t *weights, size_t weight_stride, unsigned channels, unsigned width, size_t count,
                    bool interleaved, int32_t *limbs, int64_t *sums) {
  const size_t step = interleaved ? width : 1;
  for (unsigned o = channels; o < width; o++) {
    int32_t *out = limbs + (interleaved ? o : o * count);
    for (unsigned l = 0; l < 3; l++) {
      for (size_t t = 0; t < count; t++) out[l * width * count + t * step] = 0;
      sums[l * width + o] = 0;
    }
  }
  for (unsigned o = 0; o < channels; o++) {
    const uint64_t *row = weights + o * weight_stride;
    int32_t *out = limbs + (interleaved ? o : o * count);
    int64_t s0 = 0, s1 = 0, s2 = 0;
    for (size_t t = 0; t < count; t++) {
      const int64_t l0 = low_limb(row[t]);
      const uint64_t r1 = (row[t] - (uint64_t)l0) >> CK_LIMB_BITS;
      const int64_t l1 = low_limb(r1);
      const int64_t l2 = (int64_t)((r1 - (uint64_t)l1) >> CK_LIMB_BITS);
      out[t * step] = (int32_t)l0;
      out[width * count + t * step] = (int32_t)l1;
      out[2 * width * count + t * step] = (int32_t)l2;
      s0 += l0;
      s1 += l1;
      s2 += l2;
    }
    sums[o] = s0;
    sums[width + o] = s1;
    sums[2 * width + o] = s2;
  }
}

void ck_field_multiply_add(const uint64_t *a, const uint64_t *b, const uint64_t *c, size_t count, uint64_t *out) {
  for (size_t i = 0; i < count; i++) out[i] = field_add(a[i], field_mul(b[i], c[i]));
}

void ck_subtract(ck_modulus modulus, const uint64_t *a, const uint64_t *b, size_t count, uint64_t *out) {
  if (modulus == CK_FIELD)
    for (size_t i = 0; i < count; i++) out[i] = field_sub(a[i], b[i]);
  else
    for (size_t i = 0; i < count; i++) out[i] = a[i] - b[i];
}

void ck_add(ck_modulus modulus, const uint64_t *a, const uint64_t *b, size_t count, uint64_t *out) {
  if (modulus == CK_FIELD)
    for (size_t i = 0; i < count; i++) out[i] = field_add(a[i], b[i]);
  else
    for (size_t i = 0; i < count; i++) out[i] = a[i] + b[i];
}

void ck_zeroize(void *memory, size_t bytes) {
  memset(memory, 0, bytes);
  // The barrier makes the stores observable, so that they stay.
  __asm__ __volatile__("" : : "r"(memory) : "memory");
}
