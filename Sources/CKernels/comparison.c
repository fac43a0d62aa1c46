// Bit-sliced steps of the comparison protocol: tables, leaves, tree.
#include <string.h>

#include "include/CKernels.h"

typedef uint64_t word_bits;
#define V word_bits
#define SUFFIX _scalar
#define TARGET
#include "comparison_planes.h"
#undef V
#undef SUFFIX
#undef TARGET

static void slice_scalar(const uint64_t *words, size_t from, size_t count, unsigned bits, uint8_t *planes,
                         size_t bytes) {
  for (size_t i = from; i < count; i += 8) {
    const size_t n = count - i < 8 ? count - i : 8;
    for (unsigned b = 0; b < bits; b++) {
      unsigned byte = 0;
      for (size_t j = 0; j < n; j++) byte |= (unsigned)(words[i + j] >> b & 1) << j;
      planes[b * bytes + i / 8] = (uint8_t)byte;
    }
  }
}

// Eight elements together: each number is gathered out of the planes first.
static void add_planes_scalar(const uint8_t *planes, unsigned bits, size_t bytes, uint64_t unit, size_t split,
                              size_t from, size_t count, uint64_t *words) {
  for (size_t i = from; i < count; i += 8) {
    const size_t n = count - i < 8 ? count - i : 8;
    for (size_t j = 0; j < n; j++) {
      uint64_t number = 0;
      for (unsigned b = 0; b < bits; b++) number |= (uint64_t)(planes[b * bytes + i / 8] >> j & 1) << b;
      words[i + j] += number * (i + j < split ? unit : 0 - unit);
    }
  }
}

#if defined(__x86_64__)
#include <immintrin.h>

typedef uint64_t ymm_bits __attribute__((vector_size(32)));
#define V ymm_bits
#define SUFFIX _avx2
#define TARGET __attribute__((target("avx2")))
#include "comparison_planes.h"

TARGET static size_t slice_avx2(const uint64_t *words, size_t count, unsigned bits, uint8_t *planes, size_t bytes) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i low = _mm256_loadu_si256((const __m256i *)(words + i));
    const __m256i high = _mm256_loadu_si256((const __m256i *)(words + i + 4));
    for (unsigned b = 0; b < bits; b++) {
      const __m128i shift = _mm_cvtsi32_si128((int)(63 - b));
      const int first = _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_sll_epi64(low, shift)));
      const int second = _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_sll_epi64(high, shift)));
      planes[b * bytes + i / 8] = (uint8_t)(first | second << 4);
    }
  }
  return i;
}
#undef V
#undef SUFFIX
#undef TARGET

typedef uint64_t zmm_bits __attribute__((vector_size(64)));
#define V zmm_bits
#define SUFFIX _avx512
#define TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl")))
#include "comparison_planes.h"

TARGET static size_t slice_avx512(const uint64_t *words, size_t count, unsigned bits, uint8_t *planes, size_t bytes) {
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    __m512i x[8];
    for (unsigned j = 0; j < 8; j++) x[j] = _mm512_loadu_si512(words + i + 8 * j);
    for (unsigned b = 0; b < bits; b++) {
      const __m512i one = _mm512_set1_epi64((long long)(1ull << b));
      uint64_t word = 0;
      for (unsigned j = 0; j < 8; j++) word |= (uint64_t)_mm512_test_epi64_mask(x[j], one) << (8 * j);
      memcpy(planes + b * bytes + i / 8, &word, 8);
    }
  }
  for (; i + 8 <= count; i += 8) {
    const __m512i x = _mm512_loadu_si512(words + i);
    for (unsigned b = 0; b < bits; b++)
      planes[b * bytes + i / 8] = (uint8_t)_mm512_test_epi64_mask(x, _mm512_set1_epi64((long long)(1ull << b)));
  }
  return i;
}
#undef V
#undef SUFFIX
#undef TARGET

