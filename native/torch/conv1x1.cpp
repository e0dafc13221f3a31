#include <torch/library.h>

#include "plain_gradients.h"
#include "pointwise.h"
#include "profile.h"

// graft::conv1x1(x, weight, bias): stride 1. Where pointwise.h has kernels for it, its products run on memory as it lies; elsewhere, and for second
// derivatives, it is libtorch's convolution.

namespace graft {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;
using at::Tensor;
using pointwise::Shape;

Tensor plain(const Tensor& x, const Tensor& weight, const Tensor& bias) {
    return at::conv2d(x, weight, bias.defined() ? optional<Tensor>(bias) : optional<Tensor>());
}

bool is_plain_float(const Tensor& t) { return !t.defined() || (t.scalar_type() == at::kFloat && t.is_cpu() && t.layout() == at::kStrided); }

bool is_ours(const Tensor& x, const Tensor& weight, const Tensor& bias) {
    return pointwise::on_this_processor() && x.dim() == 4 && weight.dim() == 4 && weight.size(2) == 1 && weight.size(3) == 1 &&
           x.size(1) == weight.size(1) && x.size(0) > 0 && x.size(1) > 0 && weight.size(0) > 0 && x.size(1) % 16 == 0 && x.size(2) * x.size(3) >= 16 &&
           is_plain_float(x) && is_plain_float(weight) && is_plain_float(bias);
}

Shape shape_of(const Tensor& x, const Tensor& weight) { return {x.size(0), x.size(1), weight.size(0), x.size(2) * x.size(3)}; }

double operations(const Shape& s) { return 2.0 * static_cast<double>(s.pictures * s.inputs) * static_cast<double>(s.outputs * s.positions); }

template <class F>
void each_picture(const Shape& s, F f) {
    at::parallel_for(0, s.pictures, 1, f);
}

Tensor convolved(const Tensor& x_, const Tensor& weight_, const Tensor& bias_) {
    const auto x = x_.contiguous(), weight = weight_.contiguous(), bias = bias_.defined() ? bias_.contiguous() : bias_;
    const auto s = shape_of(x, weight);
    ProfiledPart part("graft::convolution", operations(s));
    auto y = at::empty({s.pictures, s.outputs, x.size(2), x.size(3)}, at::kFloat);
    each_picture(s, [&](int64_t from, int64_t to) {
        pointwise::forward(s, from, to, x.data_ptr<float>(), weight.data_ptr<float>(), bias.defined() ? bias.data_ptr<float>() : nullptr, y.data_ptr<float>());
    });
    return y;
}

// A Function takes no undefined tensors among its inputs: an empty one stands for a bias that is absent.
struct Conv1x1 : Function<Conv1x1> {
    static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Tensor& bias) {
        context->save_for_backward({x, weight, bias});
        return convolved(x, weight, bias.numel() == 0 ? Tensor() : bias);
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        auto in = context->get_saved_variables();
        if (in[2].numel() == 0) in[2] = Tensor();
        const std::vector<bool> wanted{context->needs_input_grad(0), context->needs_input_grad(1), in[2].defined() && context->needs_input_grad(2)};
        if (at::GradMode::is_enabled())
            return by_plain_operators(in, gradients[0], wanted, [](const variable_list& v) { return plain(v[0], v[1], v[2]); });
        const auto x = in[0].contiguous(), weight = in[1].contiguous(), dy = gradients[0].contiguous();
        const auto s = shape_of(x, weight);
        ProfiledPart part("graft::convolution_backward", (static_cast<int>(wanted[0]) + static_cast<int>(wanted[1])) * operations(s));
        variable_list result(3);
        if (wanted[0]) {
            result[0] = at::empty_like(x);
            each_picture(s, [&](int64_t from, int64_t to) {
                pointwise::backward_input(s, from, to, dy.data_ptr<float>(), weight.data_ptr<float>(), result[0].data_ptr<float>());
            });
        }
        if (wanted[1]) {
            std::vector<Tensor> sums(static_cast<size_t>(at::get_num_threads()));  // of each thread; of those that did nothing, none
            each_picture(s, [&](int64_t from, int64_t to) {
                auto& sum = sums.at(static_cast<size_t>(at::get_thread_num()));
                sum = at::zeros({s.outputs, s.inputs, 1, 1}, at::kFloat);
                auto scratch = at::empty({s.inputs * (s.positions + 15)}, at::kFloat);
                pointwise::backward_weight(s, from, to, x.data_ptr<float>(), dy.data_ptr<float>(), sum.data_ptr<float>(), scratch.data_ptr<float>());
            });
            for (const auto& sum : sums)
                if (sum.defined()) result[1] = result[1].defined() ? result[1].add_(sum) : sum;
        }
        if (wanted[2]) result[2] = dy.sum({0, 2, 3});
        return result;
    }
};

Tensor conv1x1(const Tensor& x, const Tensor& weight, const optional<Tensor>& bias_) {
    const auto bias = bias_.value_or(Tensor());
    if (!is_ours(x, weight, bias)) return plain(x, weight, bias);
    const bool recorded = at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()));
    return recorded ? Conv1x1::apply(x, weight, bias.defined() ? bias : at::empty({0}, at::kFloat)) : convolved(x, weight, bias);
}

}  // namespace
}  // namespace graft

TORCH_LIBRARY_FRAGMENT(graft, library) { library.def("conv1x1(Tensor x, Tensor weight, Tensor? bias) -> Tensor", &graft::conv1x1); }
