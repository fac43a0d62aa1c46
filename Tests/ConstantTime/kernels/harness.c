// Runs all cases in each instruction set that is there, under memcheck or traced.
#define _GNU_SOURCE
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <valgrind/memcheck.h>

static uint64_t state;
static bool is_traced;
static void *held[256];
static size_t held_count;

// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
static uint64_t draw(void) {
  uint64_t z = (state += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// ---- Memory ----------------------------------------------------------------------------------------------------

void *results(size_t bytes) {
  void *memory;
  if (held_count == sizeof held / sizeof *held || posix_memalign(&memory, 64, bytes + 64)) abort();
  memset(memory, 0, bytes + 64);
  return held[held_count++] = memory;
}

static void release(void) {
  while (held_count > 0) free(held[--held_count]);
}

static void *hide(void *memory, size_t bytes) {
  VALGRIND_MAKE_MEM_UNDEFINED(memory, bytes);
  return memory;
}

uint8_t *public_bytes(size_t count) {
  uint8_t *bytes = results(count);
  for (size_t i = 0; i < count; i++) bytes[i] = (uint8_t)draw();
  return bytes;
}

uint8_t *secret_bytes(size_t count) { return hide(public_bytes(count), count); }

static uint64_t draw_below(uint64_t bound) {
  const uint64_t choice = draw(), word = draw();
  switch (choice & 15) {
    case 0: return 0;
    case 1: return bound - 1;
    case 2: return bound ? bound / 2 : 1ull << 63;
    case 3: return (bound ? bound / 2 : 1ull << 63) - 1;
    default: return bound ? word % bound : word;
  }
}

uint64_t *public_words(size_t count, uint64_t bound) {
  uint64_t *words = results(8 * count);
  for (size_t i = 0; i < count; i++) words[i] = draw_below(bound);
  return words;
}

uint64_t *secret_words(size_t count, uint64_t bound) { return hide(public_words(count, bound), 8 * count); }

uint64_t secret_word(uint64_t bound) { return *secret_words(1, bound); }

int32_t *secret_weights(size_t count) {
  int32_t *weights = results(4 * count);
  for (size_t i = 0; i < count; i++) weights[i] = (int32_t)(draw() % 65536) - 32768;
  return hide(weights, 4 * count);
}

// ---- Trace -----------------------------------------------------------------------------------------------------

static volatile uint64_t trace_hash, trace_length;

static void step(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  const uint64_t at = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  trace_hash = (trace_hash ^ at) * 0x100000001b3ull;
  trace_length++;
}

// The trap flag stops the processor after each instruction from the next one on. The stack below is not touched: red zone.
#define TRAP_FLAG(operation)                                                                       \
  __asm__ __volatile__("sub $128, %%rsp\n pushfq\n " operation "\n popfq\n add $128, %%rsp" ::: "memory", "cc")

void enter(void) {
  trace_hash = trace_length = 0;
  if (is_traced) TRAP_FLAG("orq $0x100, (%%rsp)");
}

void leave(void) {
  if (is_traced) TRAP_FLAG("andq $~0x100, (%%rsp)");
}

// ---- Cases that must fail: they prove that the run sees what it looks for --------------------------------------

static volatile uint64_t sink;

static void jump_on_secret(int isa) {
  (void)isa;
  uint64_t *words = secret_words(64, 0);
  enter();
  for (int i = 0; i < 64; i++)
    if (words[i] >> 40 & 1) sink += 1;
  leave();
}

static void address_of_secret(int isa) {
  (void)isa;
  uint64_t *table = public_words(256, 0);
  uint8_t *at = secret_bytes(64);
  enter();
  for (int i = 0; i < 64; i++) sink += ((volatile uint64_t *)table)[at[i]];
  leave();
}

// ---- Runs ------------------------------------------------------------------------------------------------------

static bool is_available(kinds kinds, int isa) {
  switch (kinds) {
    case ANY: return isa == 0;
    case LINEAR: return ck_isa_available((ck_isa)isa);
    case TRANSFORM: return ck_ntt_available(isa);
    case AES: return ck_aes_available((ck_aes)isa);
    case BLOCKS: return isa == CK_AES_256 ? ck_isa_available(CK_AVX2) : ck_aes_available((ck_aes)isa);
  }
  return false;
}

// Valgrind (3.19) has no AVX-512 and no VAES, and says so to programs; it does the rest faster.
static bool is_for_trace(kinds kinds, int isa) {
  switch (kinds) {
    case ANY: return false;
    case LINEAR: case TRANSFORM: return isa == CK_AVX512;
    case AES: return isa >= CK_AES_256;
    case BLOCKS: return isa == CK_AES_512;
  }
  return false;
}

static const char *name_of(kinds kinds, int isa) {
  static const char *const vectors[] = {"portable", "avx2", "avx512"}, *const blocks[] = {"portable", "128", "256", "512"};
  if (kinds == ANY) return "portable";
  return kinds == AES || kinds == BLOCKS ? blocks[isa] : isa < 3 ? vectors[isa] : "";
}

#define TRACES 6

/// Jumps or addresses that depended on secrets, or traces that differed from the first.
static unsigned failures_of(const ct_case *test, int isa) {
  if (!is_traced) {
    const unsigned before = VALGRIND_COUNT_ERRORS;
    state = 1;
    test->body(isa);
    release();
    return VALGRIND_COUNT_ERRORS - before;
  }
  unsigned different = 0;
  uint64_t hash = 0;
  // The first run only warms up: it resolves the addresses of library functions.
  for (uint64_t seed = 0; seed <= TRACES; seed++) {
    state = seed;
    test->body(isa);
    release();
    if (seed <= 1) hash = trace_hash;
    if (trace_length == 0) abort();
    different += trace_hash != hash;
  }
  return different;
}

static unsigned run(const ct_case *cases, unsigned *runs) {
  unsigned failed = 0;
  for (const ct_case *test = cases; test->name; test++) {
    for (int isa = 0; isa < 4; isa++) {
      if (!is_available(test->kinds, isa) || (is_traced && !is_for_trace(test->kinds, isa))) continue;
      const unsigned failures = failures_of(test, isa);
      *runs += 1;
      if (!failures) continue;
      failed++;
      printf("FAILED: %s (%s), %u times\n", test->name, name_of(test->kinds, isa), failures);
      fflush(stdout);
    }
  }
  return failed;
}

int main(int argc, char **argv) {
  is_traced = argc == 2 && !strcmp(argv[1], "--trace");
  if (!is_traced && !RUNNING_ON_VALGRIND) {
    fprintf(stderr, "constant-time: run this under valgrind, or with --trace\n");
    return 2;
  }
  if (is_traced) {
    struct sigaction action = {.sa_sigaction = step, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, 0);
  }
  const ct_case jump = {"jump", ANY, jump_on_secret}, address = {"address", ANY, address_of_secret};
  if (!failures_of(&jump, 0) || (!is_traced && !failures_of(&address, 0))) {
    fprintf(stderr, "constant-time: a jump or an address that depends on a secret went unseen\n");
    return 2;
  }
  unsigned runs = 0;
  const unsigned failed = run(ct_integer_cases, &runs) + run(ct_lattice_cases, &runs) + run(ct_transfer_cases, &runs);
  printf("%s: %u of %u kernels and instruction sets failed\n", is_traced ? "traced" : "memcheck", failed, runs);
  return failed ? 1 : 0;
}
