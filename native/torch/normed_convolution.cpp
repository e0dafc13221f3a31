#include <torch/library.h>

#include <algorithm>
#include <cstdlib>

#include "plain_gradients.h"
#include "profile.h"
#include "rows.h"
#include "winograd.h"

// Operators of a residual block, registered beside libtorch's:
//   graft::conv3x3(x, weight, bias, doubled)           stride 1, zeros at the edges; of x, or of x with each place twice in both directions
//   graft::norm_silu_conv3x3(x, shift, ..., residual)  conv3x3(silu(norm(x + shift) (1 + scale) + offset)) + residual
//   graft::has_winograd_convolution(sizes)             whether the two have kernels of their own for these sizes
// With Winograd's convolutions (winograd.h) norm, SiLU, bias and residual are part of the loops that run anyway, and what SiLU returned is computed
// anew on the way back in place of being kept. Elsewhere, and for second derivatives, both are libtorch's operators in a row.

namespace graft {
namespace {

struct Norm {
    int64_t groups;
    double epsilon;
};

Tensor per_channel(const Tensor& t) { return t.unsqueeze(-1).unsqueeze(-1); }

optional<Tensor> given(const Tensor& t) { return t.defined() ? optional<Tensor>(t) : optional<Tensor>(); }

Tensor plain_conv(const Tensor& x, const Tensor& weight, const Tensor& bias, bool doubled = false) {
    return at::conv2d(doubled ? at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}) : x, weight, given(bias), 1, 1);
}

// x, shift, norm_weight, norm_bias, scale, offset, weight, bias, residual: the order that the operator has as well.
enum Input { X, Shift, NormWeight, NormBias, Scale, Offset, Weight, Bias, Residual, Inputs };

Tensor plain(const variable_list& in, Norm norm) {
    auto h = in[Shift].defined() ? in[X] + per_channel(in[Shift]) : in[X];
    h = at::group_norm(h, norm.groups, in[NormWeight], in[NormBias], norm.epsilon);
    if (in[Scale].defined()) h = h * (per_channel(in[Scale]) + 1) + per_channel(in[Offset]);
    h = plain_conv(at::silu(h), in[Weight], in[Bias]);
    return in[Residual].defined() ? h + in[Residual] : h;
}

bool wanted_at_all() {
    static const bool answer = [] {
        const char* value = std::getenv("GRAFT_WINOGRAD_CONVOLUTIONS");
        return (value == nullptr || std::string(value) != "0") && has_avx512_kernels();
    }();
    return answer;
}

using Shape = winograd::Shape;

bool has_winograd(const Shape& s) {
    return wanted_at_all() && s.pictures > 0 && s.height > 1 && s.width > 1 && s.inputs > 0 && s.outputs > 0 &&
           s.inputs % winograd::channel_block == 0;
}

Shape shape_of(const Tensor& x, const Tensor& weight, bool doubled = false) {
    const int64_t times = doubled ? 2 : 1;
    return {x.size(0), x.size(1), weight.size(0), times * x.size(2), times * x.size(3), doubled};
}

// Outputs fill whole vectors: those that a layer lacks, as a network's last, have weights of 0 and are left out of what is returned.
int64_t missing(const Shape& s) { return (winograd::channel_block - s.outputs % winograd::channel_block) % winograd::channel_block; }

// So many zeros behind dimension `dim`.
Tensor padded(const Tensor& t, int64_t dim, int64_t count) {
    if (!t.defined() || count == 0) return t;
    std::vector<int64_t> ends(static_cast<size_t>(2 * (t.dim() - dim)), 0);
    ends.back() = count;
    return at::constant_pad_nd(t, ends);
}

bool is_ours(const Tensor& x, const Tensor& weight, std::initializer_list<Tensor> others) {
    if (x.dim() != 4 || weight.dim() != 4 || weight.size(2) != 3 || weight.size(3) != 3 || x.size(1) != weight.size(1)) return false;
    if (!is_plain_float(x) || !is_plain_float(weight)) return false;
    for (const auto& t : others)
        if (!is_plain_float(t)) return false;
    return has_winograd(shape_of(x, weight));
}

Tensor floats(int64_t count) { return at::empty({count}, at::kFloat); }

