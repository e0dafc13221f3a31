// Loops over activations that end or begin in blocks of sixteen channels, [N, C/16, H*W, 16], so that changing the order of memory costs no
// pass of its own. Row-major activations are [N, C, H*W]. All single precision.
#pragma once
#include <cstdint>

namespace graft {

struct Sizes {
    int64_t n, channels, positions;
    int64_t rows() const { return n * channels; }
};

// y = x, in blocks. sum[row], where it is not null, is what the row adds up to.
void to_blocks(Sizes sizes, const float* x, float* y, float* sum = nullptr);

// y = x + bias[c] + residual, in rows; bias and residual may be null. residual is row-major.
void from_blocks(Sizes sizes, const float* x, const float* bias, const float* residual, float* y);

// For each row: the mean, and the sum of squared distances from it.
void row_moments(Sizes sizes, const float* x, float* mean, float* squares);

// y = silu(a x + b) in blocks, with a and b of each row.
void silu_to_blocks(Sizes sizes, const float* x, const float* a, const float* b, float* y);

// What flows back through it. dy (blocks) becomes dz, the gradient of a x + b. y (blocks, may be null) is computed anew.
// sum[row] = sum dz, product[row] = sum dz (x - mean[row]).
void silu_backward(Sizes sizes, const float* x, const float* a, const float* b, const float* mean, float* dy, float* y, float* sum, float* product);

// dx = a dz + b x + c in rows, with a, b and c of each row; dz in blocks.
void norm_backward(Sizes sizes, const float* dz, const float* x, const float* a, const float* b, const float* c, float* dx);

}  // namespace graft
