// Bit-sliced loops of the comparison, included once for each instruction set with V, a vector of bits; SUFFIX; TARGET.
// A column is the same sizeof(V) bytes of every plane; the last one may be shorter, which depends on public sizes only.

#define PASTE2(name, suffix) name##suffix
#define PASTE(name, suffix) PASTE2(name, suffix)
#define FN(name) PASTE(name, SUFFIX)
#define INLINE static inline __attribute__((always_inline)) TARGET

INLINE V FN(load)(const uint8_t *from, size_t n) {
  V v;
  if (n == sizeof(V)) {
    memcpy(&v, from, sizeof(V));
  } else {
    memset(&v, 0, sizeof(V));
    memcpy(&v, from, n);
  }
  return v;
}

INLINE void FN(store)(uint8_t *to, V v, size_t n) {
  if (n == sizeof(V))
    memcpy(to, &v, sizeof(V));
  else
    memcpy(to, &v, n);
}

// hot[j] = [digit == j] from the digit's planes, which are inverted first if `inverted`.
INLINE void FN(one_hot)(V *hot, unsigned width, const uint8_t *planes, size_t bytes, size_t n, int inverted) {
  memset(&hot[0], 0xff, sizeof(V));
  for (unsigned b = 0; b < width; b++) {
    V s = FN(load)(planes + b * bytes, n);
    if (inverted) s = ~s;
    for (size_t i = (size_t)1 << b; i-- > 0;) {
      hot[i + ((size_t)1 << b)] = hot[i] & s;
      hot[i] &= ~s;
    }
  }
}

INLINE void FN(tables_column)(const uint8_t *widths, unsigned digits, size_t bytes, size_t n, const uint8_t *z,
                              const uint8_t *pads, uint8_t *tables, uint8_t *leaves) {
  V hot[1 << CK_DIGIT_BITS];
  for (unsigned d = 0; d < digits; d++) {
    const size_t entries = (size_t)1 << widths[d], lanes = d == 0 ? 1 : 2;
    // t = 2^(k-1) - 1 - z0: the digits of the complement.
    FN(one_hot)(hot, widths[d], z, bytes, n, 1);
    const V greater = FN(load)(pads, n);
    FN(store)(leaves, greater, n);
    V below = hot[0];
    if (lanes == 1) {
      for (size_t j = 1; j < entries; j++) {
        FN(store)(tables + (j - 1) * bytes, below ^ greater ^ FN(load)(pads + j * bytes, n), n);
        below ^= hot[j];
      }
    } else {
      const V equal = hot[0] ^ FN(load)(pads + bytes, n);
      FN(store)(leaves + bytes, equal, n);
      for (size_t j = 1; j < entries; j++) {
        FN(store)(tables + (2 * j - 2) * bytes, below ^ greater ^ FN(load)(pads + 2 * j * bytes, n), n);
        FN(store)(tables + (2 * j - 1) * bytes, hot[j] ^ equal ^ FN(load)(pads + (2 * j + 1) * bytes, n), n);
        below ^= hot[j];
      }
    }
    z += widths[d] * bytes;
    pads += lanes * entries * bytes;
    tables += lanes * (entries - 1) * bytes;
    leaves += lanes * bytes;
  }
}

// The entry of the chosen digit, out of tables whose first entry is `first`.
INLINE void FN(choose_column)(const uint8_t *widths, unsigned digits, size_t bytes, size_t n, const uint8_t *choices,
                              const uint8_t *tables, size_t first, const uint8_t *chosen, uint8_t *out) {
  V hot[1 << CK_DIGIT_BITS];
  for (unsigned d = 0; d < digits; d++) {
    const size_t entries = (size_t)1 << widths[d], lanes = d == 0 ? 1 : 2;
    FN(one_hot)(hot, widths[d], choices, bytes, n, 0);
    for (size_t lane = 0; lane < lanes; lane++) {
      V sum;
      memset(&sum, 0, sizeof(V));
      if (chosen) sum = FN(load)(chosen + lane * bytes, n);
      for (size_t j = first; j < entries; j++)
        sum ^= hot[j] & FN(load)(tables + ((j - first) * lanes + lane) * bytes, n);
      FN(store)(out + lane * bytes, sum, n);
    }
    choices += widths[d] * bytes;
    tables += lanes * (entries - first) * bytes;
    if (chosen) chosen += lanes * bytes;
    out += lanes * bytes;
  }
}

