// Layout of convolution inputs: planes in which each tap of a band of output rows is one contiguous run.
#include "include/CKernels.h"

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

size_t ck_band_planes_per_channel(const ck_band *band) {
  return (size_t)smaller(band->stride_height, band->kernel_height) * band->kernel_width;
}

size_t ck_band_plane_rows(const ck_band *band) {
  return (size_t)band->row_count + (band->kernel_height - 1) / band->stride_height;
}

static void fill_row(const ck_band *band, const uint64_t *source, uint32_t column, uint64_t *out) {
  // Output x reads column x * stride + column - pad_left; [first, last) of them lie in the image.
  const int64_t stride = band->stride_width, shift = (int64_t)column - band->pad_left;
  int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
  int64_t last = (int64_t)band->in_width - shift <= 0 ? 0 : ((int64_t)band->in_width - shift + stride - 1) / stride;
  if (last > band->out_width) last = band->out_width;
  if (first > last) first = last;
  int64_t x = 0;
  for (; x < first; x++) out[x] = band->offset;
  if (stride == 1) {
    const uint64_t *in = source + shift;
    for (; x < last; x++) out[x] = in[x] ^ band->offset;
  } else {
    for (; x < last; x++) out[x] = source[x * stride + shift] ^ band->offset;
  }
  for (; x < band->out_width; x++) out[x] = band->offset;
}

void ck_band_fill(const ck_band *band, const uint64_t *input, uint64_t *planes) {
  const uint32_t phases = smaller(band->stride_height, band->kernel_height);
  const size_t rows = ck_band_plane_rows(band), width = band->out_width;
  for (uint32_t channel = 0; channel < band->channels; channel++) {
    const uint64_t *image = input + (size_t)channel * band->in_height * band->in_width;
    for (uint32_t phase = 0; phase < phases; phase++) {
      for (uint32_t column = 0; column < band->kernel_width; column++) {
        for (size_t row = 0; row < rows; row++) {
          const int64_t y = ((int64_t)band->row_begin + (int64_t)row) * band->stride_height + phase - band->pad_top;
          uint64_t *out = planes + row * width;
          if (y < 0 || y >= band->in_height) {
            for (size_t x = 0; x < width; x++) out[x] = band->offset;
          } else {
            fill_row(band, image + (size_t)y * band->in_width, column, out);
          }
        }
        planes += band->plane_stride;
      }
    }
  }
}

void ck_band_offsets(const ck_band *band, uint32_t *offsets) {
  const size_t per_channel = ck_band_planes_per_channel(band);
  for (uint32_t channel = 0; channel < band->channels; channel++) {
    for (uint32_t row = 0; row < band->kernel_height; row++) {
      const uint32_t phase = row % band->stride_height, down = row / band->stride_height;
      for (uint32_t column = 0; column < band->kernel_width; column++) {
        const size_t plane = channel * per_channel + (size_t)phase * band->kernel_width + column;
        *offsets++ = (uint32_t)(plane * band->plane_stride + (size_t)down * band->out_width);
      }
    }
  }
}
