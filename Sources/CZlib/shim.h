#ifndef POLYMPC_CZLIB_SHIM_H
#define POLYMPC_CZLIB_SHIM_H

#include <zlib.h>

#endif
