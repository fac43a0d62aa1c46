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

// ---- Trees -----------------------------------------------------------------------------------------------------

INLINE void children(const schedule *s, vec *left, vec *right) {
  const vec x = *left, y = orthomorphism(x);
  *left = v_xor(encrypt_one(s, y), y);
  *right = v_xor(x, *left);
}

INLINE void children_wide(const schedule *s, vec left[WIDE], vec right[WIDE]) {
  vec y[WIDE];
  UNROLL
  for (int i = 0; i < WIDE; i++) {
    right[i] = left[i];
    y[i] = left[i] = orthomorphism(left[i]);
  }
  encrypt_wide(s, left);
  UNROLL
  for (int i = 0; i < WIDE; i++) {
    left[i] = v_xor(left[i], y[i]);
    right[i] = v_xor(right[i], left[i]);
  }
}

// Children of fewer than LANES nodes; `left` and `right` are whole vectors whose first `count` lanes count.
INLINE void store_few(uint8_t *nodes, size_t count, vec left, vec right) {
  uint8_t lanes[BLOCK * LANES];
  v_store(lanes, left);
  memcpy(nodes, lanes, BLOCK * count);
  v_store(lanes, right);
  memcpy(nodes + BLOCK * count, lanes, BLOCK * count);
  ck_zeroize(lanes, sizeof lanes);
}

INLINE vec load_few(const uint8_t *nodes, size_t count) {
  uint8_t lanes[BLOCK * LANES] = {0};
  memcpy(lanes, nodes, BLOCK * count);
  const vec x = v_load(lanes);
  ck_zeroize(lanes, sizeof lanes);
  return x;
}

TARGET static void tree(const uint8_t *round_keys, unsigned depth, uint64_t *leaves, uint64_t *sums) {
  const schedule s = schedule_at(round_keys);
  uint8_t *nodes = (uint8_t *)leaves;
  for (unsigned level = 1; level < depth; level++) {
    const size_t count = (size_t)1 << level;
    vec sum = v_zero();
    if (count < LANES) {
      vec left = load_few(nodes, count), right;
      children(&s, &left, &right);
      store_few(nodes, count, left, right);
      sum = load_few(nodes, count);
    } else if (count < WIDE * LANES) {
      for (size_t j = 0; j < count; j += LANES) {
        vec left = v_load(nodes + BLOCK * j), right;
        children(&s, &left, &right);
        v_store(nodes + BLOCK * j, left);
        v_store(nodes + BLOCK * (j + count), right);
        sum = v_xor(sum, left);
      }
    } else {
      for (size_t j = 0; j < count; j += WIDE * LANES) {
        vec left[WIDE], right[WIDE];
        for (int i = 0; i < WIDE; i++) left[i] = v_load(nodes + BLOCK * (j + LANES * i));
        children_wide(&s, left, right);
        for (int i = 0; i < WIDE; i++) {
          v_store(nodes + BLOCK * (j + LANES * i), left[i]);
          v_store(nodes + BLOCK * (j + count + LANES * i), right[i]);
          sum = v_xor(sum, left[i]);
        }
      }
    }
    v_reduce(sum, sums + 2 * (level - 1));
  }
  const size_t count = (size_t)1 << depth;
  for (size_t j = 0; j < 2 * count; j += 2) leaves[j] &= ~1ull;
}

// The nodes of a level while the tree is built: the one at `hole` is zero, the one at `fresh` lacks `fix`.
typedef struct {
  vec fix, hole, fresh;
  uint64_t hole_index;
} puncture_state;

INLINE vec patched(const puncture_state *p, vec x, vec index) {
  return v_xor(x, v_and(p->fix, v_equal(index, p->fresh)));
}

// All-ones or zero without a branch.
static inline uint64_t mask_of(uint64_t bit) { return 0 - (bit & 1); }

