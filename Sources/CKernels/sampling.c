// Errors, ternary secrets and uniform residues. Nothing secret decides a jump.
#include "include/CKernels.h"
#include "residue.h"

static inline int32_t binomial(uint64_t bits) {
  const uint64_t mask = (1ull << 21) - 1;
  return __builtin_popcountll(bits & mask) - __builtin_popcountll((bits >> 21) & mask);
}

#if defined(__x86_64__)
__attribute__((target("popcnt"))) static void binomial_popcnt(const uint64_t *random, size_t n, int32_t *out) {
  for (size_t i = 0; i < n; i++) out[i] = binomial(random[i]);
}
#endif

void ck_sample_binomial(const uint64_t *random, size_t n, int32_t *out) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("popcnt")) {
    binomial_popcnt(random, n, out);
    return;
  }
#endif
  for (size_t i = 0; i < n; i++) out[i] = binomial(random[i]);
}

void ck_sample_ternary(const uint64_t *random, size_t n, int32_t *out) {
  for (size_t i = 0; i < n; i++) out[i] = (int32_t)(((ck_wide)random[i] * 3) >> 64) - 1;
}

size_t ck_sample_residues(uint64_t q, const uint64_t *random, size_t n, uint64_t *out, size_t wanted) {
  const uint64_t mask = ~0ull >> __builtin_clzll(q);
  size_t made = 0;
  for (size_t i = 0; i < n && made < wanted; i++) {
    const uint64_t candidate = random[i] & mask;
    out[made] = candidate;
    made += candidate < q;
  }
  return made;
}
