#include "group.h"

#include <cstdlib>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace graft {

// This library's own: internal.h only declares it.
std::string& last_error() {
    thread_local std::string message;
    return message;
}

namespace {

c10::intrusive_ptr<Engine> make_engine(const std::string& backend, const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                       std::chrono::milliseconds timeout) {
    if (backend == "gloo") {
        auto options = c10d::ProcessGroupGloo::Options::create(timeout);
        // The variable is torch.distributed's: which network the processes talk over, where the host's own name does not lead to it.
        const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
        options->devices.push_back(interface != nullptr && *interface != 0 ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                                                                          : c10d::ProcessGroupGloo::createDefaultDevice());
        return c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
    }
#ifdef USE_C10D_NCCL
    if (backend == "nccl") {
        auto options = c10d::ProcessGroupNCCL::Options::create();
        options->timeout = timeout;
        return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, options);
    }
#endif
    throw std::invalid_argument("the backend " + backend + " was not built into this library");
}

// Since 2.4 libtorch's store runs on libuv unless it is told, also where libtorch was built without (as Debian's is).
template <typename Options>
auto without_libuv(Options& options, int) -> decltype(void(options.useLibUV)) {
    options.useLibUV = false;
}
template <typename Options>
void without_libuv(Options&, long) {}

at::Tensor contiguous(graft_tensor handle) {
    auto tensor = borrow(handle);
    if (!tensor.defined() || !tensor.is_contiguous()) throw std::invalid_argument("a collective takes a contiguous tensor");
    return tensor.detach();  // shares the memory; what autograd recorded stays here
}

}  // namespace
}  // namespace graft

extern "C" {

const char* graft_distributed_last_error(void) { return graft::last_error().c_str(); }

graft_group graft_group_create(const char* backend, const char* host, int32_t port, int32_t serve, const char* prefix, int32_t rank,
                               int32_t size, int64_t timeout_milliseconds) {
    return graft::guarded(
        [&]() -> graft_group {
            auto timeout = std::chrono::milliseconds(timeout_milliseconds);
            c10d::TCPStoreOptions options;
            options.port = static_cast<uint16_t>(port);
            options.isServer = serve != 0;
            options.waitWorkers = false;  // making the engine waits for everybody
            options.timeout = timeout;
            graft::without_libuv(options, 0);
            auto group = std::make_unique<graft::Group>();
            auto meeting = c10::make_intrusive<c10d::TCPStore>(host, options);
            meeting->setTimeout(timeout);
            group->store = c10::make_intrusive<c10d::PrefixStore>(prefix, meeting);
            group->store->setTimeout(timeout);
            group->engine = graft::make_engine(backend, group->store, rank, size, timeout);
            return reinterpret_cast<graft_group>(group.release());
        },
        nullptr);
}

void graft_group_destroy(graft_group group) {
    graft::guarded(
        [&] {
            delete reinterpret_cast<graft::Group*>(group);
            return 0;
        },
        -1);
}

graft_work graft_group_all_reduce(graft_group group, graft_tensor tensor) {
    return graft::guarded(
        [&]() -> graft_work {
            std::vector<at::Tensor> tensors{graft::contiguous(tensor)};
            auto work = std::make_unique<graft::Work>(graft::of(group).engine->allreduce(tensors));
            return reinterpret_cast<graft_work>(work.release());
        },
        nullptr);
}

int32_t graft_work_wait(graft_work handle) {
    std::unique_ptr<graft::Work> work(reinterpret_cast<graft::Work*>(handle));
    return graft::collective([&] { (*work)->wait(); });
}

int32_t graft_group_broadcast(graft_group group, graft_tensor tensor, int32_t root) {
    return graft::collective([&] {
        std::vector<at::Tensor> tensors{graft::contiguous(tensor)};
        c10d::BroadcastOptions options;
        options.rootRank = root;
        graft::of(group).engine->broadcast(tensors, options)->wait();
        tensors[0].unsafeGetTensorImpl()->bump_version();  // what others keep of its values does not stand any more
    });
}

int32_t graft_group_all_gather(graft_group group, graft_tensor tensor, const graft_tensor* results, int32_t count) {
    return graft::collective([&] {
        std::vector<at::Tensor> inputs{graft::contiguous(tensor)};
        std::vector<std::vector<at::Tensor>> outputs(1);
        for (int32_t i = 0; i < count; i++) outputs[0].push_back(graft::contiguous(results[i]));
        graft::of(group).engine->allgather(outputs, inputs)->wait();
    });
}

int32_t graft_group_barrier(graft_group group) {
    return graft::collective([&] { graft::of(group).engine->barrier()->wait(); });
}
}
