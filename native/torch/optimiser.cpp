#include "internal.h"

#include <cmath>
#include <vector>

// AdamW (Loshchilov & Hutter 2019, algorithm 2) in PyTorch's order of operations, clipping by the global norm and the
// exponential moving average of the weights: one pass over memory for all of them.

namespace graft {
namespace {

constexpr int64_t kChunk = 16384;  // fixed, so that sums do not depend on the number of threads

struct Slot {
    at::Tensor parameter, gradient, exp_avg, exp_avg_sq, ema;
};

struct Chunk {
    size_t slot;
    int64_t begin, end;
};

bool fast(const Slot& s) {
    auto simple = [&](const at::Tensor& t) {
        return t.is_cpu() && t.is_contiguous() && t.scalar_type() == s.parameter.scalar_type();
    };
    auto type = s.parameter.scalar_type();
    return (type == at::kFloat || type == at::kDouble) && simple(s.parameter) &&
           (!s.gradient.defined() || simple(s.gradient)) && simple(s.exp_avg) && simple(s.exp_avg_sq) &&
           (!s.ema.defined() || simple(s.ema));
}

template <class T>
double square_sum(const T* g, int64_t begin, int64_t end) {
    double sum = 0;
    for (int64_t i = begin; i < end; i++) sum += static_cast<double>(g[i]) * static_cast<double>(g[i]);
    return sum;
}

struct Factors {
    double clip, decay, beta1, beta2, step_size, root_correction, epsilon, ema;
};

template <class T>
void update(const Slot& s, const Factors& f, int64_t begin, int64_t end) {
    T* p = s.parameter.data_ptr<T>();
    T* ema = s.ema.defined() ? s.ema.data_ptr<T>() : nullptr;
    const T clip = static_cast<T>(f.clip), decay = static_cast<T>(f.decay), b1 = static_cast<T>(f.beta1),
            b2 = static_cast<T>(f.beta2), c1 = static_cast<T>(1 - f.beta1), c2 = static_cast<T>(1 - f.beta2),
            size = static_cast<T>(f.step_size), root = static_cast<T>(f.root_correction), eps = static_cast<T>(f.epsilon),
            blend = static_cast<T>(1 - f.ema);
    if (s.gradient.defined()) {
        const T* gradient = s.gradient.data_ptr<T>();
        T* m = s.exp_avg.data_ptr<T>();
        T* v = s.exp_avg_sq.data_ptr<T>();
#pragma GCC ivdep
        for (int64_t i = begin; i < end; i++) {
            T g = gradient[i] * clip;
            m[i] = m[i] * b1 + g * c1;
            v[i] = v[i] * b2 + g * g * c2;
            p[i] = p[i] * decay - size * (m[i] / (std::sqrt(v[i]) / root + eps));
        }
    }
    if (ema != nullptr) {
#pragma GCC ivdep
        for (int64_t i = begin; i < end; i++) ema[i] -= blend * (ema[i] - p[i]);
    }
}

void update_general(const Slot& s, const Factors& f) {
    if (s.gradient.defined()) {
        auto g = f.clip == 1 ? s.gradient : s.gradient * f.clip;
        s.exp_avg.mul_(f.beta1).add_(g, 1 - f.beta1);
        s.exp_avg_sq.mul_(f.beta2).addcmul_(g, g, 1 - f.beta2);
        s.parameter.mul_(f.decay).addcdiv_(s.exp_avg, s.exp_avg_sq.sqrt().div_(f.root_correction).add_(f.epsilon), -f.step_size);
    }
    if (s.ema.defined()) s.ema.sub_((s.ema - s.parameter).mul_(1 - f.ema));
}

}  // namespace
}  // namespace graft