// f(from, to, scratch, thread) for pictures from..to, at most as many at a time as a core's cache holds; threads share them evenly.
template <class F>
void each_pass(const Shape& s, bool adds_gradient, int64_t (*scratch_of)(const Shape&, int64_t), F f) {
    const auto threads = static_cast<int64_t>(at::get_num_threads()), once = winograd::at_once(s, adds_gradient), needed = (s.pictures + once - 1) / once;
    const auto passes = std::min(s.pictures, (needed + threads - 1) / threads * threads), most = (s.pictures + passes - 1) / passes;
    at::parallel_for(0, passes, 1, [&](int64_t first, int64_t last) {
        auto scratch = floats(scratch_of(s, most));
        for (auto pass = first; pass < last; pass++)
            f(pass * s.pictures / passes, (pass + 1) * s.pictures / passes, scratch.data_ptr<float>(), at::get_thread_num());
    });
}

template <class F>
void each_channel(int64_t channels, F f) {
    at::parallel_for(0, channels, 16, f);  // at least so many a thread
}

double operations(const Shape& s) { return 2.0 * 9 * static_cast<double>(s.pictures * s.inputs * s.outputs) * static_cast<double>(s.positions()); }

Tensor forward(const Shape& whole, winograd::Forward task, const Tensor& whole_weight, const Tensor& bias, const Tensor& residual = Tensor()) {
    ProfiledPart part("graft::convolution", operations(whole));
    const auto more = missing(whole);
    auto s = whole;
    s.outputs += more;
    const auto weight = padded(whole_weight, 0, more), all_bias = padded(bias, 0, more), added = padded(residual, 1, more);
    task.bias = values(all_bias);
    task.residual = values(added);
    auto u = floats(winograd::places * s.place()), y = at::empty({s.pictures, s.outputs, s.height, s.width}, at::kFloat);
    each_channel(s.inputs, [&](int64_t from, int64_t to) { winograd::transform_weight(s, from, to, values(weight), u.data_ptr<float>()); });
    task.u = u.data_ptr<float>();
    task.y = y.data_ptr<float>();
    each_pass(s, false, winograd::forward_scratch, [&](int64_t from, int64_t to, float* scratch, int) { winograd::forward(s, from, to, task, scratch); });
    return more == 0 ? y : y.narrow(1, 0, whole.outputs).contiguous();
}

struct Gradients {
    Tensor input, weight, bias;  // each only where it was asked for
};

// task says what the convolution saw; its places for results are filled in here.
Gradients backward(const Shape& whole, winograd::Backward task, const Tensor& whole_dy, const Tensor& whole_weight, bool input, bool weights, bool bias) {
    ProfiledPart part("graft::convolution_backward", (static_cast<int>(input) + static_cast<int>(weights)) * operations(whole));
    const auto more = missing(whole);
    auto s = whole;
    s.outputs += more;
    const auto dy = padded(whole_dy, 1, more), weight = padded(whole_weight, 0, more);
    task.dy = values(dy);
    Gradients result;
    Tensor u, sums;
    const auto size = winograd::places * s.place();
    if (input) {
        u = floats(size);
        each_channel(s.outputs, [&](int64_t from, int64_t to) { winograd::transform_weight_back(s, from, to, values(weight), u.data_ptr<float>()); });
        const int64_t times = s.doubled ? 2 : 1;
        result.input = at::empty({s.pictures, s.inputs, s.height / times, s.width / times}, at::kFloat);
        task.u_back = u.data_ptr<float>();
        task.dz = result.input.data_ptr<float>();
    }
    if (bias) {
        sums = at::empty({s.pictures, s.outputs}, at::kFloat);
        task.dy_sum = sums.data_ptr<float>();
    }
    std::vector<Tensor> du(weights ? static_cast<size_t>(at::get_num_threads()) : 0);  // of each thread; of those that did nothing, none
    each_pass(s, weights, winograd::backward_scratch, [&](int64_t from, int64_t to, float* scratch, int thread) {
        auto own = task;
        if (weights) {
            auto& sum = du.at(static_cast<size_t>(thread));
            if (!sum.defined()) sum = at::zeros({size}, at::kFloat);
            own.du = sum.data_ptr<float>();
        }
        winograd::backward(s, from, to, own, scratch);
    });
    if (weights) {
        Tensor total;
        for (const auto& part_of : du)
            if (part_of.defined()) total = total.defined() ? total.add_(part_of) : part_of;
        result.weight = at::empty({s.outputs, s.inputs, 3, 3}, at::kFloat);
        each_channel(s.inputs, [&](int64_t from, int64_t to) { winograd::weight_gradient(s, from, to, values(total), result.weight.data_ptr<float>()); });
    }
    if (bias) result.bias = sums.sum(0);
    if (more == 0) return result;
    if (weights) result.weight = result.weight.narrow(0, 0, whole.outputs).clone();
    if (bias) result.bias = result.bias.narrow(0, 0, whole.outputs).clone();
    return result;
}

// ---- conv3x3

