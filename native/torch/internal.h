// What the files of this library share. Differences between libtorch's versions stay in this file.
#pragma once
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/version.h>

#include <atomic>
#include <exception>
#include <optional>
#include <string>

#include "graft_torch.h"

namespace graft {

// c10::optional became an alias of std::optional in 2.x, and later went.
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
template <class T>
using optional = std::optional<T>;
#else
template <class T>
using optional = c10::optional<T>;
#endif

inline std::atomic<int64_t> live_tensors{0};

std::string& last_error();

// A handle is a TensorImpl pointer that owns one reference.
inline graft_tensor give(at::Tensor t) {
    live_tensors.fetch_add(1, std::memory_order_relaxed);
    return reinterpret_cast<graft_tensor>(t.unsafeReleaseTensorImpl());
}

inline at::Tensor borrow(graft_tensor t) {
    if (t == nullptr) return at::Tensor();
    return at::Tensor(c10::intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>::reclaim_copy(
        reinterpret_cast<at::TensorImpl*>(t)));
}

std::string describe(const at::Tensor& t);

// Runs f and turns whatever it throws into an error code: no exception crosses the ABI.
template <class F>
auto guarded(F&& f, decltype(f()) failure) noexcept -> decltype(f()) {
    try {
        return f();
    } catch (const c10::Error& e) {
        last_error() = e.what_without_backtrace();
    } catch (const std::exception& e) {
        last_error() = e.what();
    } catch (...) {
        last_error() = "an unknown native exception";
    }
    return failure;
}

}  // namespace graft
