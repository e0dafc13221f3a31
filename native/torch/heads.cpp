#include "heads.h"

#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512DQ__) && defined(__GNUC__)
#include "avx512.h"
#include "multiply.h"

namespace graft::heads {

namespace {

// Columns of scores that are worked on together: products want two vectors of them, and all rows of two such matrices a place in the second cache.
int64_t columns_of(const Shape& s) { return s.positions <= 4 * B ? s.positions : s.positions <= 2048 ? 2 * B : B; }

int64_t padded(int64_t columns) { return (columns + B - 1) / B * B; }

struct Head {
    const float *q, *k, *v;
};

Head head_of(const Shape& s, const float* qkv, int64_t index) {
    const int64_t one = s.size * s.positions, all = s.heads * one;
    const float* q = qkv + index / s.heads * 3 * all + index % s.heads * one;
    return {q, q + all, q + 2 * all};
}

// Blocks of columns; the last overlaps the one before, and both write the same.
template <class F>
void each_block(const Shape& s, F f) {
    const int64_t columns = columns_of(s);
    for (int64_t at = 0; at < s.positions; at += columns) f(at + columns > s.positions ? s.positions - columns : at);
}

// Some columns of [size, positions], times a factor, as rows that lie ld apart.
void cut(const Shape& s, const float* x, int64_t at, int64_t columns, int64_t ld, float factor, float* y) {
    for (int64_t d = 0; d < s.size; d++)
        for (int64_t c = 0; c < columns; c += B) {
            const auto which = first(columns - c < B ? columns - c : B);
            store(y + d * ld + c, factor * load_some(x + d * s.positions + at + c, which));
        }
}

void write(const Shape& s, const float* y, int64_t at, int64_t columns, int64_t ld, float factor, float* x) {
    for (int64_t d = 0; d < s.size; d++)
        for (int64_t c = 0; c < columns; c += B) {
            const auto which = first(columns - c < B ? columns - c : B);
            store_some(x + d * s.positions + at + c, factor * load(y + d * ld + c), which);
        }
}

// rows [positions, columns] = aᵀ b of a [size, positions] and b [size, columns].
void scores(const Shape& s, const float* a, const float* b, int64_t ld, float* rows) {
    multiply<true>(s.positions, ld, s.size, a, 1, s.positions, b, ld, rows, ld, false);
}

// y [size, columns] = x rows of x [size, positions].
void mix(const Shape& s, const float* x, const float* rows, int64_t ld, float* y) {
    multiply<false>(s.size, ld, s.positions, x, s.positions, 1, rows, ld, y, ld, false);
}

}  // namespace

int64_t scratch_of(const Shape& s) { return padded(columns_of(s)) * (2 * s.positions + 2 * s.size) + padded(s.positions); }

void forward(const Shape& s, int64_t from, int64_t to, const float* qkv, float* y, float* greatest, float* share, float* scratch) {
    const int64_t columns = columns_of(s), ld = padded(columns);
    float *rows = scratch, *some = rows + ld * s.positions;
    for (int64_t h = from; h < to; h++) {
        const auto head = head_of(s, qkv, h);
        each_block(s, [&](int64_t at) {
            cut(s, head.q, at, columns, ld, s.scale, some);
            scores(s, head.k, some, ld, rows);
            for (int64_t c = 0; c < ld; c += B) {
                Floats most = load(rows + c), sum{};
                for (int64_t j = 1; j < s.positions; j++) most = (Floats)_mm512_max_ps((__m512)most, (__m512)load(rows + j * ld + c));
                for (int64_t j = 0; j < s.positions; j++) {
                    const Floats e = exponential(load(rows + j * ld + c) - most);
                    store(rows + j * ld + c, e);
                    sum += e;
                }
                const auto which = first(columns - c < B ? columns - c : B);
                store_some(greatest + h * s.positions + at + c, most, which);
                store_some(share + h * s.positions + at + c, 1.0f / sum, which);
            }
            mix(s, head.v, rows, ld, some);
            float* out = y + h * s.size * s.positions + at;
            for (int64_t c = 0; c < ld; c += B) {
                const auto which = first(columns - c < B ? columns - c : B);
                const Floats part = load_some(share + h * s.positions + at + c, which);
                for (int64_t d = 0; d < s.size; d++) store_some(out + d * s.positions + c, part * load(some + d * ld + c), which);
            }
        });
    }
}

void backward(const Shape& s, int64_t from, int64_t to, const float* qkv, const float* y, const float* greatest, const float* share, const float* dy,
              float* dqkv, float* scratch) {
    const int64_t columns = columns_of(s), ld = padded(columns), one = s.size * s.positions;
    float *rows = scratch, *drows = rows + ld * s.positions, *some = drows + ld * s.positions, *result = some + ld * s.size, *drift = result + ld * s.size;
    for (int64_t h = from; h < to; h++) {
        const auto head = head_of(s, qkv, h);
        const float *out = y + h * one, *dout = dy + h * one, *most = greatest + h * s.positions, *part = share + h * s.positions;
        float* dq = dqkv + (head.q - qkv);
        float* dk = dqkv + (head.k - qkv);
        float* dv = dqkv + (head.v - qkv);
        // Σ p dp of each softmax is Σ y dy.
        for (int64_t i = 0; i < s.positions; i += B) {
            const auto which = first(s.positions - i < B ? s.positions - i : B);
            Floats sum{};
            for (int64_t d = 0; d < s.size; d++) sum += load_some(out + d * s.positions + i, which) * load_some(dout + d * s.positions + i, which);
            store_some(drift + i, sum, which);
        }
        // Columns are queries: dq.
        each_block(s, [&](int64_t at) {
            cut(s, head.q, at, columns, ld, s.scale, some);
            scores(s, head.k, some, ld, rows);
            cut(s, dout, at, columns, ld, 1, some);
            scores(s, head.v, some, ld, drows);
            for (int64_t c = 0; c < ld; c += B) {
                const auto which = first(columns - c < B ? columns - c : B);
                const Floats m = load_some(most + at + c, which), p = load_some(part + at + c, which), r = load_some(drift + at + c, which);
                for (int64_t j = 0; j < s.positions; j++) {
                    float* row = rows + j * ld + c;
                    store(row, exponential(load(row) - m) * p * (load(drows + j * ld + c) - r));
                }
            }
            mix(s, head.k, rows, ld, result);
            write(s, result, at, columns, ld, s.scale, dq);
        });
        // Columns are keys: dv and dk.
        each_block(s, [&](int64_t at) {
            cut(s, head.k, at, columns, ld, s.scale, some);
            scores(s, head.q, some, ld, rows);
            for (int64_t i = 0; i < s.positions; i++)
                for (int64_t c = 0; c < ld; c += B) {
                    float* row = rows + i * ld + c;
                    store(row, exponential(load(row) - all(most[i])) * all(part[i]));
                }
            mix(s, dout, rows, ld, result);
            write(s, result, at, columns, ld, 1, dv);
            cut(s, head.v, at, columns, ld, 1, some);
            scores(s, dout, some, ld, drows);
            for (int64_t i = 0; i < s.positions; i++)
                for (int64_t c = 0; c < ld; c += B) {
                    float* row = rows + i * ld + c;
                    store(row, load(row) * (load(drows + i * ld + c) - all(drift[i])));
                }
            mix(s, head.q, rows, ld, result);
            write(s, result, at, columns, ld, s.scale, dk);
        });
    }
}

}  // namespace graft::heads

#else

namespace graft::heads {

int64_t scratch_of(const Shape&) { return 0; }
void forward(const Shape&, int64_t, int64_t, const float*, float*, float*, float*, float*) {}
void backward(const Shape&, int64_t, int64_t, const float*, const float*, const float*, const float*, const float*, float*, float*) {}

}  // namespace graft::heads
#endif