// Public: the sign of an element's unit depends on its place alone.
__attribute__((target("avx512f"))) static size_t add_planes_avx512(const uint8_t *planes, unsigned bits, size_t bytes, uint64_t unit,
                                           size_t split, size_t count, uint64_t *words) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __mmask8 before = split >= i + 8 ? 0xff : split <= i ? 0 : (__mmask8)((1u << (split - i)) - 1);
    const __m512i signs = _mm512_mask_set1_epi64(_mm512_set1_epi64((long long)(0 - unit)), before, (long long)unit);
    __m512i sum = _mm512_loadu_si512(words + i);
    __m512i weight = signs;
    for (unsigned b = 0; b < bits; b++) {
      sum = _mm512_mask_add_epi64(sum, planes[b * bytes + i / 8], sum, weight);
      weight = _mm512_add_epi64(weight, weight);
    }
    _mm512_storeu_si512(words + i, sum);
  }
  return i;
}

#define DISPATCH(name, ...)                                                     \
  if (isa == CK_AVX512) name##_avx512(__VA_ARGS__);                             \
  else if (isa == CK_AVX2) name##_avx2(__VA_ARGS__);                            \
  else name##_scalar(__VA_ARGS__)
#else
#define DISPATCH(name, ...) \
  (void)isa;                \
  name##_scalar(__VA_ARGS__)
#endif

void ck_slice(int isa, const uint64_t *words, size_t count, unsigned bits, uint8_t *planes, size_t bytes) {
  size_t done = 0;
#if defined(__x86_64__)
  if (isa == CK_AVX512) done = slice_avx512(words, count, bits, planes, bytes);
  if (isa == CK_AVX2) done = slice_avx2(words, count, bits, planes, bytes);
#else
  (void)isa;
#endif
  slice_scalar(words, done, count, bits, planes, bytes);
}

void ck_add_planes(int isa, const uint8_t *planes, unsigned bits, size_t bytes, uint64_t unit, size_t split,
                   size_t count, uint64_t *words) {
  size_t done = 0;
#if defined(__x86_64__)
  if (isa == CK_AVX512) done = add_planes_avx512(planes, bits, bytes, unit, split, count, words);
#else
  (void)isa;
#endif
  add_planes_scalar(planes, bits, bytes, unit, split, done, count, words);
}

void ck_trim(uint8_t *bits, size_t planes, size_t count) {
  if (count % 8 == 0) return;
  const size_t bytes = (count + 7) / 8;
  const uint8_t mask = (uint8_t)((1u << (count % 8)) - 1);
  for (size_t plane = 0; plane < planes; plane++) bits[(plane + 1) * bytes - 1] &= mask;
}

void ck_compare_tables(int isa, const uint8_t *widths, unsigned digits, size_t bytes, const uint8_t *z,
                       const uint8_t *pads, uint8_t *tables, uint8_t *leaves) {
  DISPATCH(tables, widths, digits, bytes, z, pads, tables, leaves);
}

void ck_compare_leaves(int isa, const uint8_t *widths, unsigned digits, size_t bytes, const uint8_t *choices,
                       const uint8_t *tables, const uint8_t *chosen, uint8_t *leaves) {
  DISPATCH(leaves, widths, digits, bytes, choices, tables, chosen, leaves);
}

void ck_compare_choose(int isa, const uint8_t *widths, unsigned digits, size_t bytes, const uint8_t *choices,
                       const uint8_t *pads, uint8_t *chosen) {
  DISPATCH(choose, widths, digits, bytes, choices, pads, chosen);
}

void ck_compare_permute(int isa, const uint8_t *widths, unsigned digits, size_t bytes, const uint8_t *shift,
                        uint8_t *pads) {
  DISPATCH(permute, widths, digits, bytes, shift, pads);
}

void ck_compare_open(int isa, unsigned nodes, size_t bytes, const uint8_t *shares, const uint8_t *triples,
                     uint8_t *opened) {
  DISPATCH(open, nodes, bytes, shares, triples, opened);
}

void ck_compare_join(int isa, unsigned leads, unsigned nodes, size_t bytes, uint8_t *shares, const uint8_t *triples,
                     const uint8_t *own, const uint8_t *peer) {
  DISPATCH(join, leads, nodes, bytes, shares, triples, own, peer);
}

void ck_compare_products(int isa, unsigned nodes, size_t bytes, const uint8_t *first, const uint8_t *second,
                         uint8_t *products) {
  DISPATCH(products, nodes, bytes, first, second, products);
}
