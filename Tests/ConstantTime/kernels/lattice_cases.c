// Transforms, residue number systems, sampling. Moduli and roots are public; residues and words are secret.
#include "harness.h"

// Of the size of the primes; that they are none makes no difference to a kernel.
#define Q0 ((1ull << 50) - (1ull << 15) + 1)
#define Q1 ((1ull << 49) - (1ull << 16) + 1)
#define P 0xFFFFFFFF00000001ull
#define COUNT 77
#define WHOLE 80

static uint64_t companion(uint64_t w, uint64_t q) { return (uint64_t)(((unsigned __int128)w << 64) / q); }

static ck_ntt table_of(size_t n) {
  uint64_t *root = public_words(n, Q0), *inverse = public_words(n, Q0);
  uint64_t *root_shoup = results(8 * n), *inverse_shoup = results(8 * n);
  for (size_t i = 0; i < n; i++) {
    root_shoup[i] = companion(root[i], Q0);
    inverse_shoup[i] = companion(inverse[i], Q0);
  }
  return (ck_ntt){Q0, n, root, root_shoup, inverse, inverse_shoup, root[1], root_shoup[1]};
}

static void transform(int isa) {
  // Even and odd numbers of stages; the shortest length is a case of its own.
  for (size_t n = 16; n <= 256; n *= 2) {
    const ck_ntt table = table_of(n);
    uint64_t *x = secret_words(n, Q0);
    enter();
    ck_ntt_forward(isa, &table, x);
    ck_ntt_inverse(isa, &table, x);
    leave();
  }
}

static void accumulate(int isa) {
  enum { N = 32 };
  const uint64_t *x0[CK_NTT_PAIRS], *x1[CK_NTT_PAIRS], *w[CK_NTT_PAIRS];
  for (int j = 0; j < CK_NTT_PAIRS; j++) {
    x0[j] = secret_words(N, Q0);
    x1[j] = secret_words(N, Q0);
    w[j] = secret_words(N, Q0);
  }
  uint64_t *sums = results(8 * 4 * N), *out = results(8 * N);
  enter();
  for (size_t count = 1; count <= CK_NTT_PAIRS; count++) ck_ntt_accumulate(isa, Q0, N, count, x0, count & 1 ? x1 : 0, w, sums);
  ck_ntt_fold(isa, Q0, N, sums, out);
  leave();
}

static void blocks(int isa) {
  enum { N = 64, TERMS = 3, OUTPUTS = 5 };
  const ck_ntt table = table_of(N);
  uint64_t *x = results(8 * 16 * TERMS * N / 8), *w = results(8 * CK_NTT_LANES * TERMS * N);
  uint64_t *accumulators[OUTPUTS];
  for (int o = 0; o < OUTPUTS; o++) accumulators[o] = results(8 * 4 * N);
  const uint64_t *first = secret_words(N, Q0), *second = secret_words(N, Q0), *twist = public_words(N, Q0);
  for (size_t m = 1; m <= N / CK_NTT_LANES; m *= 2) {
    uint64_t *lanes = secret_words(CK_NTT_LANES * m, Q0);
    enter();
    ck_ntt_short(isa, &table, m, lanes, w, CK_NTT_LANES * TERMS);
    for (size_t k = 0; k < TERMS; k++) ck_ntt_gather(isa, Q0, 12345, first, second, k ? twist : 0, N, TERMS, x + 16 * k);
    ck_ntt_block_accumulate(isa, Q0, N, N / m, N, TERMS, TERMS, x, w, OUTPUTS, accumulators);
    leave();
  }
}

static void residues(int isa) {
  const uint64_t *a = secret_words(COUNT, Q0), *b = secret_words(COUNT, Q0);
  const int32_t *values = secret_weights(WHOLE);
  uint64_t *out = results(8 * WHOLE);
  enter();
  ck_residue_add(Q0, COUNT, a, b, out);
  ck_residue_subtract(Q0, COUNT, a, b, out);
  ck_residue_signed(isa, Q0, WHOLE, values, out);
  ck_residue_signed64(Q0, COUNT, (const int64_t *)a, out);
  leave();
}

