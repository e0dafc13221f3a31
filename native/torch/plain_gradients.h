// What the operators registered here share: looks at tensors that may be absent, and gradients of gradients by libtorch's own operators.
#pragma once
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "internal.h"

namespace graft {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;
using at::Tensor;

// Whether winograd.h, pointwise.h and heads.h may be called. Asked here, since their own files are compiled for what is asked for.
inline bool has_avx512_kernels() {
#ifdef GRAFT_AVX512_KERNELS
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd");
#else
    return false;
#endif
}

inline bool is_plain_float(const at::Tensor& t) { return !t.defined() || (t.scalar_type() == at::kFloat && t.is_cpu() && t.layout() == at::kStrided); }

inline const float* values(const at::Tensor& t) { return t.defined() ? t.data_ptr<float>() : nullptr; }

inline at::Tensor contiguous(const at::Tensor& t) { return t.defined() ? t.contiguous() : t; }

// A Function takes no undefined tensors among its inputs: an empty one stands for what is absent.
inline at::Tensor or_empty(const at::Tensor& t) { return t.defined() ? t : at::empty({0}, at::kFloat); }

inline at::Tensor or_undefined(const at::Tensor& t) { return t.numel() == 0 ? at::Tensor() : t; }

inline torch::autograd::variable_list or_undefined(torch::autograd::variable_list list) {
    for (auto& t : list) t = or_undefined(t);
    return list;
}

// The forward pass once more, by operators that can be differentiated twice; undefined where no gradient is wanted.
template <class Forward>
torch::autograd::variable_list by_plain_operators(
    const torch::autograd::variable_list& in, const at::Tensor& dy, const std::vector<bool>& wanted, Forward forward) {
    torch::autograd::variable_list leaves, result(in.size());
    std::vector<size_t> places;
    for (size_t i = 0; i < in.size(); i++)
        if (wanted[i]) {
            leaves.push_back(in[i]);
            places.push_back(i);
        }
    const auto y = forward(in);
    const auto found = torch::autograd::grad({y}, leaves, {dy}, optional<bool>(), true, true);
    for (size_t i = 0; i < places.size(); i++) result[places[i]] = found[i];
    return result;
}

}  // namespace graft