Tensor convolved(const Tensor& x, const Tensor& weight, const Tensor& bias, bool doubled) {
    const auto in = x.contiguous(), w = weight.contiguous(), b = contiguous(bias);
    winograd::Forward task{};
    task.x = values(in);
    return forward(shape_of(x, weight, doubled), task, w, b);
}

struct Conv3x3 : Function<Conv3x3> {
    static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Tensor& bias, bool doubled) {
        context->save_for_backward({x, weight, bias});
        context->saved_data["doubled"] = doubled;
        return convolved(x, weight, or_undefined(bias), doubled);
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const auto in = or_undefined(context->get_saved_variables());
        const bool doubled = context->saved_data["doubled"].toBool();
        const std::vector<bool> wanted{context->needs_input_grad(0), context->needs_input_grad(1), in[2].defined() && context->needs_input_grad(2)};
        variable_list result;
        if (at::GradMode::is_enabled()) {
            result = by_plain_operators(in, gradients[0], wanted, [&](const variable_list& v) { return plain_conv(v[0], v[1], v[2], doubled); });
        } else {
            const auto x = in[0].contiguous(), weight = in[1].contiguous(), dy = gradients[0].contiguous();
            winograd::Backward task{};
            task.x = values(x);
            const auto found = graft::backward(shape_of(x, weight, doubled), task, dy, weight, wanted[0], wanted[1], wanted[2]);
            result = {found.input, found.weight, found.bias};
        }
        result.resize(4);  // whether it is doubled has none
        return result;
    }
};

Tensor conv3x3(const Tensor& x, const Tensor& weight, const optional<Tensor>& bias_, bool doubled) {
    const auto bias = bias_.value_or(Tensor());
    if (!is_ours(x, weight, {bias})) return plain_conv(x, weight, bias, doubled);
    const bool recorded = at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()));
    return recorded ? Conv3x3::apply(x, weight, or_empty(bias), doubled) : convolved(x, weight, bias, doubled);
}

// ---- norm_silu_conv3x3

// A row is a channel of a picture. With m its mean, the norm is xhat = r (x + shift - mu), and SiLU sees z = gain xhat + base = a x + b.
struct Rows {
    Tensor mean, mu, r, gain, base, a, b;  // [N, C] each; mu and r are those of the row's group
};

// The means of all rows, then their sums of squared distances: [2, N, C].
Tensor moments_of(const Tensor& x) {
    auto moments = at::empty({2, x.size(0), x.size(1)}, at::kFloat);
    row_moments({x.size(0) * x.size(1), x.size(2) * x.size(3)}, values(x), moments.data_ptr<float>(), moments.data_ptr<float>() + moments.stride(0));
    return moments;
}

Rows rows_of(const variable_list& in, Norm norm, const Tensor& moments) {
    const auto& x = in[X];
    const int64_t n = x.size(0), c = x.size(1), positions = x.size(2) * x.size(3), each = c / norm.groups;
    const auto fresh = [&] { return at::empty({n, c}, at::kFloat); };
    const Rows rows{moments.select(0, 0), fresh(), fresh(), fresh(), fresh(), fresh(), fresh()};
    const auto squares = moments.select(0, 1);
    const auto shift = values(in[Shift]), weight = values(in[NormWeight]), bias = values(in[NormBias]), scale = values(in[Scale]),
               offset = values(in[Offset]), mean = values(rows.mean), square = values(squares);
    auto mu = rows.mu.data_ptr<float>(), r = rows.r.data_ptr<float>(), gain = rows.gain.data_ptr<float>(), base = rows.base.data_ptr<float>(),
         a = rows.a.data_ptr<float>(), b = rows.b.data_ptr<float>();
    for (int64_t first = 0; first < n * c; first += each) {
        double middle = 0, variance = 0;
        for (auto i = first; i < first + each; i++) middle += mean[i] + (shift ? shift[i] : 0.0);
        middle /= static_cast<double>(each);
        for (auto i = first; i < first + each; i++) {
            const double d = mean[i] + (shift ? shift[i] : 0.0) - middle;
            variance += square[i] / static_cast<double>(positions) + d * d;
        }
        const double inverse = 1 / std::sqrt(variance / static_cast<double>(each) + norm.epsilon);
        for (auto i = first; i < first + each; i++) {
            const double factor = scale ? 1.0 + scale[i] : 1.0;
            mu[i] = static_cast<float>(middle);
            r[i] = static_cast<float>(inverse);
            gain[i] = static_cast<float>(weight[i % c] * factor);
            base[i] = static_cast<float>(bias[i % c] * factor + (offset ? offset[i] : 0.0));
            a[i] = static_cast<float>(inverse * gain[i]);
            b[i] = static_cast<float>(((shift ? shift[i] : 0.0) - middle) * inverse * gain[i] + base[i]);
        }
    }
    return rows;
}

