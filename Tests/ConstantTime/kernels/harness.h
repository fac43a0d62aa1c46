// What cases of constant time are written with. A case calls kernels on secrets between enter() and leave(), in one of two runs:
//
// - under memcheck, secrets are marked undefined (A. Langley, "ctgrind", 2010): a jump or an address that depends on one is
//   an error;
// - traced, the processor stops after every instruction, and the sequence of instruction addresses must be the same for other
//   secrets. This reaches instruction sets that valgrind lacks, and sees jumps, not addresses of data.
#ifndef POLYMPC_CONSTANT_TIME_H
#define POLYMPC_CONSTANT_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "CKernels.h"

/// Which instruction sets a case is run with.
typedef enum {
  ANY,
  /// ck_isa, by ck_isa_available or by ck_ntt_available; ck_aes.
  LINEAR,
  TRANSFORM,
  AES,
  /// ck_aes, for kernels that need no AES: vectors suffice.
  BLOCKS,
} kinds;

typedef struct {
  const char *name;
  kinds kinds;
  void (*body)(int isa);
} ct_case;

extern const ct_case ct_integer_cases[], ct_lattice_cases[], ct_transfer_cases[];

/// Around what is measured.
void enter(void);
void leave(void);

/// Memory of the case, freed after it: random bytes that are secret, or public; zeros for results.
uint8_t *secret_bytes(size_t count);
uint8_t *public_bytes(size_t count);
void *results(size_t bytes);
/// Random words below `bound` (any, if zero), an extreme one time in four.
uint64_t *secret_words(size_t count, uint64_t bound);
uint64_t *public_words(size_t count, uint64_t bound);
/// Small signed numbers.
int32_t *secret_weights(size_t count);
/// A secret number in a register.
uint64_t secret_word(uint64_t bound);

#endif
