// What the operators registered here share: gradients of gradients go through libtorch's own operators.
#pragma once
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "internal.h"

namespace graft {

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