INLINE void FN(permute_column)(const uint8_t *widths, unsigned digits, size_t bytes, size_t n, const uint8_t *shift,
                               uint8_t *pads) {
  for (unsigned d = 0; d < digits; d++) {
    const size_t entries = (size_t)1 << widths[d], lanes = d == 0 ? 1 : 2;
    for (unsigned b = 0; b < widths[d]; b++) {
      const V s = FN(load)(shift + b * bytes, n);
      for (size_t j = 0; j < entries; j++) {
        if (j >> b & 1) continue;
        for (size_t lane = 0; lane < lanes; lane++) {
          uint8_t *low = pads + (j * lanes + lane) * bytes, *high = low + (lanes << b) * bytes;
          const V x = FN(load)(low, n), y = FN(load)(high, n), swap = (x ^ y) & s;
          FN(store)(low, x ^ swap, n);
          FN(store)(high, y ^ swap, n);
        }
      }
    }
    shift += widths[d] * bytes;
    pads += lanes * entries * bytes;
  }
}

INLINE void FN(open_column)(unsigned nodes, size_t bytes, size_t n, const uint8_t *shares, const uint8_t *triples,
                            uint8_t *opened) {
  for (unsigned pair = 0; pair < nodes / 2; pair++) {
    const uint8_t *low = shares + (pair == 0 ? 0 : 4 * pair - 1) * bytes, *high = shares + (4 * pair + 1) * bytes;
    FN(store)(opened, FN(load)(high + bytes, n) ^ FN(load)(triples, n), n);
    FN(store)(opened + bytes, FN(load)(low, n) ^ FN(load)(triples + bytes, n), n);
    if (pair > 0)
      FN(store)(opened + 2 * bytes, FN(load)(low + bytes, n) ^ FN(load)(triples + 3 * bytes, n), n);
    triples += (pair == 0 ? 3 : 5) * bytes;
    opened += (pair == 0 ? 2 : 3) * bytes;
  }
}

// d b + e a + ab, and d e at one of the parties.
INLINE V FN(product)(V leads, V d, V e, V a, V b, V ab) { return (leads & d & e) ^ (d & b) ^ (e & a) ^ ab; }

INLINE void FN(join_column)(unsigned leads, unsigned nodes, size_t bytes, size_t n, uint8_t *shares,
                            const uint8_t *triples, const uint8_t *own, const uint8_t *peer) {
  V lead;
  memset(&lead, leads ? 0xff : 0, sizeof(V));
  for (unsigned pair = 0; pair < nodes / 2; pair++) {
    const uint8_t *high = shares + (4 * pair + 1) * bytes;
    uint8_t *out = shares + (pair == 0 ? 0 : 2 * pair - 1) * bytes;
    const V greater = FN(load)(high, n);
    const V d = FN(load)(own, n) ^ FN(load)(peer, n);
    const V e = FN(load)(own + bytes, n) ^ FN(load)(peer + bytes, n);
    const V a = FN(load)(triples, n);
    FN(store)(out, greater ^ FN(product)(lead, d, e, a, FN(load)(triples + bytes, n), FN(load)(triples + 2 * bytes, n)),
              n);
    if (pair > 0) {
      const V f = FN(load)(own + 2 * bytes, n) ^ FN(load)(peer + 2 * bytes, n);
      FN(store)(out + bytes,
                FN(product)(lead, d, f, a, FN(load)(triples + 3 * bytes, n), FN(load)(triples + 4 * bytes, n)), n);
    }
    const size_t step = pair == 0 ? 2 : 3;
    triples += (pair == 0 ? 3 : 5) * bytes;
    own += step * bytes;
    peer += step * bytes;
  }
  if (nodes % 2 == 1) {
    const uint8_t *last = shares + (2 * nodes - 3) * bytes;
    uint8_t *out = shares + (nodes - 2) * bytes;
    const V greater = FN(load)(last, n), equal = FN(load)(last + bytes, n);
    FN(store)(out, greater, n);
    FN(store)(out + bytes, equal, n);
  }
}

