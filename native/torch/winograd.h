// 3x3 convolutions, stride 1, zeros at the edges, by Winograd's F(4x4, 3x3) (Lavin & Gray 2016), a quarter of the multiplications. Single
// precision, channels in multiples of sixteen, [N, C, H, W] row-major in and out. What stands before and behind a convolution in a residual block
// (SiLU of a norm, bias, what is added), and a picture's doubling, is part of the loops that read and write its tiles. Includes nothing of
// libtorch's: it is compiled for AVX-512 alone, and an inline function of a common header must not come out of here.
#pragma once
#include <cstdint>

namespace graft::winograd {

constexpr int64_t channel_block = 16;

// Rows of x are [pictures * inputs, seen()], those of y [pictures * outputs, height * width]. Doubled: the convolution sees each of x's places
// twice in both directions (the nearest neighbour's way of enlarging).
struct Shape {
    int64_t pictures, inputs, outputs, height, width;
    bool doubled = false;
    int64_t positions() const { return height * width; }
    int64_t seen() const { return doubled ? positions() / 4 : positions(); }
    int64_t down() const { return (height + 3) / 4; }
    int64_t across() const { return (width + 3) / 4; }
    int64_t tiles() const { return down() * across(); }
    // From one of the 36 places' weights to the next: a line more than they take, so that not all 36 come to one place of the cache.
    int64_t place() const { return inputs * outputs + channel_block; }
};

constexpr int64_t places = 36;  // a tile of 4x4 has 6x6 transformed places

// How many pictures one pass takes, so that their tiles stay in the cache near a core while its weights are used often enough; more where
// it also adds to the weights' gradient, which is read and written.
int64_t at_once(const Shape& shape, bool adds_gradient);

// Numbers that a pass over so many pictures needs for itself.
int64_t forward_scratch(const Shape& shape, int64_t pictures);
int64_t backward_scratch(const Shape& shape, int64_t pictures);

// w: [outputs, inputs, 3, 3]. u: [36, inputs, outputs], place() from one of the 36 to the next, for the inputs from..to.
void transform_weight(const Shape& shape, int64_t from, int64_t to, const float* w, float* u);

// For what flows back, turned by half a turn, [36, outputs, inputs], for the outputs from..to.
void transform_weight_back(const Shape& shape, int64_t from, int64_t to, const float* w, float* u);

// du: as u; dw: [outputs, inputs, 3, 3], for the inputs from..to.
void weight_gradient(const Shape& shape, int64_t from, int64_t to, const float* du, float* dw);

struct Forward {
    const float* x;
    const float *a, *b;      // of each row: the convolution sees silu(a x + b); null: x itself
    const float* u;          // by transform_weight
    const float* bias;       // [outputs], or null
    const float* residual;   // rows like y, or null
    float* y;
};

// Pictures from..to.
void forward(const Shape& shape, int64_t from, int64_t to, const Forward& task, float* scratch);

struct Backward {
    const float* dy;
    const float* u_back;     // by transform_weight_back; null: the gradients before the convolution are not wanted
    const float *x, *a, *b;  // as forwards; x may be null where du and a are
    const float* mean;       // of each row of x, where a is given
    float* dz;               // rows like x: the gradient of a x + b, or of x where a is null
    float *sum, *product;    // of each row: sum dz, sum dz (x - mean); null where a is
    float* du;               // [36, inputs, outputs], to which the gradient is added; null: not wanted
    float* dy_sum;           // of each row of dy: its sum; or null
};

void backward(const Shape& shape, int64_t from, int64_t to, const Backward& task, float* scratch);

}  // namespace graft::winograd
