// What the files that are compiled for AVX-512 share: vectors of which some places count, e^x, and SiLU's gate.
#pragma once
#include <immintrin.h>

#include "vectors.h"

namespace graft {

INLINE __mmask16 first(int64_t count) { return static_cast<__mmask16>((1u << count) - 1); }

INLINE Floats load_some(const float* p, __mmask16 which) { return (Floats)_mm512_maskz_loadu_ps(which, p); }

INLINE void store_some(float* p, Floats v, __mmask16 which) { _mm512_mask_storeu_ps(p, which, (__m512)v); }

// e^x for x of at most 88, to a unit or two in the last place: 2^n e^r with |r| below log 2 / 2, and Taylor's series of e^r.
INLINE Floats exponential(Floats x) {
    constexpr float rounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds
    x = (Floats)_mm512_max_ps((__m512)x, _mm512_set1_ps(-104.0f));  // 0 from there on
    const Floats n = (x * 1.44269504088896341f + rounder) - rounder;
    const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    Floats p = r * (1.0f / 5040) + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return (Floats)_mm512_scalef_ps((__m512)p, (__m512)n);
}

// 1 / (1 + e^-x), to a few units in the last place.
INLINE Floats sigmoid(Floats x) {
    const Floats d = 1.0f + exponential((Floats)_mm512_min_ps((__m512)-x, _mm512_set1_ps(88.0f))), q = (Floats)_mm512_rcp14_ps((__m512)d);
    return q * (2.0f - d * q);  // Newton's step: from 14 bits to all
}

}  // namespace graft
