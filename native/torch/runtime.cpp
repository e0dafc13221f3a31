#include "internal.h"

#include <ATen/Context.h>
#include <ATen/Version.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>

#include <cstdio>
#include <stdlib.h>
#include <unistd.h>

namespace graft {

std::string& last_error() {
    thread_local std::string message;
    return message;
}

std::string describe(const at::Tensor& t) {
    if (!t.defined()) return "none";
    std::string text = c10::toString(t.scalar_type());
    text += "[";
    for (int64_t i = 0; i < t.dim(); i++) text += (i ? ", " : "") + std::to_string(t.size(i));
    text += "]";
    if (!t.is_cpu()) text += " on " + t.device().str();
    return text;
}

}  // namespace graft

extern "C" {

const char* graft_last_error(void) { return graft::last_error().c_str(); }

const char* graft_version(void) { return TORCH_VERSION; }

const char* graft_build_info(void) {
    return graft::guarded(
        [] {
            static const std::string text = at::show_config() + at::get_parallel_info();
            return text.c_str();
        },
        "");
}

int32_t graft_set_threads(int32_t count) {
    return graft::guarded(
        [&] {
            at::set_num_threads(count);
            // OpenBLAS with pthreads keeps a pool of its own, which at::set_num_threads does not know.
            using set_threads = void (*)(int);
            if (auto set = reinterpret_cast<set_threads>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) set(count);
            return 0;
        },
        -1);
}

void graft_leave_at_once(void) {
#ifdef __GLIBC__
    // Handlers run last come, first served: this one comes after those of the libraries that are loaded by now, and none of theirs runs.
    on_exit(
        [](int status, void*) {
            std::fflush(nullptr);
            _exit(status);
        },
        nullptr);
#endif
}

int32_t graft_get_threads(void) {
    return graft::guarded([]() -> int32_t { return at::get_num_threads(); }, -1);
}

int32_t graft_allow_tf32(int32_t allowed) {
    return graft::guarded(
        [&] {
            at::globalContext().setAllowTF32CuBLAS(allowed != 0);
            at::globalContext().setAllowTF32CuDNN(allowed != 0);
            return 0;
        },
        -1);
}

int32_t graft_tf32_allowed(void) {
    return graft::guarded(
        []() -> int32_t { return (at::globalContext().allowTF32CuBLAS() ? 1 : 0) + (at::globalContext().allowTF32CuDNN() ? 2 : 0); }, -1);
}

int32_t graft_benchmark_cudnn(int32_t wanted) {
    return graft::guarded(
        [&] {
            at::globalContext().setBenchmarkCuDNN(wanted != 0);
            return 0;
        },
        -1);
}

int32_t graft_cudnn_benchmarked(void) {
    return graft::guarded([]() -> int32_t { return at::globalContext().benchmarkCuDNN() ? 1 : 0; }, -1);
}

int32_t graft_device_count(int32_t device_type) {
    return graft::guarded(
        [&]() -> int32_t {
            auto type = static_cast<c10::DeviceType>(device_type);
            if (type == c10::kCPU) return 1;
            if (!c10::impl::hasDeviceGuardImpl(type)) return 0;
            return c10::impl::getDeviceGuardImpl(type)->deviceCount();
        },
        -1);
}

const char* graft_blas_path(void) {
    static const std::string path = [] {
        Dl_info info;
        void* symbol = dlsym(RTLD_DEFAULT, "sgemm_");
        return symbol != nullptr && dladdr(symbol, &info) != 0 ? std::string(info.dli_fname) : std::string();
    }();
    return path.c_str();
}

int64_t graft_live_tensors(void) { return graft::live_tensors.load(std::memory_order_relaxed); }
}
