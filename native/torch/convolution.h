// 3x3 convolutions, stride 1, zeros at the edges, by oneDNN on blocked activations: [N, C/16, H, W, 16] in single precision. Winograd's
// F(4x4, 3x3) (Lavin & Gray 2016) where it pays, which takes a quarter of the multiplications; direct kernels on small pictures.
#pragma once
#include "internal.h"

namespace graft {

constexpr int64_t channel_block = 16;

struct ConvolutionShape {
    int64_t n, inputs, outputs, height, width;
};

// Whether the kernels are there for this shape on this processor; asking costs a look into a table.
bool has_blocked_convolution(const ConvolutionShape& shape);

// x and dy: blocked; weight: [K, C, 3, 3], contiguous. The results of the first two are blocked, that of the last is as weight.
at::Tensor convolution_forward(const ConvolutionShape& shape, const at::Tensor& x, const at::Tensor& weight);
at::Tensor convolution_backward_data(const ConvolutionShape& shape, const at::Tensor& dy, const at::Tensor& weight);
at::Tensor convolution_backward_weight(const ConvolutionShape& shape, const at::Tensor& x, const at::Tensor& dy);

}  // namespace graft
