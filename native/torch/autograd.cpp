#include "internal.h"

namespace graft {
namespace {

std::vector<at::Tensor> collect(const graft_tensor* handles, int32_t count) {
    std::vector<at::Tensor> tensors;
    tensors.reserve(static_cast<size_t>(count));
    for (int32_t i = 0; i < count; i++) tensors.push_back(handles == nullptr ? at::Tensor() : borrow(handles[i]));
    return tensors;
}

}  // namespace
}  // namespace graft

extern "C" {

graft_tensor graft_tensor_grad(graft_tensor handle) {
    return graft::guarded(
        [&]() -> graft_tensor {
            graft::last_error().clear();
            auto grad = graft::borrow(handle).grad();
            return grad.defined() ? graft::give(grad) : nullptr;
        },
        nullptr);
}

int32_t graft_tensor_set_grad(graft_tensor handle, graft_tensor grad) {
    return graft::guarded(
        [&] {
            auto tensor = graft::borrow(handle), value = graft::borrow(grad);
            // libtorch would take anything here and fail, or overrun, when the next gradient is added
            if (value.defined() && (value.sizes() != tensor.sizes() || value.scalar_type() != tensor.scalar_type() ||
                                    value.device() != tensor.device()))
                throw std::invalid_argument("the gradient of " + graft::describe(tensor) + " cannot be " +
                                            graft::describe(value));
            tensor.mutable_grad() = value;
            return 0;
        },
        -1);
}

int32_t graft_backward(const graft_tensor* outputs, const graft_tensor* seeds, int32_t count, int32_t retain_graph,
                       int32_t create_graph) {
    return graft::guarded(
        [&] {
            c10::AutoGradMode mode(true);
            torch::autograd::backward(graft::collect(outputs, count), graft::collect(seeds, count), retain_graph != 0,
                                      create_graph != 0);
            return 0;
        },
        -1);
}

int32_t graft_gradients(const graft_tensor* outputs, const graft_tensor* seeds, int32_t count,
                        const graft_tensor* inputs, int32_t input_count, int32_t retain_graph, int32_t create_graph,
                        int32_t allow_unused, graft_tensor* results) {
    return graft::guarded(
        [&] {
            c10::AutoGradMode mode(true);
            auto wanted = graft::collect(inputs, input_count);
            for (size_t i = 0; i < wanted.size(); i++) {
                if (!wanted[i].requires_grad())
                    throw std::invalid_argument("gradients: input " + std::to_string(i) + ", " +
                                                graft::describe(wanted[i]) + ", does not require a gradient");
            }
            auto grads = torch::autograd::grad(graft::collect(outputs, count), wanted, graft::collect(seeds, count),
                                               retain_graph != 0, create_graph != 0, /*allow_unused=*/true);
            for (size_t i = 0; i < grads.size(); i++) {
                if (allow_unused == 0 && !grads[i].defined())
                    throw std::invalid_argument("gradients: input " + std::to_string(i) + ", " +
                                                graft::describe(wanted[i]) + ", was not used to compute the output");
            }
            for (size_t i = 0; i < grads.size(); i++) results[i] = grads[i].defined() ? graft::give(grads[i]) : nullptr;
            return 0;
        },
        -1);
}
}
