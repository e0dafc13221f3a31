#include "internal.h"

#include <cstring>

extern "C" {

graft_tensor graft_tensor_from(const void* data, int32_t dtype, const int64_t* sizes, int32_t dims) {
    return graft::guarded(
        [&]() -> graft_tensor {
            auto t = at::empty(c10::IntArrayRef(sizes, static_cast<size_t>(dims)),
                               at::TensorOptions().dtype(static_cast<c10::ScalarType>(dtype)));
            if (data != nullptr && t.nbytes() > 0) std::memcpy(t.data_ptr(), data, t.nbytes());
            return graft::give(std::move(t));
        },
        nullptr);
}

void graft_tensor_release(graft_tensor t) {
    if (t == nullptr) return;
    graft::live_tensors.fetch_sub(1, std::memory_order_relaxed);
    c10::intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>::reclaim(reinterpret_cast<at::TensorImpl*>(t));
}

int32_t graft_tensor_describe(graft_tensor handle, graft_description* out) {
    return graft::guarded(
        [&] {
            auto t = graft::borrow(handle);
            if (t.dim() > GRAFT_MAX_DIMS)
                throw std::invalid_argument("a tensor of " + std::to_string(t.dim()) + " dimensions; at most 12 are carried");
            out->dtype = static_cast<int32_t>(t.scalar_type());
            out->dims = static_cast<int32_t>(t.dim());
            out->device_type = static_cast<int32_t>(t.device().type());
            out->device_index = t.device().index();
            out->requires_grad = t.requires_grad() ? 1 : 0;
            out->contiguous = t.is_contiguous() ? 1 : 0;
            for (int64_t i = 0; i < t.dim(); i++) {
                out->sizes[i] = t.size(i);
                out->strides[i] = t.stride(i);
            }
            return 0;
        },
        -1);
}

void* graft_tensor_data(graft_tensor handle) {
    return graft::guarded(
        [&]() -> void* {
            auto t = graft::borrow(handle);
            if (!t.is_cpu() || !t.is_contiguous())
                throw std::invalid_argument("the data of " + graft::describe(t) + " is asked for, which is not contiguous on the CPU");
            if (t.is_conj() || t.is_neg())  // what lies there is not yet the value
                throw std::invalid_argument("the data of " + graft::describe(t) + " is asked for before it was resolved");
            return t.data_ptr();
        },
        nullptr);
}

int32_t graft_tensor_set_requires_grad(graft_tensor handle, int32_t value) {
    return graft::guarded(
        [&] {
            graft::borrow(handle).requires_grad_(value != 0);  // unlike set_requires_grad this refuses what is no leaf
            return 0;
        },
        -1);
}
}