INLINE void FN(products_column)(unsigned nodes, size_t bytes, size_t n, const uint8_t *first, const uint8_t *second,
                                uint8_t *products) {
  for (unsigned pair = 0; pair < nodes / 2; pair++) {
    const V a = FN(load)(first, n) ^ FN(load)(second, n);
    for (size_t lane = 0; lane < (pair == 0 ? 1u : 2u); lane++) {
      const size_t b = (1 + 2 * lane) * bytes;
      FN(store)(products, (a & (FN(load)(first + b, n) ^ FN(load)(second + b, n))) ^ FN(load)(second + b + bytes, n), n);
      products += bytes;
    }
    first += (pair == 0 ? 3 : 5) * bytes;
    second += (pair == 0 ? 3 : 5) * bytes;
  }
}

#define COLUMNS(call_full, call_rest)                          \
  size_t at = 0;                                               \
  for (; at + sizeof(V) <= bytes; at += sizeof(V)) call_full;  \
  if (at < bytes) call_rest;

TARGET static void FN(tables)(const uint8_t *widths, unsigned digits, size_t bytes, const uint8_t *z,
                              const uint8_t *pads, uint8_t *tables, uint8_t *leaves) {
  COLUMNS(FN(tables_column)(widths, digits, bytes, sizeof(V), z + at, pads + at, tables + at, leaves + at),
          FN(tables_column)(widths, digits, bytes, bytes - at, z + at, pads + at, tables + at, leaves + at))
}

TARGET static void FN(leaves)(const uint8_t *widths, unsigned digits, size_t bytes, const uint8_t *choices,
                              const uint8_t *tables, const uint8_t *chosen, uint8_t *leaves) {
  COLUMNS(FN(choose_column)(widths, digits, bytes, sizeof(V), choices + at, tables + at, 1, chosen + at, leaves + at),
          FN(choose_column)(widths, digits, bytes, bytes - at, choices + at, tables + at, 1, chosen + at, leaves + at))
}

TARGET static void FN(choose)(const uint8_t *widths, unsigned digits, size_t bytes, const uint8_t *choices,
                              const uint8_t *pads, uint8_t *chosen) {
  COLUMNS(FN(choose_column)(widths, digits, bytes, sizeof(V), choices + at, pads + at, 0, 0, chosen + at),
          FN(choose_column)(widths, digits, bytes, bytes - at, choices + at, pads + at, 0, 0, chosen + at))
}

TARGET static void FN(permute)(const uint8_t *widths, unsigned digits, size_t bytes, const uint8_t *shift,
                               uint8_t *pads) {
  COLUMNS(FN(permute_column)(widths, digits, bytes, sizeof(V), shift + at, pads + at),
          FN(permute_column)(widths, digits, bytes, bytes - at, shift + at, pads + at))
}

TARGET static void FN(open)(unsigned nodes, size_t bytes, const uint8_t *shares, const uint8_t *triples,
                            uint8_t *opened) {
  COLUMNS(FN(open_column)(nodes, bytes, sizeof(V), shares + at, triples + at, opened + at),
          FN(open_column)(nodes, bytes, bytes - at, shares + at, triples + at, opened + at))
}

TARGET static void FN(join)(unsigned leads, unsigned nodes, size_t bytes, uint8_t *shares, const uint8_t *triples,
                            const uint8_t *own, const uint8_t *peer) {
  COLUMNS(FN(join_column)(leads, nodes, bytes, sizeof(V), shares + at, triples + at, own + at, peer + at),
          FN(join_column)(leads, nodes, bytes, bytes - at, shares + at, triples + at, own + at, peer + at))
}

TARGET static void FN(products)(unsigned nodes, size_t bytes, const uint8_t *first, const uint8_t *second,
                                uint8_t *products) {
  COLUMNS(FN(products_column)(nodes, bytes, sizeof(V), first + at, second + at, products + at),
          FN(products_column)(nodes, bytes, bytes - at, first + at, second + at, products + at))
}

#undef COLUMNS
#undef INLINE
#undef FN
#undef PASTE
#undef PASTE2
