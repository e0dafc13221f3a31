// Vectors of sixteen floats, and squares of them, for loops that are compiled for AVX-512 and for any processor.
#pragma once
#include <cstdint>
#include <cstring>

// Compiled once for AVX-512 and once for any processor; the loader chooses.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif
#define INLINE inline __attribute__((always_inline))

namespace graft {

constexpr int B = 16;
typedef float Floats __attribute__((vector_size(4 * B)));
typedef int32_t Ints __attribute__((vector_size(4 * B)));

INLINE Floats all(float v) { return Floats{} + v; }

INLINE Floats load(const float* p, int64_t count = B) {
    Floats v{};
    if (count == B)
        std::memcpy(&v, p, sizeof v);
    else
        std::memcpy(&v, p, static_cast<size_t>(count) * sizeof(float));
    return v;
}

INLINE void store(float* p, Floats v, int64_t count = B) {
    if (count == B)
        std::memcpy(p, &v, sizeof v);
    else
        std::memcpy(p, &v, static_cast<size_t>(count) * sizeof(float));
}

// Rows become columns, in four rounds that swap halves, quarters, eighths and sixteenths between two rows.
template <int D>
INLINE void swap_rows(Floats* t) {
    Ints low, high;
    for (int k = 0; k < B; k++) {
        low[k] = k & D ? B + k - D : k;
        high[k] = k & D ? B + k : k + D;
    }
#pragma GCC unroll 16
    for (int i = 0; i < B; i++) {
        if (i & D) continue;
        const Floats p = t[i], q = t[i | D];
        t[i] = __builtin_shuffle(p, q, low);
        t[i | D] = __builtin_shuffle(p, q, high);
    }
}

INLINE void transpose(Floats* t) {
    swap_rows<8>(t);
    swap_rows<4>(t);
    swap_rows<2>(t);
    swap_rows<1>(t);
}

}  // namespace graft
