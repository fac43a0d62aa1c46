// libpng's simplified API (png_image_*); its function-like macros do not import into Swift.
#pragma once
#include <png.h>