variable_list all_contiguous(const variable_list& in) {
    variable_list out;
    for (const auto& t : in) out.push_back(contiguous(t));
    return out;
}

Tensor fused(const variable_list& in, Norm norm, const Tensor& moments) {
    const auto rows = rows_of(in, norm, moments);
    winograd::Forward task{};
    task.x = values(in[X]);
    task.a = values(rows.a);
    task.b = values(rows.b);
    return forward(shape_of(in[X], in[Weight]), task, in[Weight], in[Bias], in[Residual]);
}

variable_list fused_backward(const variable_list& in, Norm norm, const Tensor& moments, const Tensor& dy, const std::vector<bool>& wanted) {
    variable_list result(Inputs);
    if (wanted[Residual]) result[Residual] = dy;
    const auto s = shape_of(in[X], in[Weight]);
    const int64_t c = s.inputs, each = c / norm.groups;
    const bool norms = wanted[X] || wanted[Shift] || wanted[NormWeight] || wanted[NormBias] || wanted[Scale] || wanted[Offset];
    if (!norms && !wanted[Weight] && !wanted[Bias]) return result;
    const auto rows = rows_of(in, norm, moments);
    auto sums = at::empty({s.pictures, c}, at::kFloat), products = at::empty({s.pictures, c}, at::kFloat);
    winograd::Backward task{};
    task.x = values(in[X]);
    task.a = values(rows.a);
    task.b = values(rows.b);
    task.mean = values(rows.mean);
    task.sum = sums.data_ptr<float>();
    task.product = products.data_ptr<float>();
    const auto found = backward(s, task, dy, in[Weight], norms, wanted[Weight], wanted[Bias]);
    result[Weight] = found.weight;
    result[Bias] = found.bias;
    if (!norms) return result;

    // dgain = sum dz xhat and dbase = sum dz of each row; xhat's gradient less its two projections gives dx = slope dz + tilt x + level.
    const auto fresh = [&] { return at::empty({s.pictures, c}, at::kFloat); };
    auto dgain = fresh(), dshift = fresh(), slope = fresh(), tilt = fresh(), level = fresh();
    {
        const auto shift = values(in[Shift]), mean = values(rows.mean), mu = values(rows.mu), r = values(rows.r), gain = values(rows.gain),
                   sum = values(sums), product = values(products);
        auto dg = dgain.data_ptr<float>(), ds = dshift.data_ptr<float>(), sl = slope.data_ptr<float>(), ti = tilt.data_ptr<float>(),
             le = level.data_ptr<float>();
        const auto positions = static_cast<double>(s.positions()), count = positions * static_cast<double>(each);
        for (int64_t first = 0; first < s.pictures * c; first += each) {
            double along_one = 0, along_xhat = 0;
            for (auto i = first; i < first + each; i++) {
                const double to_row = static_cast<double>(mean[i]) + (shift ? shift[i] : 0.0) - mu[i];
                const double d = r[i] * (product[i] + to_row * sum[i]);
                dg[i] = static_cast<float>(d);
                along_one += static_cast<double>(gain[i]) * sum[i] / count;
                along_xhat += gain[i] * d / count;
            }
            for (auto i = first; i < first + each; i++) {
                const double inverse = r[i], from_group = (shift ? shift[i] : 0.0) - static_cast<double>(mu[i]);
                const double t = -inverse * inverse * along_xhat, l = -inverse * along_one + t * from_group;
                sl[i] = static_cast<float>(inverse * gain[i]);
                ti[i] = static_cast<float>(t);
                le[i] = static_cast<float>(l);
                ds[i] = static_cast<float>(inverse * gain[i] * sum[i] + positions * (l + t * mean[i]));
            }
        }
    }
    if (wanted[X]) {
        result[X] = found.input;  // dz, in whose place dx comes
        norm_backward({s.pictures * c, s.positions()}, values(in[X]), values(slope), values(tilt), values(level), result[X].data_ptr<float>());
    }
    if (wanted[Shift]) result[Shift] = dshift;
    const auto factor = in[Scale].defined() ? in[Scale] + 1 : Tensor();
    const auto summed = [&](const Tensor& t) { return (factor.defined() ? t * factor : t).sum(0); };
    if (wanted[NormWeight]) result[NormWeight] = summed(dgain);
    if (wanted[NormBias]) result[NormBias] = summed(sums);
    if (wanted[Scale]) result[Scale] = dgain * in[NormWeight] + sums * in[NormBias];
    if (wanted[Offset]) result[Offset] = sums;
    return result;
}