TARGET static void puncture(const uint8_t *round_keys, unsigned depth, const uint64_t *known, uint64_t position,
                            uint64_t *leaves) {
  const schedule s = schedule_at(round_keys);
  uint8_t *nodes = (uint8_t *)leaves;
  const uint64_t first = mask_of(position);
  for (int w = 0; w < 2; w++) {
    leaves[w] = known[w] & first;
    leaves[2 + w] = known[w] & ~first;
  }
  puncture_state p = {v_zero(), v_both(position & 1), v_both(0), position & 1};
  uint64_t total[2] = {known[0], known[1]};
  for (unsigned level = 1; level < depth; level++) {
    const size_t count = (size_t)1 << level;
    vec sum_left = v_zero(), sum_right = v_zero();
    if (count < LANES) {
      const vec index = v_index(0);
      vec left = patched(&p, load_few(nodes, count), index), right;
      children(&s, &left, &right);
      const vec keep = v_equal(index, p.hole);
      left = v_andnot(keep, left);
      right = v_andnot(keep, right);
      store_few(nodes, count, left, right);
      sum_left = load_few(nodes, count);
      sum_right = load_few(nodes + BLOCK * count, count);
    } else if (count < WIDE * LANES) {
      for (size_t j = 0; j < count; j += LANES) {
        const vec index = v_index(j);
        vec left = patched(&p, v_load(nodes + BLOCK * j), index), right;
        children(&s, &left, &right);
        const vec keep = v_equal(index, p.hole);
        left = v_andnot(keep, left);
        right = v_andnot(keep, right);
        v_store(nodes + BLOCK * j, left);
        v_store(nodes + BLOCK * (j + count), right);
        sum_left = v_xor(sum_left, left);
        sum_right = v_xor(sum_right, right);
      }
    } else {
      for (size_t j = 0; j < count; j += WIDE * LANES) {
        vec left[WIDE], right[WIDE];
        for (int i = 0; i < WIDE; i++)
          left[i] = patched(&p, v_load(nodes + BLOCK * (j + LANES * i)), v_index(j + LANES * i));
        children_wide(&s, left, right);
        for (int i = 0; i < WIDE; i++) {
          const vec keep = v_equal(v_index(j + LANES * i), p.hole);
          left[i] = v_andnot(keep, left[i]);
          right[i] = v_andnot(keep, right[i]);
          v_store(nodes + BLOCK * (j + LANES * i), left[i]);
          v_store(nodes + BLOCK * (j + count + LANES * i), right[i]);
          sum_left = v_xor(sum_left, left[i]);
          sum_right = v_xor(sum_right, right[i]);
        }
      }
    }
    uint64_t left[2], right[2], fix[2];
    v_reduce(sum_left, left);
    v_reduce(sum_right, right);
    const uint64_t turn = position >> level & 1, mask = mask_of(turn);
    for (int w = 0; w < 2; w++) {
      fix[w] = known[2 * level + w] ^ (left[w] & mask) ^ (right[w] & ~mask);
      total[w] = left[w] ^ right[w] ^ fix[w];
    }
    p.fix = v_broadcast((const uint8_t *)fix);
    p.fresh = v_both(p.hole_index + (1 - turn) * count);
    p.hole_index += turn * count;
    p.hole = v_both(p.hole_index);
  }
  const vec all = v_broadcast((const uint8_t *)total), lowest = v_lowest();
  for (size_t j = 0; j < (size_t)1 << depth; j += LANES) {
    const vec index = v_index(j), here = v_equal(index, p.hole);
    const vec x = v_xor(patched(&p, v_load(nodes + BLOCK * j), index), v_and(here, all));
    v_store(nodes + BLOCK * j, v_xor(v_andnot(lowest, x), v_and(here, lowest)));
  }
  ck_zeroize(&p, sizeof p);
  ck_zeroize(total, sizeof total);
}

// ---- Code ------------------------------------------------------------------------------------------------------

typedef uint64_t pair __attribute__((vector_size(16), aligned(16)));

#define CODE_ROWS 16
#define CODE_BLOCKS (CODE_ROWS * CK_CODE_WEIGHT / 4)

INLINE void code_indices(const schedule *s, uint64_t block, vec mask, uint32_t *indices) {
  size_t i = 0;
  for (; i + WIDE * LANES <= CODE_BLOCKS; i += WIDE * LANES) {
    vec x[WIDE];
    for (int j = 0; j < WIDE; j++) x[j] = v_counter(block + i + LANES * j);
    encrypt_wide(s, x);
    for (int j = 0; j < WIDE; j++) v_store((uint8_t *)indices + BLOCK * (i + LANES * j), v_and(x[j], mask));
  }
  for (; i < CODE_BLOCKS; i += LANES)
    v_store((uint8_t *)indices + BLOCK * i, v_and(encrypt_one(s, v_counter(block + i)), mask));
}

TARGET static void encode(const uint8_t *round_keys, uint64_t first_row, size_t rows, const uint64_t *secret,
                          unsigned log_k, uint64_t *out) {
  const schedule s = schedule_at(round_keys);
  const vec mask = v_words((1u << log_k) - 1);
  const pair *table = (const pair *)secret;
  pair *target = (pair *)out;
  // The indices are public. Prefetching what they name gains nothing: the loads of several rows overlap by themselves.
  uint32_t indices[CODE_ROWS * CK_CODE_WEIGHT] __attribute__((aligned(64)));
  uint64_t block = first_row / 4 * CK_CODE_WEIGHT;
  for (size_t row = 0; row < rows; row += CODE_ROWS, block += CODE_BLOCKS) {
    code_indices(&s, block, mask, indices);
    for (int i = 0; i < CODE_ROWS; i++) {
      const uint32_t *at = indices + CK_CODE_WEIGHT * i;
      pair x = target[row + i] ^ table[at[0]], y = table[at[1]] ^ table[at[2]];
      x ^= table[at[3]] ^ table[at[4]];
      y ^= table[at[5]] ^ table[at[6]];
      x ^= table[at[7]] ^ table[at[8]];
      target[row + i] = x ^ y ^ table[at[9]];
    }
  }
}

const transfer_kernels KERNELS = {expand, encrypt, hash, planes, tree, puncture, encode};
