// Loops over the rows of activations, [N * C, H * W], single precision: what a norm needs around the convolution of winograd.h.
#pragma once
#include <cstdint>

namespace graft {

struct Sizes {
    int64_t rows, positions;
};

// For each row: the mean, and the sum of squared distances from it.
void row_moments(Sizes sizes, const float* x, float* mean, float* squares);

// dx = a dx + b x + c, with a, b and c of each row.
void norm_backward(Sizes sizes, const float* x, const float* a, const float* b, const float* c, float* dx);

}  // namespace graft
