// The kernels over vectors of LANES blocks. The including file defines vec and the v_ functions of its instruction set.
#include <string.h>

#define ROUNDS 10
#define BLOCK 16

static const uint8_t round_constants[ROUNDS] = {1, 2, 4, 8, 16, 32, 64, 128, 27, 54};

typedef struct {
  vec round[ROUNDS + 1];
} schedule;

// Four equal columns pass ShiftRows unchanged, so the last round computes SubWord(RotWord(w3)) ^ rcon in each of them.
INLINE schedule schedule_of(vec key) {
  schedule s;
  s.round[0] = key;
  UNROLL
  for (int r = 0; r < ROUNDS; r++) {
    const vec word = v_last(v_last_column(key), v_words(round_constants[r]));
    key = v_xor(key, v_shift4(key));
    key = v_xor(key, v_shift8(key));
    key = v_xor(key, word);
    s.round[r + 1] = key;
  }
  return s;
}

INLINE schedule schedule_at(const uint8_t *round_keys) {
  schedule s;
  for (int r = 0; r <= ROUNDS; r++) s.round[r] = v_broadcast(round_keys + BLOCK * r);
  return s;
}

INLINE vec encrypt_one(const schedule *s, vec x) {
  x = v_xor(x, s->round[0]);
  UNROLL
  for (int r = 1; r < ROUNDS; r++) x = v_round(x, s->round[r]);
  return v_last(x, s->round[ROUNDS]);
}

// Four at a time hide the latency of a round.
#define WIDE 4
INLINE void encrypt_wide(const schedule *s, vec x[WIDE]) {
  UNROLL
  for (int i = 0; i < WIDE; i++) x[i] = v_xor(x[i], s->round[0]);
  UNROLL
  for (int r = 1; r < ROUNDS; r++) {
    UNROLL
    for (int i = 0; i < WIDE; i++) x[i] = v_round(x[i], s->round[r]);
  }
  UNROLL
  for (int i = 0; i < WIDE; i++) x[i] = v_last(x[i], s->round[ROUNDS]);
}

// s(high, low) = (high ^ low, high): linear, and so is x ^ s(x), both of full rank.
INLINE vec orthomorphism(vec x) { return v_xor(v_swap(x), v_and(x, v_high_half())); }

TARGET static void expand(const uint8_t *keys, size_t count, uint8_t *round_keys) {
  for (size_t i = 0; i < count; i += LANES) {
    const size_t here = count - i < LANES ? count - i : LANES;
    uint8_t lanes[BLOCK * LANES] = {0};
    memcpy(lanes, keys + BLOCK * i, BLOCK * here);
    const schedule s = schedule_of(v_load(lanes));
    for (int r = 0; r <= ROUNDS; r++) {
      v_store(lanes, s.round[r]);
      for (size_t j = 0; j < here; j++)
        memcpy(round_keys + CK_ROUND_KEY_BYTES * (i + j) + BLOCK * r, lanes + BLOCK * j, BLOCK);
    }
    ck_zeroize(lanes, sizeof lanes);
  }
}

TARGET static void encrypt(const uint8_t *round_keys, const uint8_t *in, size_t blocks, uint8_t *out) {
  const schedule s = schedule_at(round_keys);
  size_t i = 0;
  for (; i + WIDE * LANES <= blocks; i += WIDE * LANES) {
    vec x[WIDE];
    for (int j = 0; j < WIDE; j++) x[j] = v_load(in + BLOCK * (i + LANES * j));
    encrypt_wide(&s, x);
    for (int j = 0; j < WIDE; j++) v_store(out + BLOCK * (i + LANES * j), x[j]);
  }
  for (; i < blocks; i += LANES) {
    const size_t here = blocks - i < LANES ? blocks - i : LANES;
    uint8_t lanes[BLOCK * LANES] = {0};
    memcpy(lanes, in + BLOCK * i, BLOCK * here);
    v_store(lanes, encrypt_one(&s, v_load(lanes)));
    memcpy(out + BLOCK * i, lanes, BLOCK * here);
    ck_zeroize(lanes, sizeof lanes);
  }
}

// LANES consecutive indices, each with a key of its own.
INLINE void hash_lanes(vec salt, uint64_t first, const uint8_t *blocks, const uint64_t *offsets, size_t variants,
                       uint8_t *out, size_t stride) {
  const schedule s = schedule_of(v_xor(salt, v_counter(first)));
  const vec x = v_load(blocks);
  for (size_t v = 0; v < variants; v++) {
    const vec y = orthomorphism(v_xor(x, v_broadcast((const uint8_t *)(offsets + 2 * v))));
    v_store(out + BLOCK * v * stride, v_xor(encrypt_one(&s, y), y));
  }
}

