#ifndef POLYMPC_CGMP_SHIM_H
#define POLYMPC_CGMP_SHIM_H
#include <gmp.h>
#endif
