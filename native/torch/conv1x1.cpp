#include <torch/library.h>

#include "plain_gradients.h"
#include "pointwise.h"
#include "profile.h"

// graft::conv1x1(x, weight, bias, activated, residual): stride 1, conv(x) + residual, or conv(silu(x)) + residual, of which x alone is kept. Where
// pointwise.h has kernels for it, its products run on memory as it lies; elsewhere, and for second derivatives, it is libtorch's operators in a row.

namespace graft {
namespace {

using pointwise::Shape;

// x, weight, bias, residual: the order that the operator has as well.
enum Input { X, Weight, Bias, Residual, Inputs };

Tensor plain(const variable_list& in, bool activated) {
    const auto y = at::conv2d(activated ? at::silu(in[X]) : in[X], in[Weight], in[Bias].defined() ? optional<Tensor>(in[Bias]) : optional<Tensor>());
    return in[Residual].defined() ? y + in[Residual] : y;
}

bool is_ours(const variable_list& in) {
    const auto &x = in[X], &weight = in[Weight];
    if (!has_avx512_kernels() || x.dim() != 4 || weight.dim() != 4 || weight.size(2) != 1 || weight.size(3) != 1 || x.size(1) != weight.size(1)) return false;
    for (const auto& t : in)
        if (!is_plain_float(t)) return false;
    const auto& residual = in[Residual];
    if (residual.defined() && residual.sizes() != at::IntArrayRef({x.size(0), weight.size(0), x.size(2), x.size(3)})) return false;
    return x.size(0) > 0 && x.size(1) > 0 && weight.size(0) > 0 && x.size(1) % 16 == 0 && x.size(2) * x.size(3) >= 16;
}

Shape shape_of(const Tensor& x, const Tensor& weight) { return {x.size(0), x.size(1), weight.size(0), x.size(2) * x.size(3)}; }

double operations(const Shape& s) { return 2.0 * static_cast<double>(s.pictures * s.inputs) * static_cast<double>(s.outputs * s.positions); }

template <class F>
void each_picture(const Shape& s, F f) {
    at::parallel_for(0, s.pictures, 1, f);
}

Tensor convolved(const variable_list& in, bool activated) {
    const auto x = in[X].contiguous(), weight = in[Weight].contiguous(), bias = contiguous(in[Bias]), residual = contiguous(in[Residual]);
    const auto s = shape_of(x, weight);
    ProfiledPart part("graft::convolution", operations(s));
    auto y = at::empty({s.pictures, s.outputs, x.size(2), x.size(3)}, at::kFloat);
    each_picture(s, [&](int64_t from, int64_t to) {
        auto scratch = at::empty({activated ? s.inputs * s.positions : 0}, at::kFloat);
        pointwise::forward(s, from, to, values(x), activated, values(weight), values(bias), values(residual), y.data_ptr<float>(), scratch.data_ptr<float>());
    });
    return y;
}

struct Conv1x1 : Function<Conv1x1> {
    static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& residual, bool activated) {
        context->save_for_backward({x, weight});
        context->saved_data["activated"] = activated;
        return convolved({x, weight, or_undefined(bias), or_undefined(residual)}, activated);
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        auto in = context->get_saved_variables();
        in.resize(Inputs);  // what is added is not needed on the way back
        const bool activated = context->saved_data["activated"].toBool();
        std::vector<bool> wanted(Inputs);
        for (size_t i = 0; i < Inputs; i++) wanted[i] = context->needs_input_grad(i);
        variable_list result(Inputs);
        if (at::GradMode::is_enabled() && (wanted[X] || wanted[Weight]))
            result = by_plain_operators(in, gradients[0], {wanted[X], wanted[Weight], false, false}, [&](const variable_list& v) { return plain(v, activated); });
        else
            first_order(in, gradients[0].contiguous(), activated, wanted, result);
        if (wanted[Bias]) result[Bias] = gradients[0].sum({0, 2, 3});
        if (wanted[Residual]) result[Residual] = gradients[0];
        result.resize(Inputs + 1);  // whether it is activated has none
        return result;
    }

    static void first_order(const variable_list& in, const Tensor& dy, bool activated, const std::vector<bool>& wanted, variable_list& result) {
        const auto x = in[X].contiguous(), weight = in[Weight].contiguous();
        const auto s = shape_of(x, weight);
        ProfiledPart part("graft::convolution_backward", (static_cast<int>(wanted[X]) + static_cast<int>(wanted[Weight])) * operations(s));
        if (wanted[X]) {
            result[X] = at::empty_like(x);
            each_picture(s, [&](int64_t from, int64_t to) {
                pointwise::backward_input(s, from, to, values(x), activated, values(dy), values(weight), result[X].data_ptr<float>());
            });
        }
        if (!wanted[Weight]) return;
        std::vector<Tensor> sums(static_cast<size_t>(at::get_num_threads()));  // of each thread; of those that did nothing, none
        each_picture(s, [&](int64_t from, int64_t to) {
            auto& sum = sums.at(static_cast<size_t>(at::get_thread_num()));
            sum = at::zeros({s.outputs, s.inputs, 1, 1}, at::kFloat);
            auto scratch = at::empty({s.inputs * s.positions}, at::kFloat);
            pointwise::backward_weight(s, from, to, values(x), activated, values(dy), sum.data_ptr<float>(), scratch.data_ptr<float>());
        });
        for (const auto& sum : sums)
            if (sum.defined()) result[Weight] = result[Weight].defined() ? result[Weight].add_(sum) : sum;
    }
};

Tensor conv1x1(const Tensor& x, const Tensor& weight, const optional<Tensor>& bias, bool activated, const optional<Tensor>& residual) {
    const variable_list in{x, weight, bias.value_or(Tensor()), residual.value_or(Tensor())};
    if (!is_ours(in)) return plain(in, activated);
    bool recorded = false;
    for (const auto& t : in) recorded = recorded || (t.defined() && t.requires_grad());
    return recorded && at::GradMode::is_enabled() ? Conv1x1::apply(x, weight, or_empty(in[Bias]), or_empty(in[Residual]), activated) : convolved(in, activated);
}

}  // namespace
}  // namespace graft

TORCH_LIBRARY_FRAGMENT(graft, library) {
    library.def("conv1x1(Tensor x, Tensor weight, Tensor? bias, bool activated, Tensor? residual) -> Tensor", &graft::conv1x1);
}
