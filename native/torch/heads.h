// Attention of one head at a time, softmax(scale qᵀk) vᵀ, over feature maps as they lie: q, k, v and the output are [size, positions]. Scores live a
// few columns at a time and are computed anew on the way back. Single precision, at least sixteen positions. Compiled for AVX-512 alone, as winograd.h.
#pragma once
#include <cstdint>

namespace graft::heads {

struct Shape {
    int64_t heads, size, positions;  // of one picture
    float scale;
};

// How many numbers scratch holds.
int64_t scratch_of(const Shape& shape);

// Heads from..to of all pictures' in a row. qkv: [N, 3, heads, size, positions]; y: [N, heads, size, positions]. Of each softmax, [N, heads, positions]:
// the greatest score, and 1 over the sum of the exponentials of what lies below it.
void forward(const Shape& shape, int64_t from, int64_t to, const float* qkv, float* y, float* greatest, float* share, float* scratch);

void backward(const Shape& shape, int64_t from, int64_t to, const float* qkv, const float* y, const float* greatest, const float* share, const float* dy,
              float* dqkv, float* scratch);

}  // namespace graft::heads
