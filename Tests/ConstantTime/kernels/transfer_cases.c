// Oblivious transfer: AES, hashes, trees, tiles.
#include "harness.h"

static void aes(int isa) {
  enum { KEYS = 5, BLOCKS_IN = 23 };
  const uint8_t *keys = secret_bytes(16 * KEYS), *in = secret_bytes(16 * BLOCKS_IN);
  uint8_t *schedules = results(CK_ROUND_KEY_BYTES * KEYS), *out = results(16 * BLOCKS_IN);
  enter();
  ck_aes_expand((ck_aes)isa, keys, KEYS, schedules);
  ck_aes_encrypt((ck_aes)isa, schedules, in, BLOCKS_IN, out);
  leave();
}

static void hash(int isa) {
  enum { COUNT = 11, VARIANTS = 2 };
  const uint64_t *salt = public_words(2, 0), *blocks = secret_words(2 * COUNT, 0), *offsets = secret_words(2 * VARIANTS, 0);
  uint64_t *out = results(16 * COUNT * VARIANTS);
  enter();
  ck_transfer_hash((ck_aes)isa, salt, 12345, COUNT, blocks, offsets, VARIANTS, out, COUNT);
  leave();
}

static void combine(int isa) {
  (void)isa;
  const uint64_t *blocks = secret_words(2 * 8 * 9, 0);
  uint64_t *out = results(16 * 9);
  enter();
  for (unsigned m = 1; m <= 8; m++) ck_transfer_combine(blocks, 9, m, out);
  leave();
}

static void pack(int isa) {
  enum { COUNT = 45 };
  const uint64_t *blocks = secret_words(2 * 3 * COUNT, 0);
  uint8_t *out = results((COUNT + 7) / 8);
  enter();
  ck_transfer_pack((ck_aes)isa, blocks, 1, COUNT, 0, out);
  ck_transfer_pack((ck_aes)isa, blocks, 3, COUNT, 63, out);
  leave();
}

static void planes(int isa) {
  const uint8_t *keys = secret_bytes(16 * 16);
  uint8_t *schedules = results(CK_ROUND_KEY_BYTES * 16), *sum = results(CK_TILE_BYTES), *out = results(4 * CK_TILE_BYTES);
  ck_aes_expand((ck_aes)isa, keys, 16, schedules);
  enter();
  for (unsigned k = 1; k <= 4; k *= 2) ck_softspoken_planes((ck_aes)isa, schedules, k, 1 << 20, sum, out);
  leave();
}

static void transpose(int isa) {
  const uint8_t *rows = secret_bytes(128 * CK_TILE_BYTES);
  uint8_t *out = results(128 * CK_TILE_BYTES);
  enter();
  ck_transpose_tile((ck_aes)isa, rows, out);
  leave();
}

// The keys of trees and codes are public.
static uint8_t *public_schedule(int isa) {
  uint8_t *schedule = results(CK_ROUND_KEY_BYTES);
  ck_aes_expand((ck_aes)isa, public_bytes(16), 1, schedule);
  return schedule;
}

static void tree(int isa) {
  enum { DEPTH = 7 };
  const uint8_t *schedule = public_schedule(isa);
  uint64_t *leaves = secret_words(2 << DEPTH, 0), *sums = results(16 * DEPTH);
  enter();
  ck_tree_expand((ck_aes)isa, schedule, DEPTH, leaves, sums);
  leave();
}

static void puncture(int isa) {
  enum { DEPTH = 7 };
  const uint8_t *schedule = public_schedule(isa);
  const uint64_t *known = secret_words(2 * DEPTH, 0);
  const uint64_t position = secret_word(1 << DEPTH);
  uint64_t *leaves = results(16 << DEPTH);
  enter();
  ck_tree_puncture((ck_aes)isa, schedule, DEPTH, known, position, leaves);
  leave();
}

static void encode(int isa) {
  enum { LOG_K = 6, ROWS = 32 };
  const uint8_t *schedule = public_schedule(isa);
  const uint64_t *secret = secret_words(2 << LOG_K, 0);
  uint64_t *out = secret_words(2 * ROWS, 0);
  enter();
  ck_code_encode((ck_aes)isa, schedule, 16, ROWS, secret, LOG_K, out);
  leave();
}

const ct_case ct_transfer_cases[] = {
    {"aes", AES, aes},
    {"hash", AES, hash},
    {"combine", ANY, combine},
    {"pack", BLOCKS, pack},
    {"planes", AES, planes},
    {"transpose", BLOCKS, transpose},
    {"tree", AES, tree},
    {"puncture", AES, puncture},
    {"encode", AES, encode},
    {0},
};
