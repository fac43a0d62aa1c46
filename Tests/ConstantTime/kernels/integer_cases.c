// Linear layers, activations and comparisons.
#include "harness.h"

#define P 0xFFFFFFFF00000001ull
#define COUNT 77
#define BITS ((COUNT + 7) / 8)
// As the bits of a byte are not whole at either end.
#define OFFSET 3

static void band_fill(int isa) {
  (void)isa;
  ck_band band = {.channels = 2, .in_height = 7, .in_width = 9, .out_width = 5, .kernel_height = 3, .kernel_width = 3,
                  .stride_height = 2, .stride_width = 2, .pad_top = 1, .pad_left = 1, .row_begin = 0, .row_count = 4};
  band.plane_stride = (uint32_t)(ck_band_plane_rows(&band) * band.out_width + CK_POSITION_UNIT);
  const uint64_t *input = secret_words(2 * 7 * 9, 0);
  uint64_t *planes = results(8 * (2 * ck_band_planes_per_channel(&band) * band.plane_stride + CK_OVERREAD));
  enter();
  ck_band_fill(&band, input, planes);
  leave();
}

static void convolve(int isa) {
  enum { TAPS = 9, POSITIONS = 48 };
  const uint64_t *planes = secret_words(TAPS * 8 + POSITIONS + CK_OVERREAD, 0);
  const int32_t *weights = secret_weights(TAPS * 4);
  uint32_t *offsets = results(4 * TAPS);
  for (uint32_t t = 0; t < TAPS; t++) offsets[t] = 8 * t;
  int64_t *sums = results(8 * 8 * POSITIONS);
  enter();
  for (unsigned width = 1; width <= 4; width *= 2)
    ck_convolve((ck_isa)isa, width, planes, offsets, weights, TAPS, POSITIONS, sums, POSITIONS);
  leave();
}

static void convolve_words(int isa) {
  enum { TAPS = 9, POSITIONS = 48 };
  const uint64_t *planes = secret_words(TAPS * 8 + POSITIONS + CK_OVERREAD, 0);
  const uint64_t *weights = secret_words(TAPS * 4, 0);
  uint32_t *offsets = results(4 * TAPS);
  for (uint32_t t = 0; t < TAPS; t++) offsets[t] = 8 * t;
  uint64_t *rows = results(8 * 4 * TAPS), *sums = results(8 * 4 * POSITIONS);
  enter();
  for (unsigned width = 1; width <= 4; width *= 2) {
    ck_interleave(weights, TAPS, width, width, TAPS, rows);
    ck_convolve_words((ck_isa)isa, width, planes, offsets, rows, TAPS, POSITIONS, sums, POSITIONS);
  }
  leave();
}

static void dot_words(int isa) {
  const uint64_t *x = secret_words(COUNT, 0), *weights = secret_words(4 * COUNT, 0);
  uint64_t *sums = results(32);
  enter();
  for (unsigned width = 1; width <= 4; width *= 2) ck_dot_words((ck_isa)isa, width, x, weights, COUNT, COUNT, sums);
  leave();
}

static void dot(int isa) {
  const uint64_t *x = secret_words(COUNT, 0);
  const int32_t *weights = secret_weights(4 * COUNT);
  int64_t *sums = results(64);
  enter();
  for (unsigned width = 1; width <= 4; width *= 2) ck_dot((ck_isa)isa, width, x, weights, COUNT, COUNT, sums);
  leave();
}

static void finish(int isa) {
  (void)isa;
  const uint64_t *low = secret_words(COUNT, 1ull << 62), *high = secret_words(COUNT, 1ull << 62);
  const uint64_t correction = secret_word(P);
  uint64_t *out = secret_words(COUNT, P);
  enter();
  for (int modulus = CK_FIELD; modulus <= CK_WORD; modulus++)
    for (unsigned shift = 0; shift < 45; shift += 22)
      for (int accumulate = 0; accumulate < 2; accumulate++)
        ck_finish((ck_modulus)modulus, (const int64_t *)low, (const int64_t *)high, COUNT, correction, shift, accumulate, out);
  leave();
}

static void split_limbs(int isa) {
  (void)isa;
  const uint64_t *weights = secret_words(4 * COUNT, P);
  int32_t *limbs = results(4 * 12 * COUNT);
  int64_t *sums = results(8 * 12);
  enter();
  for (int interleaved = 0; interleaved < 2; interleaved++) ck_split_limbs(weights, COUNT, 3, 4, COUNT, interleaved, limbs, sums);
  leave();
}

