#include "pointwise.h"

#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512DQ__) && defined(__GNUC__)
#include "multiply.h"
#include "vectors.h"

namespace graft::pointwise {

bool on_this_processor() { return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd"); }

void forward(const Shape& s, int64_t from, int64_t to, const float* x, const float* w, const float* bias, float* y) {
    for (int64_t n = from; n < to; n++) {
        float* out = y + n * s.outputs * s.positions;
        multiply<false>(s.outputs, s.positions, s.inputs, w, s.inputs, 1, x + n * s.inputs * s.positions, s.positions, out, s.positions, false);
        if (bias == nullptr) continue;
        for (int64_t k = 0; k < s.outputs; k++)
            for (int64_t p = 0; p < s.positions; p++) out[k * s.positions + p] += bias[k];
    }
}

void backward_input(const Shape& s, int64_t from, int64_t to, const float* dy, const float* w, float* dx) {
    for (int64_t n = from; n < to; n++)
        multiply<true>(s.inputs, s.positions, s.outputs, w, 1, s.inputs, dy + n * s.outputs * s.positions, s.positions,
                       dx + n * s.inputs * s.positions, s.positions, false);
}

void backward_weight(const Shape& s, int64_t from, int64_t to, const float* x, const float* dy, float* dw, float* scratch) {
    for (int64_t n = from; n < to; n++) {
        // x of this picture with its positions as rows: [positions, inputs].
        const float* in = x + n * s.inputs * s.positions;
        for (int64_t c = 0; c < s.inputs; c += B)
            for (int64_t p = 0; p < s.positions; p += B) {
                const auto count = s.positions - p < B ? s.positions - p : B;
                Floats t[B];
                for (int k = 0; k < B; k++) t[k] = load(in + (c + k) * s.positions + p, count);
                transpose(t);
                for (int64_t k = 0; k < count; k++) store(scratch + (p + k) * s.inputs + c, t[k]);
            }
        multiply<false>(s.outputs, s.inputs, s.positions, dy + n * s.outputs * s.positions, s.positions, 1, scratch, s.inputs, dw, s.inputs, true);
    }
}

}  // namespace graft::pointwise

#else

namespace graft::pointwise {

bool on_this_processor() { return false; }
void forward(const Shape&, int64_t, int64_t, const float*, const float*, const float*, float*) {}
void backward_input(const Shape&, int64_t, int64_t, const float*, const float*, float*) {}
void backward_weight(const Shape&, int64_t, int64_t, const float*, const float*, float*, float*) {}

}  // namespace graft::pointwise
#endif
