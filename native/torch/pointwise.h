// 1x1 convolutions as products of matrices on activations as they lie, [C, H*W] of each picture: libtorch's way changes the order of memory before and
// behind. Single precision, at least sixteen positions, inputs in multiples of sixteen. Compiled for AVX-512 alone, as winograd.h.
#pragma once
#include <cstdint>

namespace graft::pointwise {

struct Shape {
    int64_t pictures, inputs, outputs, positions;
};

// Pictures from..to. x: [N, inputs, positions], which the convolution sees through SiLU where it is activated; w: [outputs, inputs]; bias: [outputs]
// or null; residual: like y, or null; y: [N, outputs, positions]. scratch holds inputs * positions numbers.
void forward(const Shape& shape, int64_t from, int64_t to, const float* x, bool activated, const float* w, const float* bias, const float* residual,
             float* y, float* scratch);

// x only where it is activated.
void backward_input(const Shape& shape, int64_t from, int64_t to, const float* x, bool activated, const float* dy, const float* w, float* dx);

// Added to dw [outputs, inputs]; scratch holds inputs * positions numbers.
void backward_weight(const Shape& shape, int64_t from, int64_t to, const float* x, bool activated, const float* dy, float* dw, float* scratch);

}  // namespace graft::pointwise