TARGET static void hash(const uint64_t *salt, uint64_t first, size_t count, const uint64_t *blocks,
                        const uint64_t *offsets, size_t variants, uint64_t *out, size_t stride) {
  const vec base = v_broadcast((const uint8_t *)salt);
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    hash_lanes(base, first + i, (const uint8_t *)(blocks + 2 * i), offsets, variants, (uint8_t *)(out + 2 * i), stride);
  if (i == count) return;
  uint8_t lanes[BLOCK * LANES] = {0}, result[BLOCK * LANES];
  memcpy(lanes, blocks + 2 * i, BLOCK * (count - i));
  for (size_t v = 0; v < variants; v++) {
    hash_lanes(base, first + i, lanes, offsets + 2 * v, 1, result, 0);
    memcpy(out + 2 * (v * stride + i), result, BLOCK * (count - i));
  }
  ck_zeroize(lanes, sizeof lanes);
  ck_zeroize(result, sizeof result);
}

// ---- SoftSpoken ------------------------------------------------------------------------------------------------

#define STRIP 2

// `group` leaves of 2^k at a time, two vectors of each.
INLINE void planes_of(const uint8_t *round_keys, const unsigned k, const unsigned group, uint64_t counter, uint8_t *sum,
                      uint8_t *planes) {
  for (size_t strip = 0; strip < 16 / LANES; strip += STRIP) {
    vec total[STRIP], plane[8][STRIP];
    for (unsigned s = 0; s < STRIP; s++) {
      total[s] = v_zero();
      for (unsigned b = 0; b < k; b++) plane[b][s] = v_zero();
    }
    for (unsigned x = 0; x < 1u << k; x += group) {
      const uint8_t *keys = round_keys + (size_t)CK_ROUND_KEY_BYTES * x;
      vec g[4][STRIP];
      UNROLL
      for (unsigned i = 0; i < group; i++) {
        const vec key = v_broadcast(keys + CK_ROUND_KEY_BYTES * i);
        for (unsigned s = 0; s < STRIP; s++) g[i][s] = v_xor(v_counter(counter + LANES * (strip + s)), key);
      }
      UNROLL
      for (int r = 1; r <= ROUNDS; r++) {
        UNROLL
        for (unsigned i = 0; i < group; i++) {
          const vec key = v_broadcast(keys + CK_ROUND_KEY_BYTES * i + BLOCK * r);
          for (unsigned s = 0; s < STRIP; s++) g[i][s] = r < ROUNDS ? v_round(g[i][s], key) : v_last(g[i][s], key);
        }
      }
      for (unsigned s = 0; s < STRIP; s++) {
        vec odd = g[1][s], all = v_xor(g[0][s], g[1][s]);
        if (group == 4) {
          const vec upper = v_xor(g[2][s], g[3][s]);
          odd = v_xor(odd, g[3][s]);
          all = v_xor(all, upper);
          plane[1][s] = v_xor(plane[1][s], upper);
        }
        plane[0][s] = v_xor(plane[0][s], odd);
        total[s] = v_xor(total[s], all);
        UNROLL
        for (unsigned b = 2; b < k; b++)
          if (x >> b & 1) plane[b][s] = v_xor(plane[b][s], all);
      }
    }
    for (unsigned s = 0; s < STRIP; s++) {
      const size_t place = BLOCK * LANES * (strip + s);
      v_store(sum + place, total[s]);
      for (unsigned b = 0; b < k; b++) v_store(planes + CK_TILE_BYTES * b + place, plane[b][s]);
    }
  }
}

TARGET static void planes(const uint8_t *round_keys, unsigned k, uint64_t counter, uint8_t *sum, uint8_t *out) {
  switch (k) {
    case 1: planes_of(round_keys, 1, 2, counter, sum, out); break;
    case 2: planes_of(round_keys, 2, 4, counter, sum, out); break;
    case 4: planes_of(round_keys, 4, 4, counter, sum, out); break;
    default: planes_of(round_keys, 8, 4, counter, sum, out); break;
  }
}

#include "transfer_trees.h"

const transfer_kernels KERNELS = {expand, encrypt, hash, planes, tree, puncture, encode};