extern "C" int32_t graft_adamw_step(const graft_adamw* o, int32_t count, const graft_tensor* parameters,
                                    const graft_tensor* gradients, const graft_tensor* exp_avg,
                                    const graft_tensor* exp_avg_sq, const graft_tensor* ema, double* norm) {
    using namespace graft;
    return guarded(
        [&]() -> int32_t {
            c10::AutoGradMode mode(false);
            std::vector<Slot> slots;
            std::vector<Chunk> chunks;
            std::vector<size_t> general;
            for (int32_t i = 0; i < count; i++) {
                Slot s{borrow(parameters[i]), borrow(gradients[i]), borrow(exp_avg[i]), borrow(exp_avg_sq[i]),
                       ema == nullptr ? at::Tensor() : borrow(ema[i])};
                if (!s.gradient.defined() && !s.ema.defined()) continue;  // not reached by this loss; only its average moves
                for (const auto& t : {s.gradient, s.exp_avg, s.exp_avg_sq, s.ema}) {
                    if (t.defined() && t.sizes() != s.parameter.sizes())
                        throw std::invalid_argument("AdamW: parameter " + std::to_string(i) + " is " +
                                                    describe(s.parameter) + " and its gradient or state " + describe(t));
                }
                if (s.gradient.defined() && !s.gradient.is_contiguous()) s.gradient = s.gradient.contiguous();
                if (fast(s)) {
                    for (int64_t b = 0; b < s.parameter.numel(); b += kChunk)
                        chunks.push_back({slots.size(), b, std::min(b + kChunk, s.parameter.numel())});
                } else {
                    general.push_back(slots.size());
                }
                slots.push_back(std::move(s));
            }

            std::vector<double> sums(chunks.size());
            const auto n = static_cast<int64_t>(chunks.size());
            at::parallel_for(0, n, 1, [&](int64_t begin, int64_t end) {
                for (int64_t k = begin; k < end; k++) {
                    const auto& c = chunks[static_cast<size_t>(k)];
                    const auto& g = slots[c.slot].gradient;
                    if (!g.defined()) continue;
                    sums[static_cast<size_t>(k)] = g.scalar_type() == at::kFloat
                                                       ? square_sum(g.data_ptr<float>(), c.begin, c.end)
                                                       : square_sum(g.data_ptr<double>(), c.begin, c.end);
                }
            });
            double total = 0;
            for (double s : sums) total += s;
            for (auto k : general) {
                if (slots[k].gradient.defined()) total += at::square(slots[k].gradient.to(at::kDouble)).sum().item<double>();
            }
            *norm = std::sqrt(total);
            if (!std::isfinite(total)) return 1;

            Factors f{};
            f.clip = o->max_norm > 0 ? std::min(1.0, o->max_norm / (*norm + 1e-6)) : 1.0;
            f.decay = 1 - o->learning_rate * o->weight_decay;
            f.beta1 = o->beta1;
            f.beta2 = o->beta2;
            f.step_size = o->learning_rate / (1 - std::pow(o->beta1, static_cast<double>(o->step)));
            f.root_correction = std::sqrt(1 - std::pow(o->beta2, static_cast<double>(o->step)));
            f.epsilon = o->epsilon;
            f.ema = o->ema_decay;
            at::parallel_for(0, n, 1, [&](int64_t begin, int64_t end) {
                for (int64_t k = begin; k < end; k++) {
                    const auto& c = chunks[static_cast<size_t>(k)];
                    const auto& s = slots[c.slot];
                    if (s.parameter.scalar_type() == at::kFloat)
                        update<float>(s, f, c.begin, c.end);
                    else
                        update<double>(s, f, c.begin, c.end);
                }
            });
            for (auto k : general) update_general(slots[k], f);
            // The fast path wrote behind autograd's back: a graph that holds the old values must not be run on the new ones.
            for (const auto& c : chunks) {
                if (c.begin != 0) continue;
                const auto& s = slots[c.slot];
                if (s.gradient.defined()) {
                    for (const auto& t : {s.parameter, s.exp_avg, s.exp_avg_sq}) t.unsafeGetTensorImpl()->bump_version();
                }
                if (s.ema.defined()) s.ema.unsafeGetTensorImpl()->bump_version();
            }
            return 0;
        },
        -1);
}
