// Trees and code of the silent extension, included by transfer_kernels.h.

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
static inline uint64_t mask_of(uint64_t bit) { return 0 - ck_opaque(bit & 1); }

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
