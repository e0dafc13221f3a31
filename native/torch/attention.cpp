#include <torch/library.h>

#include "heads.h"
#include "plain_gradients.h"
#include "profile.h"

// graft::attention(qkv, heads, scale): of feature maps [N, 3C, H, W], queries, keys and values of every head one after another, [N, C, H, W]. Where
// heads.h has kernels for it, no scores are kept; elsewhere, and for second derivatives, it is libtorch's operators in a row.

namespace graft {
namespace {

using heads::Shape;

// What is given: whole pictures of queries, keys and values.
Tensor plain(const Tensor& qkv, int64_t count, double scale) {
    const auto n = qkv.size(0), c = qkv.size(1) / 3, positions = qkv.size(2) * qkv.size(3);
    const auto parts = qkv.reshape({n, 3, count, c / count, positions}).unbind(1);
    const auto scores = at::matmul((parts[0] * scale).transpose(-1, -2), parts[1]);
    // In half precision a sum of many exponentials would lose its small ones.
    const auto weights = scores.softmax(-1, qkv.scalar_type() == at::kDouble ? at::kDouble : at::kFloat).to(qkv.scalar_type());
    return at::matmul(parts[2], weights.transpose(-1, -2)).reshape({n, c, qkv.size(2), qkv.size(3)});
}

bool is_ours(const Tensor& qkv) { return has_avx512_kernels() && is_plain_float(qkv) && qkv.size(0) > 0 && qkv.size(2) * qkv.size(3) >= 16; }

Shape shape_of(const Tensor& qkv, int64_t count, double scale) {
    return {count, qkv.size(1) / 3 / count, qkv.size(2) * qkv.size(3), static_cast<float>(scale)};
}

double operations(const Tensor& qkv, const Shape& s, int products) {
    return 2.0 * products * static_cast<double>(qkv.size(0) * s.heads * s.size) * static_cast<double>(s.positions) * static_cast<double>(s.positions);
}

struct Mixed {
    Tensor y, greatest, share;
};

Mixed mixed(const Tensor& given, int64_t count, double scale) {
    const auto qkv = given.contiguous();
    const auto s = shape_of(qkv, count, scale);
    ProfiledPart part("graft::attention_forward", operations(qkv, s, 2));
    const auto n = qkv.size(0), all = n * s.heads;
    Mixed result{at::empty({n, s.heads * s.size, qkv.size(2), qkv.size(3)}, at::kFloat), at::empty({all, s.positions}, at::kFloat), at::empty({all, s.positions}, at::kFloat)};
    at::parallel_for(0, all, 1, [&](int64_t from, int64_t to) {
        auto scratch = at::empty({heads::scratch_of(s)}, at::kFloat);
        heads::forward(s, from, to, values(qkv), result.y.data_ptr<float>(), result.greatest.data_ptr<float>(), result.share.data_ptr<float>(), scratch.data_ptr<float>());
    });
    return result;
}

struct Attention : Function<Attention> {
    static Tensor forward(AutogradContext* context, const Tensor& qkv, int64_t count, double scale) {
        const auto result = mixed(qkv, count, scale);
        context->save_for_backward({qkv, result.y, result.greatest, result.share});
        context->saved_data["heads"] = count;
        context->saved_data["scale"] = scale;
        return result.y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto count = context->saved_data["heads"].toInt();
        const auto scale = context->saved_data["scale"].toDouble();
        if (at::GradMode::is_enabled())
            return {by_plain_operators({saved[0]}, gradients[0], {true}, [&](const variable_list& v) { return plain(v[0], count, scale); })[0], Tensor(), Tensor()};
        const auto qkv = saved[0].contiguous(), y = saved[1], dy = gradients[0].contiguous();
        const auto s = shape_of(qkv, count, scale);
        ProfiledPart part("graft::attention_backward", operations(qkv, s, 4));
        auto dqkv = at::empty_like(qkv);
        at::parallel_for(0, qkv.size(0) * s.heads, 1, [&](int64_t from, int64_t to) {
            auto scratch = at::empty({heads::scratch_of(s)}, at::kFloat);
            heads::backward(s, from, to, values(qkv), values(y), values(saved[2]), values(saved[3]), values(dy), dqkv.data_ptr<float>(), scratch.data_ptr<float>());
        });
        return {dqkv, Tensor(), Tensor()};
    }
};

Tensor attention(const Tensor& qkv, int64_t count, double scale) {
    TORCH_CHECK(qkv.dim() == 4 && count > 0 && qkv.size(1) % (3 * count) == 0, "attention: queries, keys and values of ", count,
                " heads are due, [N, 3C, H, W], and not ", qkv.sizes());
    if (!is_ours(qkv)) return plain(qkv, count, scale);
    return qkv.requires_grad() && at::GradMode::is_enabled() ? Attention::apply(qkv, count, scale) : mixed(qkv, count, scale).y;
}

}  // namespace
}  // namespace graft

TORCH_LIBRARY_FRAGMENT(graft, library) { library.def("attention(Tensor qkv, int heads, float scale) -> Tensor", &graft::attention); }
