#ifndef POLYMPC_COPENBLAS_SHIM_H
#define POLYMPC_COPENBLAS_SHIM_H

#include <cblas.h>

#endif