static void field_transform(int isa) {
  (void)isa;
  enum { N = 64 };
  const uint64_t *root = public_words(N, P);
  uint64_t *x = secret_words(N, P);
  enter();
  ck_field_ntt_forward(root, N, x);
  ck_field_ntt_inverse(root, root[1], N, x);
  leave();
}

// ck_sample_residues is not here: its words are public, for they make the public half of ciphertexts and keys.
static void sampling(int isa) {
  (void)isa;
  const uint64_t *random = secret_words(COUNT, 0);
  int32_t *out = results(4 * COUNT);
  enter();
  ck_sample_binomial(random, COUNT, out);
  ck_sample_ternary(random, COUNT, out);
  leave();
}

static ck_rns numbers(void) {
  return (ck_rns){.primes = 2, .q = {Q0, Q1}, .inverse = {12345, 67890},
                  .inverse_shoup = {companion(12345, Q0), companion(67890, Q1)},
                  .reciprocal_low = {~0ull / 3, ~0ull / 5}, .reciprocal_high = {1ull << 14, 1ull << 15}};
}

static void fractions(int isa) {
  (void)isa;
  const ck_rns rns = numbers();
  const uint64_t *x = secret_words(2 * COUNT, Q1);
  uint64_t *wide = results(16 * COUNT), *integers = results(8 * COUNT), *rests = results(8 * COUNT);
  enter();
  ck_rns_fractions(&rns, x, COUNT, COUNT, wide);
  ck_add_wide(wide, wide, COUNT, wide);
  for (int modulus = CK_FIELD; modulus <= CK_WORD; modulus++) ck_split_fractions(modulus, wide, COUNT, integers, rests);
  leave();
}

static void embedding(int isa) {
  (void)isa;
  const uint64_t *words = secret_words(COUNT, P), *wide = secret_words(2 * COUNT, 0);
  uint64_t *out = results(8 * COUNT);
  enter();
  for (int modulus = CK_FIELD; modulus <= CK_WORD; modulus++)
    ck_embed(modulus, 0x123456789abcdefull, Q0, 98765, companion(98765, Q0), Q0 / 2, words, COUNT, out);
  ck_wide_residues(Q0, wide, COUNT, out);
  ck_field_residues(Q0, words, COUNT, out);
  leave();
}

static void pairs(int isa) {
  (void)isa;
  const uint64_t *r0 = secret_words(COUNT, Q0), *r1 = secret_words(COUNT, Q1);
  uint64_t *out = results(16 * COUNT);
  enter();
  ck_pair_to_wide(Q0, Q1, 4321, companion(4321, Q1), 1ull << 40, r0, r1, COUNT, out);
  ck_pair_to_fractions(Q0, Q1, 4321, companion(4321, Q1), 110, r0, r1, COUNT, out);
  leave();
}

static void packing(int isa) {
  (void)isa;
  const uint64_t *wide = secret_words(2 * COUNT, 0);
  uint8_t *packed = results(16 * COUNT);
  uint64_t *out = results(16 * COUNT);
  enter();
  for (unsigned bits = 13; bits <= 128; bits += 23) {
    ck_pack_wide(wide, COUNT, bits, packed);
    ck_unpack_wide(packed, COUNT, bits, out);
    if (bits < 128) ck_pack_fractions(wide, COUNT, bits, packed);
    if (bits > 64) continue;
    ck_pack_words(wide, COUNT, bits, packed);
    ck_unpack_words(packed, COUNT, bits, out);
  }
  leave();
}

const ct_case ct_lattice_cases[] = {
    {"transform", TRANSFORM, transform},
    {"accumulate", TRANSFORM, accumulate},
    {"blocks", TRANSFORM, blocks},
    {"residues", TRANSFORM, residues},
    {"field_transform", ANY, field_transform},
    {"sampling", ANY, sampling},
    {"fractions", ANY, fractions},
    {"embedding", ANY, embedding},
    {"pairs", ANY, pairs},
    {"packing", ANY, packing},
    {0},
};
