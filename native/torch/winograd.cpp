#include "winograd.h"

#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512DQ__) && defined(__GNUC__)
#include "avx512.h"
#include "multiply.h"

namespace graft::winograd {
namespace {

// The points of interpolation are 0, +-5/8, +-3/2 and infinity: of those near these, rounding is least (Vincent et al. 2017 say how much they decide).
constexpr float P = 0.625f, Q = 1.5f, PP = P * P, QQ = Q * Q, PPQQ = PP * QQ, SUM = PP + QQ;
constexpr float G0 = 1 / PPQQ, GP = 1 / (2 * PP * (PP - QQ)), GQ = 1 / (2 * QQ * (QQ - PP));

// B^T x: six values of the input.
INLINE void input_transform(const Floats x[6], Floats y[6]) {
    const Floats even = x[4] - QQ * x[2], odd = x[3] - QQ * x[1], even2 = x[4] - PP * x[2], odd2 = x[3] - PP * x[1];
    y[0] = PPQQ * x[0] - SUM * x[2] + x[4];
    y[1] = even + P * odd;
    y[2] = even - P * odd;
    y[3] = even2 + Q * odd2;
    y[4] = even2 - Q * odd2;
    y[5] = PPQQ * x[1] - SUM * x[3] + x[5];
}

// A^T x: four values of the output.
INLINE void output_transform(const Floats x[6], Floats y[4]) {
    const Floats s = x[1] + x[2], d = x[1] - x[2], s2 = x[3] + x[4], d2 = x[3] - x[4];
    y[0] = x[0] + s + s2;
    y[1] = P * d + Q * d2;
    y[2] = PP * s + QQ * s2;
    y[3] = P * PP * d + Q * QQ * d2 + x[5];
}

// A x: what flows back through output_transform.
INLINE void output_transform_back(const Floats x[4], Floats y[6]) {
    const Floats even = x[0] + PP * x[2], odd = P * x[1] + P * PP * x[3], even2 = x[0] + QQ * x[2], odd2 = Q * x[1] + Q * QQ * x[3];
    y[0] = x[0];
    y[1] = even + odd;
    y[2] = even - odd;
    y[3] = even2 + odd2;
    y[4] = even2 - odd2;
    y[5] = x[3];
}

// G x: three taps.
INLINE void weight_transform(const Floats x[3], Floats y[6]) {
    const Floats ends = x[0] + PP * x[2], middle = P * x[1], ends2 = x[0] + QQ * x[2], middle2 = Q * x[1];
    y[0] = G0 * x[0];
    y[1] = GP * (ends + middle);
    y[2] = GP * (ends - middle);
    y[3] = GQ * (ends2 + middle2);
    y[4] = GQ * (ends2 - middle2);
    y[5] = x[2];
}

// G^T x: what flows back through weight_transform.
INLINE void weight_transform_back(const Floats x[6], Floats y[3]) {
    const Floats s = GP * (x[1] + x[2]), d = GP * (x[1] - x[2]), s2 = GQ * (x[3] + x[4]), d2 = GQ * (x[3] - x[4]);
    y[0] = G0 * x[0] + s + s2;
    y[1] = P * d + Q * d2;
    y[2] = PP * s + QQ * s2 + x[5];
}

// Both directions of a square: get() gives its values row by row, put takes the result column by column, with its column and row.
template <int From, int To, class Transform, class Get, class Put>
INLINE void both(Transform transform, Get get, Put put) {
    Floats half[To][From];
#pragma GCC unroll 6
    for (int r = 0; r < From; r++) {
        Floats x[From], y[To];
#pragma GCC unroll 6
        for (int c = 0; c < From; c++) x[c] = get(r, c);
        transform(x, y);
#pragma GCC unroll 6
        for (int c = 0; c < To; c++) half[c][r] = y[c];
    }
#pragma GCC unroll 6
    for (int c = 0; c < To; c++) {
        Floats y[To];
        transform(half[c], y);
#pragma GCC unroll 6
        for (int r = 0; r < To; r++) put(c, r, y[r]);
    }
}

// The transformed tiles of a pass, [36, tiles, channels], columns of a tile before its rows. A line between two of the 36, so that they
// do not come to one place of the cache.
struct Places {
    float* first;
    int64_t channels, stride;
    Places(float*& scratch, int64_t tiles, int64_t channels) : first(scratch), channels(channels), stride(tiles * channels + B) {
        scratch += places * stride;
    }
    float* of(int64_t place) const { return first + place * stride; }
    float* at(int64_t tile, int64_t channel) const { return first + tile * channels + channel; }
};

int64_t size_of_places(int64_t tiles, int64_t channels) { return places * (tiles * channels + B); }

// A picture's sixteen channels side by side, with zeros around: [4 down + 2, 4 across + 2, 16].
struct Plane {
    int64_t width;
    float* values;
    int32_t* at;    // where each position of the picture is
    int32_t* seen;  // where each of x is; doubled: the first of its four places
    bool doubled;
    Plane(float*& scratch, const Shape& s) : width(4 * s.across() + 2), values(scratch), doubled(s.doubled) {
        const auto size = (4 * s.down() + 2) * width * B;
        std::memset(values, 0, static_cast<size_t>(size) * sizeof(float));
        at = reinterpret_cast<int32_t*>(scratch + size);
        for (int64_t p = 0; p < s.positions(); p++) at[p] = static_cast<int32_t>(((p / s.width + 1) * width + p % s.width + 1) * B);
        scratch += size + s.positions();
        seen = at;
        if (!doubled) return;
        seen = reinterpret_cast<int32_t*>(scratch);
        const auto half = s.width / 2;
        for (int64_t p = 0; p < s.seen(); p++) seen[p] = at[2 * (p / half) * s.width + 2 * (p % half)];
        scratch += s.seen();
    }
    const float* tile(int64_t down, int64_t across) const { return values + (4 * down * width + 4 * across) * B; }
    INLINE void put_seen(int64_t position, Floats v) const {
        float* p = values + seen[position];
        store(p, v);
        if (!doubled) return;
        store(p + B, v);
        store(p + width * B, v);
        store(p + (width + 1) * B, v);
    }
};

int64_t size_of_plane(const Shape& s) { return (4 * s.down() + 2) * (4 * s.across() + 2) * B + s.positions() + (s.doubled ? s.seen() : 0); }

// So many positions of sixteen rows, each vector changed by f(values, channel) before, and put(position, the sixteen channels there).
template <class F, class Put>
INLINE void fill(int64_t positions, const float* rows, Floats* sums, F f, Put put) {
    Floats total{};
    for (int64_t p = 0; p < positions; p += B) {
        const auto count = positions - p < B ? positions - p : B;
        const auto which = first(count);
        Floats t[B];
        const float* row = rows + p;
#pragma GCC unroll 4
        for (int c = 0; c < B; c++, row += positions) t[c] = f(load_some(row, which), c);
        transpose(t);
        for (int64_t k = 0; k < count; k++) put(p + k, t[k]);
        if (sums != nullptr)
            for (int64_t k = 0; k < count; k++) total += t[k];
    }
    if (sums != nullptr) *sums = total;
}

// What the next sixteen rows of x are read from is fetched meanwhile, evenly: `ahead`, or null.
INLINE void put_tiles(const Plane& plane, const Shape& s, const Places& into, int64_t tile, int64_t channel, const float* ahead) {
    const auto lines = (s.seen() + s.tiles() - 1) / s.tiles(), stride = into.stride;
    for (int64_t i = 0; i < s.down(); i++)
        for (int64_t j = 0; j < s.across(); j++, tile++) {
            const float* corner = plane.tile(i, j);
            float* out = into.at(tile, channel);
            if (ahead != nullptr)
                for (int64_t k = 0; k < lines; k++, ahead += B) _mm_prefetch(ahead, _MM_HINT_T1);
            both<6, 6>(input_transform, [&](int r, int c) { return load(corner + (r * plane.width + c) * B); },
                       [&](int, int, Floats v) {
                           store(out, v);
                           out += stride;
                       });
        }
}

// The gradient of what output_transform returned, without the plane's edge.
INLINE void put_tiles_back(const Plane& plane, const Shape& s, const Places& into, int64_t tile, int64_t channel) {
    for (int64_t i = 0; i < s.down(); i++)
        for (int64_t j = 0; j < s.across(); j++, tile++) {
            const float* corner = plane.tile(i, j) + (plane.width + 1) * B;
            float* out = into.at(tile, channel);
            both<4, 6>(output_transform_back, [&](int r, int c) { return load(corner + (r * plane.width + c) * B); },
                       [&](int, int, Floats v) {
                           store(out, v);
                           out += into.stride;
                       });
        }
}

// Sixteen channels of a picture out of its tiles, [positions, 16].
INLINE void take_tiles(const Places& from, const Shape& s, int64_t tile, int64_t channel, float* picture) {
    for (int64_t i = 0; i < s.down(); i++)
        for (int64_t j = 0; j < s.across(); j++, tile++) {
            const float* in = from.at(tile, channel);
            const int64_t rows = s.height - 4 * i, columns = s.width - 4 * j;  // what lies in the picture, if less than 4
            float* out = picture + (4 * i * s.width + 4 * j) * B;
            const auto next = [&](int, int) {
                const Floats v = load(in);
                in += from.stride;
                return v;
            };
            both<6, 4>(output_transform, next, [&](int r, int c, Floats v) {
                           if (r < rows && c < columns) store(out + (r * s.width + c) * B, v);
                       });
        }
}

// Of a doubled picture [positions, 16] what flows back to each place that it was made of: the sum of four, in its place.
INLINE void halve(const Shape& s, float* picture) {
    const auto half = s.width / 2;
    for (int64_t p = 0; p < s.seen(); p++) {
        const float* four = picture + (2 * (p / half) * s.width + 2 * (p % half)) * B;
        store(picture + p * B, load(four) + load(four + B) + (load(four + s.width * B) + load(four + (s.width + 1) * B)));
    }
}

// Sixteen rows of so many positions out of [positions, 16], each vector handed to f(values, channel, offset from the first row's beginning, which).
template <class F>
INLINE void each_row(const float* picture, int64_t positions, Floats shift, F f) {
    for (int64_t p = 0; p < positions; p += B) {
        const auto count = positions - p < B ? positions - p : B;
        Floats t[B]{};
        for (int64_t k = 0; k < count; k++) t[k] = load(picture + (p + k) * B) + shift;
        transpose(t);
        f(t, p, count);
    }
}

template <bool Activated>
void fill_tiles(const Shape& s, int64_t from, int64_t to, const Forward& task, const Plane& plane, const Places& tiles) {
    for (int64_t n = from; n < to; n++)
        for (int64_t c = 0; c < s.inputs; c += B) {
            const auto row = n * s.inputs + c;
            const auto activated = [&](Floats v, int k) {
                if (!Activated) return v;
                const Floats z = v * task.a[row + k] + task.b[row + k];
                return z * sigmoid(z);
            };
            fill(s.seen(), task.x + row * s.seen(), nullptr, activated, [&](int64_t p, Floats v) { plane.put_seen(p, v); });
            put_tiles(plane, s, tiles, (n - from) * s.tiles(), c, task.x + (row + B) * s.seen());
        }
}

// Through SiLU, or past it, and into the plane again where the gradient of the weights needs what the convolution saw.
template <bool Activated>
void through_activation(const Shape& s, int64_t row, const Backward& task, const float* picture, const Plane& plane) {
    const auto positions = s.seen();
    Floats sums[B]{}, products[B]{};
    each_row(picture, positions, Floats{}, [&](Floats* t, int64_t p, int64_t count) {
        const auto which = first(count);
#pragma GCC unroll 16
        for (int k = 0; k < B; k++) {
            const auto at = (row + k) * positions + p;
            Floats seen{};
            if (Activated) {
                const Floats x = load_some(task.x + at, which), z = x * task.a[row + k] + task.b[row + k], gate = sigmoid(z);
                seen = z * gate;
                if (task.dz != nullptr) {
                    const Floats dz = t[k] * (gate + seen * (1.0f - gate));
                    store_some(task.dz + at, dz, which);
                    sums[k] += dz;  // nothing beyond the end: t is 0 there
                    products[k] += dz * (x - task.mean[row + k]);
                }
            } else {
                if (task.du != nullptr) seen = load_some(task.x + at, which);
                if (task.dz != nullptr) store_some(task.dz + at, t[k], which);
            }
            t[k] = seen;
        }
        if (task.du == nullptr) return;
        transpose(t);
        for (int64_t k = 0; k < count; k++) plane.put_seen(p + k, t[k]);
    });
    if (Activated && task.dz != nullptr)
        for (int k = 0; k < B; k++) {
            task.sum[row + k] = _mm512_reduce_add_ps((__m512)sums[k]);
            task.product[row + k] = _mm512_reduce_add_ps((__m512)products[k]);
        }
}

}  // namespace

int64_t at_once(const Shape& s, bool adds_gradient) {
    constexpr int64_t cached = 3 << 16;  // numbers, three quarters of a megabyte
    const int64_t fit = cached / (places * (s.inputs + s.outputs)), pay = s.inputs * s.outputs / ((adds_gradient ? 1 : 2) * (s.inputs + s.outputs));
    const int64_t tiles = fit > pay ? fit : pay, pictures = tiles / s.tiles();
    return pictures < 1 ? 1 : pictures < s.pictures ? pictures : s.pictures;
}

int64_t forward_scratch(const Shape& s, int64_t pictures) {
    const auto tiles = pictures * s.tiles();
    return size_of_places(tiles, s.inputs) + size_of_places(tiles, s.outputs) + size_of_plane(s) + s.positions() * B;
}

int64_t backward_scratch(const Shape& s, int64_t pictures) {
    const auto tiles = pictures * s.tiles();
    return size_of_places(tiles, s.inputs) + 2 * size_of_places(tiles, s.outputs) + size_of_plane(s) + s.positions() * B;
}

void forward(const Shape& s, int64_t from, int64_t to, const Forward& task, float* scratch) {
    const auto tiles = (to - from) * s.tiles(), positions = s.positions();
    const Places in(scratch, tiles, s.inputs), out(scratch, tiles, s.outputs);
    const Plane plane(scratch, s);
    (task.a != nullptr ? fill_tiles<true> : fill_tiles<false>)(s, from, to, task, plane, in);
    for (int64_t i = 0; i < places; i++)
        multiply<false>(tiles, s.outputs, s.inputs, in.of(i), s.inputs, 1, task.u + i * s.place(), s.outputs, out.of(i), s.outputs, false);
    for (int64_t n = from; n < to; n++)
        for (int64_t c = 0; c < s.outputs; c += B) {
            take_tiles(out, s, (n - from) * s.tiles(), c, scratch);
            const auto first_row = (n * s.outputs + c) * positions;
            each_row(scratch, positions, task.bias == nullptr ? Floats{} : load(task.bias + c), [&](const Floats* t, int64_t p, int64_t count) {
                const auto which = first(count);
#pragma GCC unroll 16
                for (int k = 0; k < B; k++) {
                    const auto at = first_row + k * positions + p;
                    store_some(task.y + at, task.residual == nullptr ? t[k] : t[k] + load_some(task.residual + at, which), which);
                }
            });
        }
}

void backward(const Shape& s, int64_t from, int64_t to, const Backward& task, float* scratch) {
    const auto tiles = (to - from) * s.tiles();
    const Places flow(scratch, tiles, s.outputs), gradient(scratch, tiles, s.outputs), in(scratch, tiles, s.inputs);
    const Plane plane(scratch, s);
    for (int64_t n = from; n < to; n++)
        for (int64_t c = 0; c < s.outputs; c += B) {
            const auto row = n * s.outputs + c;
            Floats sums;
            fill(s.positions(), task.dy + row * s.positions(), task.dy_sum == nullptr ? nullptr : &sums, [](Floats v, int) { return v; },
                 [&](int64_t p, Floats v) { store(plane.values + plane.at[p], v); });
            if (task.dy_sum != nullptr) store(task.dy_sum + row, sums);
            if (task.u_back != nullptr) put_tiles(plane, s, flow, (n - from) * s.tiles(), c, nullptr);
            if (task.du != nullptr) put_tiles_back(plane, s, gradient, (n - from) * s.tiles(), c);
        }
    if (task.u_back != nullptr)
        for (int64_t i = 0; i < places; i++)
            multiply<false>(tiles, s.inputs, s.outputs, flow.of(i), s.outputs, 1, task.u_back + i * s.place(), s.inputs, in.of(i), s.inputs, false);
    if (task.u_back == nullptr && task.du == nullptr) return;
    for (int64_t n = from; n < to; n++)
        for (int64_t c = 0; c < s.inputs; c += B) {
            const auto tile = (n - from) * s.tiles();
            if (task.u_back != nullptr) take_tiles(in, s, tile, c, scratch);
            if (task.u_back != nullptr && s.doubled) halve(s, scratch);
            (task.a != nullptr ? through_activation<true> : through_activation<false>)(s, n * s.inputs + c, task, scratch, plane);
            if (task.du != nullptr) put_tiles(plane, s, in, tile, c, nullptr);  // in the place of those just taken
        }
    if (task.du != nullptr)
        for (int64_t i = 0; i < places; i++)
            multiply<true>(s.inputs, s.outputs, tiles, in.of(i), 1, s.inputs, gradient.of(i), s.outputs, task.du + i * s.place(), s.outputs, true);
}

namespace {

// Sixteen rows of nine taps, a stride apart, as nine vectors.
INLINE void load_taps(const float* w, int64_t stride, Floats* t) {
#pragma GCC unroll 16
    for (int k = 0; k < B; k++) t[k] = load_some(w + k * stride, first(9));
    transpose(t);
}

}  // namespace

void transform_weight(const Shape& s, int64_t from, int64_t to, const float* w, float* u) {
    for (int64_t c = from; c < to; c++)
        for (int64_t k = 0; k < s.outputs; k += B) {
            Floats t[B];
            load_taps(w + (k * s.inputs + c) * 9, s.inputs * 9, t);
            float* out = u + c * s.outputs + k;
            both<3, 6>(weight_transform, [&](int row, int column) { return t[3 * row + column]; },
                       [&](int, int, Floats v) {
                           store(out, v);
                           out += s.place();
                       });
        }
}

void transform_weight_back(const Shape& s, int64_t from, int64_t to, const float* w, float* u) {
    for (int64_t k = from; k < to; k++)
        for (int64_t c = 0; c < s.inputs; c += B) {
            Floats t[B];
            load_taps(w + (k * s.inputs + c) * 9, 9, t);
            float* out = u + k * s.inputs + c;
            both<3, 6>(weight_transform, [&](int row, int column) { return t[8 - 3 * row - column]; },
                       [&](int, int, Floats v) {
                           store(out, v);
                           out += s.place();
                       });
        }
}

void weight_gradient(const Shape& s, int64_t from, int64_t to, const float* du, float* dw) {
    for (int64_t c = from; c < to; c++)
        for (int64_t k = 0; k < s.outputs; k += B) {
            Floats t[B]{};
            const float* in = du + c * s.outputs + k;
            const auto next = [&](int, int) {
                const Floats v = load(in);
                in += s.place();
                return v;
            };
            both<6, 3>(weight_transform_back, next, [&](int row, int column, Floats v) { t[3 * row + column] = v; });
            transpose(t);
#pragma GCC unroll 16
            for (int m = 0; m < B; m++) store_some(dw + ((k + m) * s.inputs + c) * 9, t[m], first(9));
        }
}

}  // namespace graft::winograd

#else

namespace graft::winograd {

int64_t at_once(const Shape&, bool) { return 1; }
int64_t forward_scratch(const Shape&, int64_t) { return 0; }
int64_t backward_scratch(const Shape&, int64_t) { return 0; }
void transform_weight(const Shape&, int64_t, int64_t, const float*, float*) {}
void transform_weight_back(const Shape&, int64_t, int64_t, const float*, float*) {}
void weight_gradient(const Shape&, int64_t, int64_t, const float*, float*) {}
void forward(const Shape&, int64_t, int64_t, const Forward&, float*) {}
void backward(const Shape&, int64_t, int64_t, const Backward&, float*) {}

}  // namespace graft::winograd
#endif
