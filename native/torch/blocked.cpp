#include "blocked.h"

#include <ATen/Parallel.h>
#include <algorithm>

#include "vectors.h"

namespace graft {
namespace {

// e^x to 2 units in the last place between -87 and 88; beyond, its value there. x = n log 2 + r, and Taylor's series of e^r.
INLINE Floats exponential(Floats x) {
    x = chosen(x < all(-87.0f), all(-87.0f), x);
    x = chosen(x > all(88.0f), all(88.0f), x);
    constexpr float rounder = 12582912.0f;  // 1.5 * 2^23: adding it leaves an integer in the low bits
    const Floats shifted = x * 1.44269504088896341f + rounder;
    const Floats n = shifted - rounder;
    const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    Floats p = all(1.0f / 5040);
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    const Ints power = (Ints)shifted - 0x4B400000 + 127;
    return p * (Floats)(power << 23);
}

INLINE Floats sigmoid(Floats x) { return 1.0f / (1.0f + exponential(-x)); }

FOR_EACH_PROCESSOR void to_blocks_part(Sizes s, const float* x, float* y, float* sum, int64_t from, int64_t to) {
    const auto positions = s.positions;
    for (int64_t block = from; block < to; block++) {
        const auto row = block * B, first = row * positions;
        Floats sums{};
        for (int64_t p = 0; p < positions; p += B) {
            const auto count = std::min<int64_t>(B, positions - p);
            Floats t[B];
            for (int c = 0; c < B; c++) t[c] = load(x + first + c * positions + p, count);
            transpose(t);
            for (int64_t k = 0; k < count; k++) {
                store(y + first + (p + k) * B, t[k]);
                sums += t[k];
            }
        }
        if (sum != nullptr) store(sum + row, sums);
    }
}

FOR_EACH_PROCESSOR void from_blocks_part(
    Sizes s, const float* x, const float* bias, const float* residual, float* y, int64_t from, int64_t to) {
    const auto positions = s.positions;
    for (int64_t block = from; block < to; block++) {
        const auto row = block * B, first = row * positions;
        const Floats shift = bias == nullptr ? Floats{} : load(bias + row % s.channels);
        for (int64_t p = 0; p < positions; p += B) {
            const auto count = std::min<int64_t>(B, positions - p);
            Floats t[B]{};
            for (int64_t k = 0; k < count; k++) t[k] = load(x + first + (p + k) * B) + shift;
            transpose(t);
            for (int c = 0; c < B; c++) {
                const auto at = first + c * positions + p;
                store(y + at, residual == nullptr ? t[c] : t[c] + load(residual + at, count), count);
            }
        }
    }
}

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

FOR_EACH_PROCESSOR void silu_part(Sizes s, const float* x, const float* a, const float* b, float* y, int64_t from, int64_t to) {
    const auto positions = s.positions;
    for (int64_t block = from; block < to; block++) {
        const auto row = block * B, first = row * positions;
        for (int64_t p = 0; p < positions; p += B) {
            const auto count = std::min<int64_t>(B, positions - p);
            Floats t[B];
            for (int c = 0; c < B; c++) {
                const Floats z = load(x + first + c * positions + p, count) * a[row + c] + b[row + c];
                t[c] = z * sigmoid(z);
            }
            transpose(t);
            for (int64_t k = 0; k < count; k++) store(y + first + (p + k) * B, t[k]);
        }
    }
}

FOR_EACH_PROCESSOR void silu_backward_part(
    Sizes s, const float* x, const float* a, const float* b, const float* mean, float* dy, float* y, float* sum, float* product,
    int64_t from, int64_t to) {
    const auto positions = s.positions;
    for (int64_t block = from; block < to; block++) {
        const auto row = block * B, first = row * positions;
        const Floats slope = load(a + row), shift = load(b + row), middle = load(mean + row);
        Floats sums{}, products{};
        for (int64_t p = 0; p < positions; p += B) {
            const auto count = std::min<int64_t>(B, positions - p);
            Floats t[B];
            for (int c = 0; c < B; c++) t[c] = load(x + first + c * positions + p, count);
            transpose(t);  // from here on a vector is sixteen channels of one place
            for (int64_t k = 0; k < count; k++) {
                const auto at = first + (p + k) * B;
                const Floats z = t[k] * slope + shift;
                const Floats gate = sigmoid(z);
                if (y != nullptr) store(y + at, z * gate);
                const Floats dz = load(dy + at) * (gate + z * gate * (1.0f - gate));
                store(dy + at, dz);
                sums += dz;
                products += dz * (t[k] - middle);
            }
        }
        store(sum + row, sums);
        store(product + row, products);
    }
}

FOR_EACH_PROCESSOR void norm_backward_part(
    Sizes s, const float* dz, const float* x, const float* a, const float* b, const float* c, float* dx, int64_t from, int64_t to) {
    const auto positions = s.positions;
    for (int64_t block = from; block < to; block++) {
        const auto row = block * B, first = row * positions;
        const Floats slope = load(a + row);
        for (int64_t p = 0; p < positions; p += B) {
            const auto count = std::min<int64_t>(B, positions - p);
            Floats t[B]{};
            for (int64_t k = 0; k < count; k++) t[k] = load(dz + first + (p + k) * B) * slope;
            transpose(t);
            for (int k = 0; k < B; k++) {
                const auto at = first + k * positions + p;
                store(dx + at, t[k] + load(x + at, count) * b[row + k] + c[row + k], count);
            }
        }
    }
}

template <class F>
void in_parallel(int64_t items, int64_t work, F&& f) {
    // Below some ten thousand numbers a second thread costs more than it does.
    at::parallel_for(0, items, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, work)), f);
}

template <class F>
void each_block(Sizes s, F&& f) {
    in_parallel(s.rows() / B, B * s.positions, f);
}

}  // namespace

void to_blocks(Sizes s, const float* x, float* y, float* sum) {
    each_block(s, [&](int64_t from, int64_t to) { to_blocks_part(s, x, y, sum, from, to); });
}

void from_blocks(Sizes s, const float* x, const float* bias, const float* residual, float* y) {
    each_block(s, [&](int64_t from, int64_t to) { from_blocks_part(s, x, bias, residual, y, from, to); });
}

void row_moments(Sizes s, const float* x, float* mean, float* squares) {
    in_parallel(s.rows(), s.positions, [&](int64_t from, int64_t to) { moments_part(s, x, mean, squares, from, to); });
}

void silu_to_blocks(Sizes s, const float* x, const float* a, const float* b, float* y) {
    each_block(s, [&](int64_t from, int64_t to) { silu_part(s, x, a, b, y, from, to); });
}

void silu_backward(Sizes s, const float* x, const float* a, const float* b, const float* mean, float* dy, float* y, float* sum, float* product) {
    each_block(s, [&](int64_t from, int64_t to) { silu_backward_part(s, x, a, b, mean, dy, y, sum, product, from, to); });
}

void norm_backward(Sizes s, const float* dz, const float* x, const float* a, const float* b, const float* c, float* dx) {
    each_block(s, [&](int64_t from, int64_t to) { norm_backward_part(s, dz, x, a, b, c, dx, from, to); });
}

}  // namespace graft
