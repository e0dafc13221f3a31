#include "internal.h"

#include <cmath>
#include <map>
#include <utility>
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

// What the loops above do not take, a GPU's tensors above all: libtorch's operators over lists, a few launches for however many parameters.
struct Lists {
    std::vector<at::Tensor> parameter, gradient, exp_avg, exp_avg_sq;  // those with a gradient
    std::vector<at::Tensor> averaged, ema;
};

// Lists of one device and one type.
std::map<std::pair<std::string, at::ScalarType>, Lists> lists(const std::vector<Slot>& slots, const std::vector<size_t>& which) {
    std::map<std::pair<std::string, at::ScalarType>, Lists> all;
    for (auto k : which) {
        const auto& s = slots[k];
        auto& l = all[{s.parameter.device().str(), s.parameter.scalar_type()}];
        if (s.gradient.defined()) {
            l.parameter.push_back(s.parameter);
            l.gradient.push_back(s.gradient);
            l.exp_avg.push_back(s.exp_avg);
            l.exp_avg_sq.push_back(s.exp_avg_sq);
        }
        if (s.ema.defined()) {
            l.averaged.push_back(s.parameter);
            l.ema.push_back(s.ema);
        }
    }
    return all;
}

// Waits for the device once.
double square_sum(const Lists& l) {
    if (l.gradient.empty()) return 0;
    std::vector<at::Tensor> norms;
    if (l.gradient[0].scalar_type() == at::kFloat || l.gradient[0].scalar_type() == at::kDouble)
        norms = at::_foreach_norm(l.gradient);
    else  // a norm in fewer bits is none
        for (const auto& g : l.gradient) norms.push_back(g.to(at::kDouble).norm());
    return at::square(at::stack(norms).to(at::kDouble)).sum().item<double>();
}

void update(Lists& l, const Factors& f) {
    if (!l.gradient.empty()) {
        if (f.clip != 1) at::_foreach_mul_(l.gradient, at::Scalar(f.clip));  // gradients end with the step
        at::_foreach_mul_(l.exp_avg, at::Scalar(f.beta1));
        at::_foreach_add_(l.exp_avg, l.gradient, at::Scalar(1 - f.beta1));
        at::_foreach_mul_(l.exp_avg_sq, at::Scalar(f.beta2));
        at::_foreach_addcmul_(l.exp_avg_sq, l.gradient, l.gradient, at::Scalar(1 - f.beta2));
        auto root = at::_foreach_sqrt(l.exp_avg_sq);
        at::_foreach_div_(root, at::Scalar(f.root_correction));
        at::_foreach_add_(root, at::Scalar(f.epsilon));
        at::_foreach_mul_(l.parameter, at::Scalar(f.decay));
        at::_foreach_addcdiv_(l.parameter, l.exp_avg, root, at::Scalar(-f.step_size));
    }
    if (!l.ema.empty()) {
        at::_foreach_mul_(l.ema, at::Scalar(f.ema));
        at::_foreach_add_(l.ema, l.averaged, at::Scalar(1 - f.ema));
    }
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
            auto rest = lists(slots, general);
            for (const auto& [of, list] : rest) total += square_sum(list);
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
            for (auto& [of, list] : rest) update(list, f);
            // All this was behind autograd's back: a graph that holds the old values must not be run on the new ones.
            for (const auto& s : slots) {
                if (s.gradient.defined()) {
                    for (const auto& t : {s.parameter, s.exp_avg, s.exp_avg_sq}) t.unsafeGetTensorImpl()->bump_version();
                }
                if (s.ema.defined()) s.ema.unsafeGetTensorImpl()->bump_version();
            }
            return 0;
        },
        -1);
}