static void elementwise(int isa) {
  (void)isa;
  const uint64_t *a = secret_words(COUNT, P), *b = secret_words(COUNT, P), *c = secret_words(COUNT, P);
  uint64_t *out = results(8 * COUNT);
  enter();
  ck_field_multiply_add(a, b, c, COUNT, out);
  for (int modulus = CK_FIELD; modulus <= CK_WORD; modulus++) {
    ck_subtract((ck_modulus)modulus, a, b, COUNT, out);
    ck_add((ck_modulus)modulus, a, b, COUNT, out);
  }
  leave();
}

// ---- Activation ------------------------------------------------------------------------------------------------

static void activation_open(int isa) {
  (void)isa;
  const uint64_t *z0 = secret_words(COUNT, P), *alpha = secret_words(COUNT, P), *u = secret_words(COUNT, P);
  const uint64_t k = secret_word(P), constant = secret_word(P);
  const uint8_t *rho = secret_bytes(BITS + 1);
  uint64_t *d = results(8 * COUNT), *y0 = results(8 * COUNT);
  uint8_t *delta = secret_bytes(BITS + 1);
  enter();
  ck_x2_open(z0, alpha, u, k, constant, rho, OFFSET, COUNT, d, y0, delta, OFFSET);
  leave();
}

static void activation_answer(int isa) {
  (void)isa;
  // Words and bits of the peer are as secret as one's own: they come masked, but nothing may depend on them either.
  const uint64_t *d = secret_words(COUNT, P), *c = secret_words(COUNT, P), *vc = secret_words(COUNT, P);
  const uint64_t *pad0 = secret_words(COUNT, P), *pad1 = secret_words(COUNT, P);
  const uint8_t *delta = secret_bytes(BITS + 1);
  uint64_t *messages = results(16 * COUNT);
  enter();
  for (int modulus = CK_FIELD; modulus <= CK_WORD; modulus++)
    for (unsigned shift = 0; shift < 32; shift += 16)
      ck_x2_answer(d, c, vc, delta, OFFSET, pad0, pad1, shift, (ck_modulus)modulus, COUNT, messages);
  leave();
}

static void activation_close(int isa) {
  (void)isa;
  const uint64_t *y0 = secret_words(COUNT, P), *messages = secret_words(2 * COUNT, P), *pad = secret_words(COUNT, P);
  uint64_t *x = results(8 * COUNT);
  enter();
  for (int modulus = CK_FIELD; modulus <= CK_WORD; modulus++)
    ck_x2_close(y0, messages, pad, 16, 1ull << 40, (ck_modulus)modulus, COUNT, x);
  leave();
}

static void activation_local(int isa) {
  (void)isa;
  const uint64_t *a = secret_words(COUNT, P), *b = secret_words(COUNT, P), *c = secret_words(COUNT, P);
  uint64_t *x = results(8 * COUNT);
  enter();
  ck_x2_data_share(a, b, c, COUNT, x);
  for (int modulus = CK_FIELD; modulus <= CK_WORD; modulus++) {
    ck_x2_local_data(a, b, 16, (ck_modulus)modulus, COUNT, x);
    ck_x2_local_model(a, b, 16, (ck_modulus)modulus, COUNT, x);
  }
  leave();
}

// ---- Comparison ------------------------------------------------------------------------------------------------

// Widths are public. Planes of 67 bytes: whole vectors of each instruction set and a rest.
enum { DIGITS = 3, PLANE = 67, DIGIT_BITS = 6 + 1 + 4, ENTRIES = 64 + 2 * 2 + 2 * 16, LEAVES = 2 * DIGITS - 1 };
static const uint8_t widths[DIGITS] = {6, 1, 4};

static void slice(int isa) {
  enum { WORDS = 8 * PLANE - 3 };
  const uint64_t *words = secret_words(WORDS, 0);
  uint8_t *planes = results(20 * PLANE);
  enter();
  ck_slice(isa, words, WORDS, 20, planes, PLANE);
  ck_trim(planes, 20, WORDS);
  leave();
}

static void compare_tables(int isa) {
  const uint8_t *z = secret_bytes(DIGIT_BITS * PLANE), *pads = secret_bytes(ENTRIES * PLANE);
  uint8_t *tables = results(ENTRIES * PLANE), *leaves = results(LEAVES * PLANE);
  enter();
  ck_compare_tables(isa, widths, DIGITS, PLANE, z, pads, tables, leaves);
  leave();
}

