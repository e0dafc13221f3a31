#include <torch/library.h>

#include <cmath>
#include <map>
#include <memory>
#include <mutex>

#include "plain_gradients.h"
#include "vectors.h"

// graft::spectral_filter(x, spectrum): each channel of x [N, H, L] convolved with a kernel of length 2L whose spectrum is complex [H, L + 1], without
// wrapping: irfft(rfft(x, 2L) spectrum, 2L)[..., :L]. What S4 spends its time with.
//
// Sixteen channels are transformed at once, one in each lane, and two sequences of the batch as the real and the imaginary part of one: the kernel
// is real, so they do not mix. Frequencies stay in the order that the transform leaves them in.

namespace graft {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct Complexes {
    Floats re, im;
};

INLINE Complexes operator+(Complexes a, Complexes b) { return {a.re + b.re, a.im + b.im}; }
INLINE Complexes operator-(Complexes a, Complexes b) { return {a.re - b.re, a.im - b.im}; }
INLINE Complexes operator*(Complexes a, float b) { return {a.re * b, a.im * b}; }
INLINE Complexes operator*(Complexes a, Complexes b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
INLINE Complexes conjugate(Complexes a) { return {a.re, -a.im}; }

// i a, or -i a.
template <bool Back>
INLINE Complexes turned(Complexes a) {
    return Back ? Complexes{-a.im, a.re} : Complexes{a.im, -a.re};
}

// The transform of R numbers: sum_q a_q e^{-+ 2 pi i q m / R}.
template <int R, bool Back>
INLINE void butterfly(Complexes* a) {
    if constexpr (R == 2) {
        const auto p = a[0], q = a[1];
        a[0] = p + q;
        a[1] = p - q;
    } else if constexpr (R == 3) {
        const auto sum = a[1] + a[2], difference = turned<Back>(a[1] - a[2]) * 0.86602540378443865f;
        const auto middle = a[0] - sum * 0.5f;
        a[0] = a[0] + sum;
        a[1] = middle + difference;
        a[2] = middle - difference;
    } else if constexpr (R == 4) {
        const auto p = a[0] + a[2], q = a[0] - a[2], r = a[1] + a[3], s = turned<Back>(a[1] - a[3]);
        a[0] = p + r;
        a[1] = q + s;
        a[2] = p - r;
        a[3] = q - s;
    } else {
        static_assert(R == 5);
        constexpr float c1 = 0.30901699437494742f, c2 = -0.80901699437494742f, s1 = 0.95105651629515357f, s2 = 0.58778525229247313f;
        const auto p1 = a[1] + a[4], p2 = a[2] + a[3], m1 = turned<Back>(a[1] - a[4]), m2 = turned<Back>(a[2] - a[3]);
        const auto e1 = a[0] + p1 * c1 + p2 * c2, e2 = a[0] + p1 * c2 + p2 * c1;
        const auto o1 = m1 * s1 + m2 * s2, o2 = m1 * s2 - m2 * s1;
        a[0] = a[0] + p1 + p2;
        a[1] = e1 + o1;
        a[2] = e2 + o2;
        a[3] = e2 - o2;
        a[4] = e1 - o1;
    }
}

struct Plan {
    int64_t n = 0;
    std::vector<int> radices;
    std::vector<std::vector<float>> twiddles;  // of a stage, for each j and m >= 1: e^{-2 pi i j m / length}
    std::vector<int32_t> position;             // of a frequency
};

std::shared_ptr<const Plan> make_plan(int64_t n) {
    auto plan = std::make_shared<Plan>();
    plan->n = n;
    auto rest = n;
    for (int r : {4, 5, 3, 2})
        while (rest % r == 0) {
            plan->radices.push_back(r);
            rest /= r;
        }
    if (rest != 1) return nullptr;
    auto length = n;
    for (int r : plan->radices) {
        std::vector<float> stage;
        for (int64_t j = 0; j < length / r; j++)
            for (int m = 1; m < r; m++) {
                const double angle = -2 * M_PI * static_cast<double>(j * m % length) / static_cast<double>(length);
                stage.push_back(static_cast<float>(std::cos(angle)));
                stage.push_back(static_cast<float>(std::sin(angle)));
            }
        plan->twiddles.push_back(std::move(stage));
        length /= r;
    }
    plan->position.resize(static_cast<size_t>(n));
    for (int64_t k = 0; k < n; k++) {
        int64_t digits = k, place = 0, step = n;
        for (int r : plan->radices) {
            step /= r;
            place += digits % r * step;
            digits /= r;
        }
        plan->position[static_cast<size_t>(k)] = static_cast<int32_t>(place);
    }
    return plan;
}

// Nothing where n has other prime factors than 2, 3 and 5.
std::shared_ptr<const Plan> plan_of(int64_t n) {
    static std::mutex mutex;
    static std::map<int64_t, std::shared_ptr<const Plan>> known;
    std::lock_guard<std::mutex> lock(mutex);
    if (known.size() > 256) known.clear();
    auto found = known.find(n);
    if (found == known.end()) found = known.emplace(n, make_plan(n)).first;
    return found->second;
}

// One stage in place, on all blocks of the given length: forwards butterfly then twiddle, backwards the other way round.
template <int R, bool Back>
INLINE void stage(Complexes* x, int64_t n, int64_t length, const float* twiddles) {
    const auto part = length / R;
    for (int64_t block = 0; block < n; block += length)
        for (int64_t j = 0; j < part; j++) {
            Complexes a[R];
            auto p = x + block + j;
            const auto w = twiddles + j * 2 * (R - 1);
            for (int q = 0; q < R; q++) a[q] = p[q * part];
            if constexpr (Back)
                for (int m = 1; m < R; m++) a[m] = a[m] * Complexes{all(w[2 * m - 2]), all(-w[2 * m - 1])};
            butterfly<R, Back>(a);
            if constexpr (!Back)
                for (int m = 1; m < R; m++) a[m] = a[m] * Complexes{all(w[2 * m - 2]), all(w[2 * m - 1])};
            for (int q = 0; q < R; q++) p[q * part] = a[q];
        }
}

template <bool Back>
INLINE void any_stage(int radix, Complexes* x, int64_t n, int64_t length, const float* twiddles) {
    switch (radix) {
        case 2: stage<2, Back>(x, n, length, twiddles); break;
        case 3: stage<3, Back>(x, n, length, twiddles); break;
        case 4: stage<4, Back>(x, n, length, twiddles); break;
        default: stage<5, Back>(x, n, length, twiddles); break;
    }
}

INLINE void forwards(const Plan& plan, Complexes* x) {
    auto length = plan.n;
    for (size_t s = 0; s < plan.radices.size(); s++) {
        any_stage<false>(plan.radices[s], x, plan.n, length, plan.twiddles[s].data());
        length /= plan.radices[s];
    }
}

INLINE void backwards(const Plan& plan, Complexes* x) {
    int64_t length = 1;
    for (auto s = plan.radices.size(); s-- > 0;) {
        length *= plan.radices[s];
        any_stage<true>(plan.radices[s], x, plan.n, length, plan.twiddles[s].data());
    }
}

struct Shape {
    int64_t n, channels, length;
};

// Two sequences (the second may be missing) of sixteen channels, filled up with zeros.
INLINE void load_pair(const Plan& plan, Shape s, const float* first, const float* second, Complexes* z) {
    for (int64_t p = 0; p < s.length; p += B) {
        const auto count = std::min<int64_t>(B, s.length - p);
        Floats re[B], im[B]{};
        for (int c = 0; c < B; c++) re[c] = load(first + c * s.length + p, count);
        transpose(re);
        if (second != nullptr) {
            for (int c = 0; c < B; c++) im[c] = load(second + c * s.length + p, count);
            transpose(im);
        }
        for (int64_t k = 0; k < count; k++) z[p + k] = {re[k], im[k]};
    }
    for (auto p = s.length; p < plan.n; p++) z[p] = {Floats{}, Floats{}};
}

INLINE void store_pair(Shape s, const Complexes* z, float* first, float* second) {
    for (int64_t p = 0; p < s.length; p += B) {
        const auto count = std::min<int64_t>(B, s.length - p);
        Floats re[B]{}, im[B]{};
        for (int64_t k = 0; k < count; k++) {
            re[k] = z[p + k].re;
            im[k] = z[p + k].im;
        }
        transpose(re);
        for (int c = 0; c < B; c++) store(first + c * s.length + p, re[c], count);
        if (second == nullptr) continue;
        transpose(im);
        for (int c = 0; c < B; c++) store(second + c * s.length + p, im[c], count);
    }
}

// The spectrum of sixteen channels in the transform's order, divided by n; of the back-ward pass its conjugate. What is imaginary at frequency 0
// and n/2 does not count.
INLINE void load_spectrum(const Plan& plan, Shape s, const float* spectrum, bool conjugated, Complexes* out) {
    const float scale = 1.0f / static_cast<float>(plan.n);
    for (int64_t k = 0; k <= s.length; k++) {
        Complexes v;
        for (int c = 0; c < B; c++) {
            v.re[c] = spectrum[(c * (s.length + 1) + k) * 2] * scale;
            v.im[c] = k == 0 || k == s.length ? 0.0f : spectrum[(c * (s.length + 1) + k) * 2 + 1] * scale;
        }
        if (conjugated) v = conjugate(v);
        out[plan.position[static_cast<size_t>(k)]] = v;
        if (k != 0 && k != s.length) out[plan.position[static_cast<size_t>(plan.n - k)]] = conjugate(v);
    }
}

struct Workspace {
    explicit Workspace(int64_t count)
        : memory(at::empty({count * 2 * B + B}, at::kFloat)),
          at(reinterpret_cast<Complexes*>((reinterpret_cast<uintptr_t>(memory.data_ptr<float>()) + 63) / 64 * 64)) {}
    Tensor memory;
    Complexes* at;
};

FOR_EACH_PROCESSOR void filter_part(const Plan& plan, Shape s, const float* x, const float* spectrum, float* y, Complexes* z, Complexes* w, int64_t block) {
    const auto row = block * B, item = s.channels * s.length;
    load_spectrum(plan, s, spectrum + row * (s.length + 1) * 2, false, w);
    for (int64_t n = 0; n < s.n; n += 2) {
        const auto first = n * item + row * s.length, second = first + item;
        const bool both = n + 1 < s.n;
        load_pair(plan, s, x + first, both ? x + second : nullptr, z);
        forwards(plan, z);
        for (int64_t p = 0; p < plan.n; p++) z[p] = z[p] * w[p];
        backwards(plan, z);
        store_pair(s, z, y + first, both ? y + second : nullptr);
    }
}

// dx or dspectrum may be null. With Z = X_a + i X_b and W = DY_a + i DY_b, conj(X_a) DY_a + conj(X_b) DY_b is the mean of conj(Z) W at a frequency and of
// its conjugate at the opposite one.
FOR_EACH_PROCESSOR void filter_backward_part(
    const Plan& plan, Shape s, const float* x, const float* spectrum, const float* dy, float* dx, float* dspectrum, Complexes* z, Complexes* v,
    Complexes* w, Complexes* sums, int64_t block) {
    const auto row = block * B, item = s.channels * s.length;
    if (dx != nullptr) load_spectrum(plan, s, spectrum + row * (s.length + 1) * 2, true, w);
    if (dspectrum != nullptr)
        for (int64_t k = 0; k <= s.length; k++) sums[k] = {Floats{}, Floats{}};
    for (int64_t n = 0; n < s.n; n += 2) {
        const auto first = n * item + row * s.length, second = first + item;
        const bool both = n + 1 < s.n;
        load_pair(plan, s, dy + first, both ? dy + second : nullptr, v);
        forwards(plan, v);
        if (dspectrum != nullptr) {
            load_pair(plan, s, x + first, both ? x + second : nullptr, z);
            forwards(plan, z);
            for (int64_t k = 0; k <= s.length; k++) {
                const auto p = plan.position[static_cast<size_t>(k)], q = plan.position[static_cast<size_t>((plan.n - k) % plan.n)];
                sums[k] = sums[k] + conjugate(z[p]) * v[p] + conjugate(conjugate(z[q]) * v[q]);
            }
        }
        if (dx == nullptr) continue;
        for (int64_t p = 0; p < plan.n; p++) v[p] = v[p] * w[p];
        backwards(plan, v);
        store_pair(s, v, dx + first, both ? dx + second : nullptr);
    }
    if (dspectrum == nullptr) return;
    auto out = dspectrum + row * (s.length + 1) * 2;
    for (int64_t k = 0; k <= s.length; k++) {
        // Frequencies but the first and the last stand for two; the mean above is a half.
        const float scale = (k == 0 || k == s.length ? 0.5f : 1.0f) / static_cast<float>(plan.n);
        for (int c = 0; c < B; c++) {
            out[(c * (s.length + 1) + k) * 2] = sums[k].re[c] * scale;
            out[(c * (s.length + 1) + k) * 2 + 1] = sums[k].im[c] * scale;
        }
    }
}

Shape shape_of(const Tensor& x) { return {x.size(0), x.size(1), x.size(2)}; }

Tensor plain(const Tensor& x, const Tensor& spectrum) {
    const auto length = x.size(2);
    return at::fft_irfft(at::fft_rfft(x, 2 * length) * spectrum, 2 * length).slice(2, 0, length);
}

bool is_ours(const Tensor& x, const Tensor& spectrum) {
    return x.is_cpu() && spectrum.is_cpu() && x.scalar_type() == at::kFloat && spectrum.scalar_type() == at::kComplexFloat && x.numel() > 0 &&
           x.size(1) % B == 0 && plan_of(2 * x.size(2)) != nullptr;
}

Tensor pairs(const Tensor& spectrum) { return at::view_as_real(spectrum.resolve_conj()).contiguous(); }

Tensor filtered(const Tensor& x_, const Tensor& spectrum_) {
    const auto x = x_.contiguous(), spectrum = pairs(spectrum_);
    const auto s = shape_of(x);
    const auto plan = plan_of(2 * s.length);
    auto y = at::empty_like(x);
    const auto from = x.data_ptr<float>(), filter = spectrum.data_ptr<float>();
    auto to = y.data_ptr<float>();
    at::parallel_for(0, s.channels / B, 1, [&](int64_t begin, int64_t end) {
        Workspace z(plan->n), w(plan->n);
        for (auto block = begin; block < end; block++) filter_part(*plan, s, from, filter, to, z.at, w.at, block);
    });
    return y;
}

variable_list filter_backward(const Tensor& x_, const Tensor& spectrum_, const Tensor& dy_, bool wants_x, bool wants_spectrum) {
    const auto x = x_.contiguous(), spectrum = pairs(spectrum_), dy = dy_.contiguous();
    const auto s = shape_of(x);
    const auto plan = plan_of(2 * s.length);
    auto dx = wants_x ? at::empty_like(x) : Tensor(), dspectrum = wants_spectrum ? at::empty_like(spectrum) : Tensor();
    const auto from = x.data_ptr<float>(), filter = spectrum.data_ptr<float>(), flow = dy.data_ptr<float>();
    auto to_x = wants_x ? dx.data_ptr<float>() : nullptr, to_spectrum = wants_spectrum ? dspectrum.data_ptr<float>() : nullptr;
    at::parallel_for(0, s.channels / B, 1, [&](int64_t begin, int64_t end) {
        Workspace z(plan->n), v(plan->n), w(plan->n), sums(s.length + 1);
        for (auto block = begin; block < end; block++)
            filter_backward_part(*plan, s, from, filter, flow, to_x, to_spectrum, z.at, v.at, w.at, sums.at, block);
    });
    return {dx, wants_spectrum ? at::view_as_complex(dspectrum) : Tensor()};
}

struct SpectralFilter : Function<SpectralFilter> {
    static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& spectrum) {
        context->save_for_backward({x, spectrum});
        return filtered(x, spectrum);
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const auto in = context->get_saved_variables();
        const std::vector<bool> wanted{context->needs_input_grad(0), context->needs_input_grad(1)};
        if (at::GradMode::is_enabled())
            return by_plain_operators(in, gradients[0], wanted, [](const variable_list& v) { return plain(v[0], v[1]); });
        return filter_backward(in[0], in[1], gradients[0], wanted[0], wanted[1]);
    }
};

Tensor spectral_filter(const Tensor& x, const Tensor& spectrum) {
    TORCH_CHECK(x.dim() == 3 && spectrum.dim() == 2 && spectrum.size(0) == x.size(1) && spectrum.size(1) == x.size(2) + 1,
                "x is [N, H, L] and the spectrum [H, L + 1]");
    if (!is_ours(x, spectrum)) return plain(x, spectrum);
    const bool recorded = at::GradMode::is_enabled() && (x.requires_grad() || spectrum.requires_grad());
    return recorded ? SpectralFilter::apply(x, spectrum) : filtered(x, spectrum);
}

}  // namespace
}  // namespace graft

TORCH_LIBRARY_FRAGMENT(graft, library) { library.def("spectral_filter(Tensor x, Tensor spectrum) -> Tensor", &graft::spectral_filter); }
