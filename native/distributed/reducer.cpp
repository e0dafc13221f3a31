#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>

#include "group.h"

namespace graft {
namespace {

using torch::autograd::variable_list;

// A bucket's sum begins inside the backward pass, when the last of its gradients is there (Li et al. 2020, section 3.2.3). Processes
// must begin their sums in the same order, so a bucket that is complete waits for those before it.
struct Reducer {
    Group& group;
    std::vector<at::Tensor> parameters;
    std::vector<std::vector<size_t>> buckets;
    std::vector<size_t> bucket_of;
    std::vector<std::shared_ptr<torch::autograd::Node>> accumulators;  // a hook lives as long as its node

    bool watching = false;
    size_t begun = 0;
    std::vector<size_t> missing;
    std::vector<at::Tensor> sums;
    std::vector<Work> works;
    std::exception_ptr error;  // of a sum that could not begin: a backward pass would hide what it is

    void begin() {
        watching = true;
        begun = 0;
        error = nullptr;
        sums.clear();
        works.clear();
        missing.clear();
        for (const auto& bucket : buckets) missing.push_back(bucket.size());
    }

    void made(size_t parameter) {
        if (!watching || error) return;
        missing[bucket_of[parameter]]--;
        try {
            while (begun < buckets.size() && missing[begun] == 0) sum_next();
        } catch (...) {
            error = std::current_exception();
        }
    }

    void sum_next() {
        c10::AutoGradMode mode(false);
        std::vector<at::Tensor> flat;
        for (auto i : buckets[begun]) {
            const auto& gradient = parameters[i].grad();
            flat.push_back((gradient.defined() ? gradient : at::zeros_like(parameters[i])).reshape({-1}));
        }
        sums.push_back(at::cat(flat));
        std::vector<at::Tensor> tensors{sums.back()};
        works.push_back(group.engine->allreduce(tensors));
        begun++;
    }

    void finish() {
        watching = false;
        if (error) std::rethrow_exception(error);
        while (begun < buckets.size()) sum_next();  // with parameters that this process's loss does not reach
        for (auto& work : works) work->wait();
        for (size_t b = 0; b < buckets.size(); b++) {
            int64_t offset = 0;
            for (auto i : buckets[b]) {
                auto& parameter = parameters[i];
                parameter.mutable_grad() = sums[b].narrow(0, offset, parameter.numel()).view(parameter.sizes());
                offset += parameter.numel();
            }
        }
        sums.clear();
        works.clear();
    }
};

// Hooks may outlive the handle, in a graph that was kept.
using Handle = std::shared_ptr<Reducer>;

Reducer& reducer_of(graft_reducer handle) { return **reinterpret_cast<Handle*>(handle); }

}  // namespace
}  // namespace graft

extern "C" {

graft_reducer graft_reducer_create(graft_group group, const graft_tensor* parameters, const int32_t* bucket_of, int32_t count) {
    return graft::guarded(
        [&]() -> graft_reducer {
            auto made = std::make_unique<graft::Handle>(new graft::Reducer{graft::of(group), {}, {}, {}, {}, false, 0, {}, {}, {}, nullptr});
            auto& reducer = **made;
            for (int32_t i = 0; i < count; i++) {
                auto bucket = static_cast<size_t>(bucket_of[i]);
                reducer.parameters.push_back(graft::borrow(parameters[i]));
                reducer.bucket_of.push_back(bucket);
                if (reducer.buckets.size() <= bucket) reducer.buckets.resize(bucket + 1);
                reducer.buckets[bucket].push_back(static_cast<size_t>(i));
                reducer.accumulators.push_back(torch::autograd::impl::grad_accumulator(reducer.parameters.back()));
                auto watch = [weak = std::weak_ptr<graft::Reducer>(*made), index = static_cast<size_t>(i)](
                                 const graft::variable_list& outputs, const graft::variable_list&) {
                    if (auto alive = weak.lock()) alive->made(index);
                    return outputs;
                };
                reducer.accumulators.back()->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(watch));
            }
            return reinterpret_cast<graft_reducer>(made.release());
        },
        nullptr);
}

void graft_reducer_destroy(graft_reducer reducer) { delete reinterpret_cast<graft::Handle*>(reducer); }

int32_t graft_reducer_begin(graft_reducer reducer) {
    return graft::collective([&] { graft::reducer_of(reducer).begin(); });
}

int32_t graft_reducer_finish(graft_reducer reducer) {
    return graft::collective([&] { graft::reducer_of(reducer).finish(); });
}
}
