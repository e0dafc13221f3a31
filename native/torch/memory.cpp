// What tensors hold, counted by libtorch's own allocators: exact, where a process's resident memory is not.
#include "profile.h"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace {

// The totals are int64_t in 1.x and size_t in 2.x.
template <class T>
struct totals;
template <class R, class C, class P, class S, class T, class D>
struct totals<R (C::*)(P, S, T, T, D)> {
    using type = T;
};
using total = totals<decltype(&c10::MemoryReportingInfoBase::reportMemoryUsage)>::type;

struct Meter final : c10::MemoryReportingInfoBase {
    std::atomic<int64_t> current{0}, peak{0};

    // libtorch finds the size of what is given back by its address, and forgets an address only while somebody counts: one that was
    // taken under an earlier meter, given back behind it and taken again comes with the old size. So what was not taken here is not counted.
    void reportMemoryUsage(void* address, int64_t size, total, total, c10::Device) override {
        const auto change = change_of(address, size);
        if (change == 0) return;
        auto now = current.fetch_add(change) + change;
        auto most = peak.load();
        while (now > most && !peak.compare_exchange_weak(most, now)) {}
        graft::profile_memory(change, now);
    }

    bool memoryProfilingEnabled() const override { return true; }

private:
    int64_t change_of(void* address, int64_t size) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (size > 0) return size - std::exchange(live_[address], size);
        const auto found = live_.find(address);
        if (found == live_.end()) return 0;
        const auto held = found->second;
        live_.erase(found);
        return -held;
    }

    std::mutex mutex_;
    std::unordered_map<void*, int64_t> live_;
};

thread_local std::shared_ptr<Meter> meter;

}  // namespace

extern "C" {

int32_t graft_memory_begin(void) {
    return graft::guarded(
        [] {
            TORCH_CHECK(!meter, "memory is being counted already");
            meter = std::make_shared<Meter>();
            c10::ThreadLocalDebugInfo::_push(c10::DebugInfoKind::PROFILER_STATE, meter);
            return 0;
        },
        -1);
}

int32_t graft_memory_read(int64_t* current, int64_t* peak, int32_t reset_peak) {
    return graft::guarded(
        [=] {
            TORCH_CHECK(meter, "memory is not being counted");
            *current = meter->current.load();
            *peak = meter->peak.load();
            if (reset_peak) meter->peak = *current;
            return 0;
        },
        -1);
}

int32_t graft_memory_end(void) {
    return graft::guarded(
        [] {
            TORCH_CHECK(meter, "memory is not being counted");
            c10::ThreadLocalDebugInfo::_pop(c10::DebugInfoKind::PROFILER_STATE);
            meter.reset();
            return 0;
        },
        -1);
}

}  // extern "C"