struct NormSiluConv3x3 : Function<NormSiluConv3x3> {
    static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& shift, const Tensor& norm_weight, const Tensor& norm_bias,
                          const Tensor& scale, const Tensor& offset, const Tensor& weight, const Tensor& bias, const Tensor& residual,
                          int64_t groups, double epsilon) {
        const auto in = all_contiguous(or_undefined({x, shift, norm_weight, norm_bias, scale, offset, weight, bias, residual}));
        const auto moments = moments_of(in[X]);
        // What is added last is not needed on the way back, only whether it is there.
        context->save_for_backward({x, shift, norm_weight, norm_bias, scale, offset, weight, bias, moments});
        context->saved_data["groups"] = groups;
        context->saved_data["epsilon"] = epsilon;
        return fused(in, {groups, epsilon}, moments);
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        auto in = or_undefined(context->get_saved_variables());
        const auto moments = in.back();
        in.back() = Tensor();  // the place of the residual
        const Norm norm{context->saved_data["groups"].toInt(), context->saved_data["epsilon"].toDouble()};
        std::vector<bool> wanted(Inputs);
        for (size_t i = 0; i < Inputs; i++) wanted[i] = (i == Residual || in[i].defined()) && context->needs_input_grad(i);
        variable_list result;
        if (at::GradMode::is_enabled()) {
            const bool residual = wanted[Residual];
            wanted[Residual] = false;
            result = by_plain_operators(in, gradients[0], wanted, [&](const variable_list& v) { return plain(v, norm); });
            if (residual) result[Residual] = gradients[0];
        } else {
            result = fused_backward(all_contiguous(in), norm, moments, gradients[0].contiguous(), wanted);
        }
        result.resize(Inputs + 2);  // groups and epsilon have none
        return result;
    }
};

Tensor norm_silu_conv3x3(const Tensor& x, const optional<Tensor>& shift, int64_t groups, const Tensor& norm_weight, const Tensor& norm_bias,
                         double epsilon, const optional<Tensor>& scale, const optional<Tensor>& offset, const Tensor& weight,
                         const optional<Tensor>& bias, const optional<Tensor>& residual) {
    const variable_list in{x, shift.value_or(Tensor()), norm_weight, norm_bias, scale.value_or(Tensor()), offset.value_or(Tensor()),
                           weight, bias.value_or(Tensor()), residual.value_or(Tensor())};
    TORCH_CHECK(in[Scale].defined() == in[Offset].defined(), "scale and offset come together");
    TORCH_CHECK(groups > 0 && x.dim() > 1 && x.size(1) % groups == 0, "the channels do not fall into so many groups");
    for (auto i : {Shift, Scale, Offset})
        TORCH_CHECK(!in[i].defined() || (in[i].dim() == 2 && in[i].size(0) == x.size(0) && in[i].size(1) == x.size(1)),
                    "shift, scale and offset have a value for each picture and channel");
    if (!is_ours(x, weight, {in[Shift], in[NormWeight], in[NormBias], in[Scale], in[Offset], in[Bias], in[Residual]})) return plain(in, {groups, epsilon});
    bool recorded = false;
    for (const auto& t : in) recorded = recorded || (t.defined() && t.requires_grad());
    if (!recorded || !at::GradMode::is_enabled()) {
        const auto rows = all_contiguous(in);
        return fused(rows, {groups, epsilon}, moments_of(rows[X]));
    }
    return NormSiluConv3x3::apply(in[X], or_empty(in[Shift]), in[NormWeight], in[NormBias], or_empty(in[Scale]), or_empty(in[Offset]), in[Weight],
                                  or_empty(in[Bias]), or_empty(in[Residual]), groups, epsilon);
}

}  // namespace
}  // namespace graft

TORCH_LIBRARY(graft, library) {
    library.def("has_winograd_convolution(int n, int inputs, int outputs, int height, int width) -> int",
                [](int64_t n, int64_t inputs, int64_t outputs, int64_t height, int64_t width) {
                    return static_cast<int64_t>(graft::has_winograd({n, inputs, outputs, height, width}));
                });
    library.def("conv3x3(Tensor x, Tensor weight, Tensor? bias, bool doubled) -> Tensor", &graft::conv3x3);
    library.def(
        "norm_silu_conv3x3(Tensor x, Tensor? shift, int groups, Tensor norm_weight, Tensor norm_bias, float epsilon, Tensor? scale, "
        "Tensor? offset, Tensor weight, Tensor? bias, Tensor? residual) -> Tensor",
        &graft::norm_silu_conv3x3);
}
