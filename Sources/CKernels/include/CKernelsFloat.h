// Float32 kernels of the trainer: convolutions over planes with a border of zeros, 3x3 of stride 1, and depthwise of any
// kernel. No secrets here: branches and addresses may depend on anything.
#ifndef POLYMPC_CKERNELS_FLOAT_H
#define POLYMPC_CKERNELS_FLOAT_H

#include "CKernels.h"

/// True where this processor runs the float kernels of `isa`. Variants differ in the order of their sums.
bool ck_float_isa_available(ck_isa isa);

/// Floats that the kernels may read beyond the last row of a plane, and write beyond `span`; they must be finite.
#define CK_FLOAT_OVERREAD 128

/// Four output channels of a 3x3 convolution: `out[o * out_stride + p]` for 0 <= p < span is the sum over channels c and taps
/// (i, j) of `weights[(c * 9 + 3 i + j) * 4 + o] * planes[c * plane_stride + p + i * pitch + j]`.
void ck_conv3_forward(ck_isa isa, const float *planes, size_t plane_stride, unsigned channels, size_t pitch, size_t span,
                      const float *weights, float *out, size_t out_stride);

/// Adds the gradient of the weights: `out[(o * channels + c) * 9 + 3 i + j]` takes the sum over samples s and 0 <= p < span of
/// `gradients[o * gradient_stride + s * sample_stride + p] * planes[c * plane_stride + s * sample_stride + p + i * pitch + j]`,
/// where gradients beyond the picture are zero, up to the next multiple of 16 positions. `outputs` is a multiple of 4.
void ck_conv3_weights(ck_isa isa, const float *planes, size_t plane_stride, unsigned channels, const float *gradients,
                      size_t gradient_stride, unsigned outputs, size_t sample_stride, unsigned samples, size_t pitch,
                      size_t span, float *out);

/// `out[p]` for 0 <= p < span is the sum over taps t of `weights[t] * plane[offsets[t] + p]`.
void ck_taps_forward(ck_isa isa, const float *plane, const ptrdiff_t *offsets, unsigned taps, const float *weights,
                     size_t span, float *out);

/// Adds to `out[t]` the sum over 0 <= p < span of `gradients[p] * plane[offsets[t] + p]`, where gradients are zero from `span`
/// up to the next multiple of 16.
void ck_taps_weights(ck_isa isa, const float *plane, const ptrdiff_t *offsets, unsigned taps, const float *gradients,
                     size_t span, float *out);

#endif
