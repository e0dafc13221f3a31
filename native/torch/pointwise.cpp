#include "pointwise.h"

#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512DQ__) && defined(__GNUC__)
#include "avx512.h"
#include "multiply.h"

namespace graft::pointwise {

namespace {

void activate(int64_t count, const float* x, float* y) {
    for (int64_t i = 0; i < count; i += B) {
        const auto which = first(count - i < B ? count - i : B);
        const Floats v = load_some(x + i, which);
        store_some(y + i, v * sigmoid(v), which);
    }
}

void activate_backward(int64_t count, const float* x, float* dy) {
    for (int64_t i = 0; i < count; i += B) {
        const auto which = first(count - i < B ? count - i : B);
        const Floats v = load_some(x + i, which), gate = sigmoid(v);
        store_some(dy + i, load_some(dy + i, which) * (gate + v * gate * (1.0f - gate)), which);
    }
}

}  // namespace

void forward(const Shape& s, int64_t from, int64_t to, const float* x, bool activated, const float* w, const float* bias, const float* residual,
             float* y, float* scratch) {
    for (int64_t n = from; n < to; n++) {
        const float* in = x + n * s.inputs * s.positions;
        if (activated) {
            activate(s.inputs * s.positions, in, scratch);
            in = scratch;
        }
        const auto begin = n * s.outputs * s.positions;
        multiply<false>(s.outputs, s.positions, s.inputs, w, s.inputs, 1, in, s.positions, y + begin, s.positions, false);
        if (bias == nullptr && residual == nullptr) continue;
        for (int64_t k = 0; k < s.outputs; k++) {
            const float shift = bias == nullptr ? 0 : bias[k];
            float* row = y + begin + k * s.positions;
            if (residual == nullptr)
                for (int64_t p = 0; p < s.positions; p++) row[p] += shift;
            else
                for (int64_t p = 0; p < s.positions; p++) row[p] += shift + residual[begin + k * s.positions + p];
        }
    }
}

void backward_input(const Shape& s, int64_t from, int64_t to, const float* x, bool activated, const float* dy, const float* w, float* dx) {
    for (int64_t n = from; n < to; n++) {
        const auto begin = n * s.inputs * s.positions;
        multiply<true>(s.inputs, s.positions, s.outputs, w, 1, s.inputs, dy + n * s.outputs * s.positions, s.positions, dx + begin, s.positions, false);
        if (activated) activate_backward(s.inputs * s.positions, x + begin, dx + begin);
    }
}

void backward_weight(const Shape& s, int64_t from, int64_t to, const float* x, bool activated, const float* dy, float* dw, float* scratch) {
    for (int64_t n = from; n < to; n++) {
        // What the convolution saw of this picture with its positions as rows: [positions, inputs].
        const float* in = x + n * s.inputs * s.positions;
        for (int64_t c = 0; c < s.inputs; c += B)
            for (int64_t p = 0; p < s.positions; p += B) {
                const auto count = s.positions - p < B ? s.positions - p : B;
                const auto which = first(count);
                Floats t[B];
#pragma GCC unroll 4
                for (int k = 0; k < B; k++) {
                    t[k] = load_some(in + (c + k) * s.positions + p, which);
                    if (activated) t[k] *= sigmoid(t[k]);
                }
                transpose(t);
                for (int64_t k = 0; k < count; k++) store(scratch + (p + k) * s.inputs + c, t[k]);
            }
        multiply<false>(s.outputs, s.inputs, s.positions, dy + n * s.outputs * s.positions, s.positions, 1, scratch, s.inputs, dw, s.inputs, true);
    }
}

}  // namespace graft::pointwise

#else

namespace graft::pointwise {

void forward(const Shape&, int64_t, int64_t, const float*, bool, const float*, const float*, const float*, float*, float*) {}
void backward_input(const Shape&, int64_t, int64_t, const float*, bool, const float*, const float*, float*) {}
void backward_weight(const Shape&, int64_t, int64_t, const float*, bool, const float*, float*, float*) {}

}  // namespace graft::pointwise
#endif
