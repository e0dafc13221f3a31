// Products of matrices that fit a core's cache, in registers: up to 24 vectors of sums at once. For files that are compiled for AVX-512.
#pragma once
#include <cstdint>
#include <utility>

#include "vectors.h"

namespace graft {

// c[m, n] (+)= sum over k < depth of a(m, k) b[k, n] for R rows and W vectors of n. a(m, k) = a[m row + k step]; RowsAreNext: row is 1.
template <int R, int W, bool RowsAreNext>
void multiply_block(const float* a, int64_t row_, int64_t step, int64_t depth, const float* b, int64_t ldb, float* c, int64_t ldc, bool add) {
    const int64_t row = RowsAreNext ? 1 : row_;
    Floats sums[R][W];
#pragma GCC unroll 24
    for (int m = 0; m < R; m++)
#pragma GCC unroll 4
        for (int n = 0; n < W; n++) sums[m][n] = add ? load(c + m * ldc + n * B) : Floats{};
    // One pointer for three rows: an address is a register and one, two or no strides.
    constexpr int pointers = (R + 2) / 3;
    const float* at[pointers];
#pragma GCC unroll 8
    for (int p = 0; p < pointers; p++) at[p] = a + 3 * p * row;
    for (int64_t k = 0; k < depth; k++, b += ldb) {
        Floats right[W];
#pragma GCC unroll 4
        for (int n = 0; n < W; n++) right[n] = load(b + n * B);
#pragma GCC unroll 24
        for (int m = 0; m < R; m++) {
            const float left = at[m / 3][m % 3 * row];
#pragma GCC unroll 4
            for (int n = 0; n < W; n++) sums[m][n] += left * right[n];
        }
#pragma GCC unroll 8
        for (int p = 0; p < pointers; p++) at[p] += step;
    }
#pragma GCC unroll 24
    for (int m = 0; m < R; m++)
#pragma GCC unroll 4
        for (int n = 0; n < W; n++) store(c + m * ldc + n * B, sums[m][n]);
}

using MultiplyBlock = void (*)(const float*, int64_t, int64_t, int64_t, const float*, int64_t, float*, int64_t, bool);

template <int W, bool RowsAreNext, int... R>
MultiplyBlock multiply_block_of(int64_t rows, std::integer_sequence<int, R...>) {
    static constexpr MultiplyBlock all[] = {multiply_block<R + 1, W, RowsAreNext>...};
    return all[rows - 1];
}

template <int W, bool RowsAreNext>
void multiply_panel(int64_t rows, const float* a, int64_t row, int64_t step, int64_t depth, const float* b, int64_t ldb, float* c, int64_t ldc, bool add) {
    constexpr int most = W == 1 ? 16 : 24 / W;
    const int64_t blocks = (rows + most - 1) / most;
    for (int64_t i = 0, from = 0; i < blocks; i++) {  // as even as may be: a block of one row waits for its own sums
        const int64_t some = (rows - from) / (blocks - i);
        multiply_block_of<W, RowsAreNext>(some, std::make_integer_sequence<int, most>())(
            a + from * row, row, step, depth, b, ldb, c + from * ldc, ldc, add);
        from += some;
    }
}

// c [rows, columns] (+)= a b; a(m, k) = a[m row + k step], rows of b and c lie ldb and ldc apart. At least sixteen columns, and where it is added to c
// a multiple of them: the last vector of others overlaps the one before.
template <bool RowsAreNext>
void multiply(int64_t rows, int64_t columns, int64_t depth, const float* a, int64_t row, int64_t step, const float* b, int64_t ldb, float* c, int64_t ldc, bool add) {
    for (int64_t n = 0; n < columns;) {
        if (columns - n < B) n = columns - B;
        const int64_t left = (columns - n) / B, wide = left >= 4 ? 4 : left;
        const auto panel = wide == 4   ? multiply_panel<4, RowsAreNext>
                           : wide == 3 ? multiply_panel<3, RowsAreNext>
                           : wide == 2 ? multiply_panel<2, RowsAreNext>
                                       : multiply_panel<1, RowsAreNext>;
        panel(rows, a, row, step, depth, b + n, ldb, c + n, ldc, add);
        n += wide * B;
    }
}

}  // namespace graft