static void compare_leaves(int isa) {
  const uint8_t *choices = secret_bytes(DIGIT_BITS * PLANE), *tables = secret_bytes(ENTRIES * PLANE);
  const uint8_t *chosen = secret_bytes(LEAVES * PLANE);
  uint8_t *leaves = results(LEAVES * PLANE);
  enter();
  ck_compare_leaves(isa, widths, DIGITS, PLANE, choices, tables, chosen, leaves);
  leave();
}

static void compare_pads(int isa) {
  const uint8_t *choices = secret_bytes(DIGIT_BITS * PLANE);
  uint8_t *pads = secret_bytes(ENTRIES * PLANE), *chosen = results(LEAVES * PLANE);
  enter();
  ck_compare_choose(isa, widths, DIGITS, PLANE, choices, pads, chosen);
  ck_compare_permute(isa, widths, DIGITS, PLANE, choices, pads);
  leave();
}

static void compare_tree(int isa) {
  enum { NODES = 5 };
  uint8_t *shares = secret_bytes(2 * NODES * PLANE);
  const uint8_t *triples = secret_bytes(5 * NODES * PLANE), *other = secret_bytes(5 * NODES * PLANE);
  const uint8_t *peer = secret_bytes(3 * NODES * PLANE);
  uint8_t *opened = results(3 * NODES * PLANE), *products = results(2 * NODES * PLANE);
  enter();
  ck_compare_open(isa, NODES, PLANE, shares, triples, opened);
  for (unsigned leads = 0; leads < 2; leads++) ck_compare_join(isa, leads, NODES, PLANE, shares, triples, opened, peer);
  ck_compare_products(isa, NODES, PLANE, triples, other, products);
  leave();
}

static void multiplexer(int isa) {
  const uint8_t *b = secret_bytes(BITS), *rho = secret_bytes(BITS), *delta = secret_bytes(BITS);
  const uint64_t *m = secret_words(COUNT, P), *g = secret_words(COUNT, P), *h = secret_words(COUNT, P);
  const uint64_t *w = secret_words(COUNT, P), *offset = secret_words(COUNT, P);
  uint8_t *bits = results(BITS);
  uint64_t *d = results(8 * COUNT), *answer = results(8 * COUNT), *out = results(8 * COUNT);
  enter();
  for (int modulus = CK_FIELD; modulus <= CK_WORD; modulus++) {
    ck_mux_select(isa, modulus, COUNT, b, rho, m, g, bits, d);
    ck_mux_answer(isa, modulus, COUNT, b, rho, delta, d, m, h, w, offset, bits, answer);
    ck_mux_close(isa, modulus, COUNT, b, delta, rho, m, h, w, 0, answer, out);
    ck_mux_close(isa, modulus, COUNT, b, delta, rho, m, h, w, offset, answer, out);
  }
  leave();
}

static void multiplexer_material(int isa) {
  (void)isa;
  const uint8_t *bits = secret_bytes(BITS);
  const uint64_t *x = secret_words(COUNT, P);
  uint64_t *out = results(8 * COUNT);
  enter();
  ck_keep_where(COUNT, bits, x, out);
  for (int modulus = CK_FIELD; modulus <= CK_WORD; modulus++) {
    ck_negate_where(modulus, COUNT, bits, x, out);
    for (int leads = 0; leads < 2; leads++)
      for (unsigned shift = 0; shift < 32; shift += 16) ck_truncate_share(modulus, leads, shift, COUNT, x, out);
  }
  leave();
}

const ct_case ct_integer_cases[] = {
    {"band_fill", ANY, band_fill},
    {"convolve", LINEAR, convolve},
    {"dot", LINEAR, dot},
    {"convolve words", LINEAR, convolve_words},
    {"dot words", LINEAR, dot_words},
    {"finish", ANY, finish},
    {"split_limbs", ANY, split_limbs},
    {"elementwise", ANY, elementwise},
    {"activation_open", ANY, activation_open},
    {"activation_answer", ANY, activation_answer},
    {"activation_close", ANY, activation_close},
    {"activation_local", ANY, activation_local},
    {"slice", LINEAR, slice},
    {"compare_tables", LINEAR, compare_tables},
    {"compare_leaves", LINEAR, compare_leaves},
    {"compare_pads", LINEAR, compare_pads},
    {"compare_tree", LINEAR, compare_tree},
    {"multiplexer", LINEAR, multiplexer},
    {"multiplexer_material", ANY, multiplexer_material},
    {0},
};
