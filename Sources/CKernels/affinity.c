// What the benchmarks ask of the system that Swift's C library does not show.
#define _GNU_SOURCE
#include <sched.h>

#include "include/CKernels.h"

#if defined(__linux__)
#include <malloc.h>

bool ck_pin_to_core(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

void ck_release_memory(void) { malloc_trim(0); }

void ck_keep_memory(void) {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  mallopt(M_TOP_PAD, 64 << 20);
}
#else
bool ck_pin_to_core(int core) {
  (void)core;
  return false;
}

void ck_release_memory(void) {}
void ck_keep_memory(void) {}
#endif
