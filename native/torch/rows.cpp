#include "rows.h"

#include <ATen/Parallel.h>
#include <algorithm>

#include "vectors.h"

namespace graft {
namespace {

FOR_EACH_PROCESSOR void moments_part(Sizes s, const float* x, float* mean, float* squares, int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++) {
        const float* p = x + row * s.positions;
        const auto whole = s.positions / B * B;
        Floats sums{};
        for (int64_t k = 0; k < whole; k += B) sums += load(p + k);
        double sum = 0;
        for (int k = 0; k < B; k++) sum += sums[k];
        for (auto k = whole; k < s.positions; k++) sum += p[k];
        const auto middle = static_cast<float>(sum / static_cast<double>(s.positions));
        Floats distances{};
        for (int64_t k = 0; k < whole; k += B) {
            const Floats d = load(p + k) - middle;
            distances += d * d;
        }
        double distance = 0;
        for (int k = 0; k < B; k++) distance += distances[k];
        for (auto k = whole; k < s.positions; k++) distance += static_cast<double>(p[k] - middle) * (p[k] - middle);
        mean[row] = middle;
        squares[row] = static_cast<float>(distance);
    }
}

FOR_EACH_PROCESSOR void norm_backward_part(
    Sizes s, const float* x, const float* a, const float* b, const float* c, float* dx, int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++) {
        const float slope = a[row], tilt = b[row], level = c[row];
        const auto first = row * s.positions;
        for (int64_t k = first; k < first + s.positions; k++) dx[k] = slope * dx[k] + tilt * x[k] + level;
    }
}

template <class F>
void each_row(Sizes s, F&& f) {
    // Below some ten thousand numbers a second thread costs more than it does.
    at::parallel_for(0, s.rows, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, s.positions)), f);
}

}  // namespace

void row_moments(Sizes s, const float* x, float* mean, float* squares) {
    each_row(s, [&](int64_t from, int64_t to) { moments_part(s, x, mean, squares, from, to); });
}

void norm_backward(Sizes s, const float* x, const float* a, const float* b, const float* c, float* dx) {
    each_row(s, [&](int64_t from, int64_t to) { norm_backward_part(s, x, a, b, c, dx, from, to); });
}

}  // namespace graft
