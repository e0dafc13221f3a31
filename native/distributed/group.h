// What the files of this library share. Differences between libtorch's versions stay here.
#pragma once
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "graft_distributed.h"
#include "internal.h"

namespace graft {

// From 2.0 on a group holds backends; before, it is one.
#if TORCH_VERSION_MAJOR >= 2
using Engine = c10d::Backend;
#else
using Engine = c10d::ProcessGroup;
#endif
using Work = c10::intrusive_ptr<c10d::Work>;

struct Group {
    c10::intrusive_ptr<c10d::Store> store;  // whoever serves it does so as long as this lives
    c10::intrusive_ptr<Engine> engine;
};

inline Group& of(graft_group group) { return *reinterpret_cast<Group*>(group); }

// Like guarded, and tells a process that was lost from what is wrong with a call.
template <class F>
int32_t collective(F&& f) noexcept {
    return guarded(
        [&]() -> int32_t {
            try {
                f();
                return 0;
            } catch (const ::gloo::IoException& e) {  // closed connections and timeouts
                last_error() = e.what();
                return GRAFT_LOST;
            }
        },
        GRAFT_FAILED);
}

}  // namespace graft
