// Memcheck's client requests for Swift, which does not see macros.
#include <stddef.h>
#include <valgrind/memcheck.h>

static inline void ct_hide(const void *memory, size_t bytes) { VALGRIND_MAKE_MEM_UNDEFINED(memory, bytes); }
static inline void ct_reveal(const void *memory, size_t bytes) { VALGRIND_MAKE_MEM_DEFINED(memory, bytes); }
static inline unsigned ct_errors(void) { return VALGRIND_COUNT_ERRORS; }
static inline unsigned ct_is_watched(void) { return RUNNING_ON_VALGRIND; }
