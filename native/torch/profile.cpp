#include "profile.h"

#include <ATen/SequenceNumber.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <tuple>
#include <unordered_map>

// Time, operations and bytes of every operator that libtorch reports (at::RecordFunction) on one thread, and by the backward passes it begins.
//
// Times are self times: an operator's less those it called. Convolutions and matrix products keep what they call, so that a rate can be computed
// of the two. A backward function belongs to the region in which its sequence number was given out: where the forward pass made it.

namespace graft {
namespace {

int64_t now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

using Inputs = c10::ArrayRef<const c10::IValue>;

bool is_tensor(Inputs in, size_t i) { return in.size() > i && in[i].isTensor() && in[i].toTensor().defined(); }

// A multiply-add of complex numbers is four of real ones.
double factor(const at::Tensor& t) { return t.is_complex() ? 8 : 2; }

// 2 for each multiply-add of the pass forwards: of every place that the kernel is laid on.
double convolution_at(const at::Tensor& places, const at::Tensor& weight) {
    return weight.size(0) == 0 ? 0 : factor(weight) * static_cast<double>(places.numel()) * static_cast<double>(weight.numel() / weight.size(0));
}

int64_t along(const c10::IValue& list, size_t i) {
    const auto values = list.toIntVector();
    return values[std::min(i, values.size() - 1)];  // one stands for all
}

// convolution(input, weight, bias, stride, padding, dilation, transposed, ...)
double convolution(Inputs in) {
    if (!is_tensor(in, 0) || !is_tensor(in, 1) || in.size() < 7) return 0;
    const auto &x = in[0].toTensor(), &weight = in[1].toTensor();
    if (in[6].toBool()) return convolution_at(x, weight);
    double places = 1;
    const auto first = x.dim() - (weight.dim() - 2);
    for (int64_t i = 2; i < weight.dim(); i++) {
        const auto k = static_cast<size_t>(i - 2);
        const auto reach = along(in[5], k) * (weight.size(i) - 1) + 1;
        places *= static_cast<double>((x.size(first + i - 2) + 2 * along(in[4], k) - reach) / along(in[3], k) + 1);
    }
    return factor(weight) * places * static_cast<double>(first > 1 ? x.size(0) : 1) * static_cast<double>(weight.numel());
}

// convolution_backward(grad_output, input, weight, bias_sizes, stride, padding, dilation, transposed, output_padding, groups, output_mask): a pass for
// the input's gradient, and one for the weight's.
double convolution_backward(Inputs in) {
    if (!is_tensor(in, 0) || !is_tensor(in, 1) || !is_tensor(in, 2) || in.size() < 11) return 0;
    const auto mask = in[10].toBoolList();
    return convolution_at(in[7].toBool() ? in[1].toTensor() : in[0].toTensor(), in[2].toTensor()) * ((mask.get(0) ? 1 : 0) + (mask.get(1) ? 1 : 0));
}

// a [..., N, K] times b [..., K, M], [K, M] or [K].
double product(Inputs in, size_t a, size_t b) {
    if (!is_tensor(in, a) || !is_tensor(in, b)) return 0;
    const auto &x = in[a].toTensor(), &y = in[b].toTensor();
    return factor(x) * static_cast<double>(x.numel()) * static_cast<double>(y.dim() > 1 ? y.size(-1) : 1);
}

using Count = double (*)(Inputs);

Count count_of(const char* name) {
    static const std::unordered_map<std::string, Count> known = [] {
        const Count two = [](Inputs in) { return product(in, 0, 1); }, added = [](Inputs in) { return product(in, 1, 2); };
        std::unordered_map<std::string, Count> table{{"aten::convolution", convolution}, {"aten::convolution_backward", convolution_backward}};
        for (const auto* n : {"mm", "bmm", "mv", "dot", "vdot"}) table[std::string("aten::") + n] = two;
        for (const auto* n : {"addmm", "addmm_", "baddbmm", "baddbmm_", "addbmm", "addmv", "addmv_"}) table[std::string("aten::") + n] = added;
        return table;
    }();
    const auto found = known.find(name);
    return found == known.end() ? nullptr : found->second;
}

struct Row {
    int64_t calls = 0, nanoseconds = 0, bytes = 0;
    double operations = 0;
};

struct Frame {
    const char* name;  // lives until the end
    int64_t begin, inside, bytes;
    double operations;
    int32_t region;
    bool backward, keeps, hidden;  // keeps: what it calls is its own; hidden: is called by such a one
};

struct Region {
    std::string label;
    int32_t parent;
    int64_t before, held, peak, backward_peak;
};

constexpr char engine[] = "autograd::engine::evaluate_function", allocation[] = "aten::empty";

class Profile {
public:
    Profile() {
        regions_.push_back({"", -1, 0, 0, 0, 0});
        changes_.push_back({0, 0});
    }

    void begin(const char* name, double operations, bool keeps) {
        Frame f{name, 0, 0, 0, operations, region_, false, keeps, false};
        if (!frames_.empty()) {
            const auto& outer = frames_.back();
            f.region = outer.region;
            f.backward = outer.backward;
            f.hidden = outer.hidden || outer.keeps;
        }
        frames_.push_back(f);
        frames_.back().begin = now();
    }

    void observe(const at::RecordFunction& function) {
        const auto name = function.name();
        const bool backward = function.scope() == at::RecordScope::BACKWARD_FUNCTION;
        const bool task = !backward && std::strncmp(name, engine, sizeof(engine) - 1) == 0;
        const auto count = backward || task ? nullptr : count_of(name);
        const bool counted = count != nullptr && (frames_.empty() || (!frames_.back().keeps && !frames_.back().hidden));
        begin(task ? engine : name, counted ? count(function.inputs()) : 0, count != nullptr);
        auto& f = frames_.back();
        if (task) f.backward = true;
        if (!backward) return;
        f.backward = true;
        // What only accumulates a gradient has no number: it runs straight after the function that gave the gradient.
        if (function.seqNr() >= 0) last_ = region_at(static_cast<uint64_t>(function.seqNr()));
        f.region = last_;
        if (frames_.size() > 1 && std::strcmp(frames_[frames_.size() - 2].name, engine) == 0) frames_[frames_.size() - 2].region = last_;
    }

    void end() {
        const auto time = now();
        if (frames_.empty()) return;
        const auto f = frames_.back();
        frames_.pop_back();
        // Memory is whose for whom it is allocated.
        const bool gives = !frames_.empty() && (f.hidden || std::strncmp(f.name, allocation, sizeof(allocation) - 1) == 0);
        if (gives) frames_.back().bytes += f.bytes;
        if (f.hidden) return;
        const auto elapsed = time - f.begin;
        if (!frames_.empty()) frames_.back().inside += elapsed;
        auto& row = row_of(f.name, f.region, f.backward);
        row.calls++;
        row.nanoseconds += elapsed - f.inside;
        row.bytes += gives ? 0 : f.bytes;
        row.operations += f.operations;
    }

    void memory(int64_t bytes, int64_t held) {
        held_ = held;
        const bool backward = !frames_.empty() && frames_.back().backward;
        const auto region = frames_.empty() ? region_ : frames_.back().region;
        auto& peak = backward ? regions_[region].backward_peak : regions_[region].peak;
        peak = std::max(peak, held);
        if (bytes <= 0) return;
        if (frames_.empty())
            row_of("", region, false).bytes += bytes;
        else
            frames_.back().bytes += bytes;
    }

    void enter(const char* label) {
        auto i = static_cast<int32_t>(regions_.size());
        for (int32_t k = 0; k < i; k++)
            if (regions_[k].parent == region_ && regions_[k].label == label) i = k;
        if (i == static_cast<int32_t>(regions_.size())) regions_.push_back({label, region_, 0, 0, 0, 0});
        auto& r = regions_[i];
        r.before = held_;
        r.peak = std::max(r.peak, held_);
        move_to(i);
    }

    void leave() {
        TORCH_CHECK(region_ != 0, "no region of the profile is open");
        auto& r = regions_[region_];
        r.held += held_ - r.before;
        move_to(r.parent);
    }

    void publish() {
        for (const auto& [key, row] : rows_)
            shown_rows_.push_back({std::get<0>(key).c_str(), std::get<1>(key), std::get<2>(key), row.calls, row.nanoseconds, row.bytes, row.operations});
        for (const auto& r : regions_) shown_regions_.push_back({r.label.c_str(), r.parent, r.held, r.peak, r.backward_peak});
    }

    const std::vector<graft_profile_row>& rows() const { return shown_rows_; }
    const std::vector<graft_profile_region>& regions() const { return shown_regions_; }

    at::CallbackHandle handle = at::INVALID_CALLBACK_HANDLE;

private:
    void move_to(int32_t region) {
        region_ = region;
        changes_.push_back({at::sequence_number::peek(), region});
    }

    int32_t region_at(uint64_t sequence) const {
        const auto behind = std::upper_bound(
            changes_.begin(), changes_.end(), sequence, [](uint64_t s, const std::pair<uint64_t, int32_t>& change) { return s < change.first; });
        return std::prev(behind == changes_.begin() ? std::next(behind) : behind)->second;
    }

    Row& row_of(const char* name, int32_t region, bool backward) { return rows_[{name, region, backward ? 1 : 0}]; }

    std::map<std::tuple<std::string, int32_t, int32_t>, Row> rows_;
    std::vector<Frame> frames_;
    std::deque<Region> regions_;                       // the first is the whole
    std::vector<std::pair<uint64_t, int32_t>> changes_;  // from this sequence number on, functions are made in this region
    int32_t region_ = 0, last_ = 0;
    int64_t held_ = 0;
    std::vector<graft_profile_row> shown_rows_;
    std::vector<graft_profile_region> shown_regions_;
};

// Of this thread alone: work that libtorch itself puts on other threads is part of the operator that waits for it.
thread_local std::unique_ptr<Profile> running, finished;

}  // namespace

void profile_memory(int64_t bytes, int64_t held) {
    if (running) running->memory(bytes, held);
}

ProfiledPart::ProfiledPart(const char* name, double operations) : begun_(running != nullptr) {
    if (begun_) running->begin(name, operations, true);
}

ProfiledPart::~ProfiledPart() {
    if (begun_) running->end();
}

}  // namespace graft

extern "C" {

int32_t graft_profile_begin(void) {
    return graft::guarded(
        [] {
            TORCH_CHECK(!graft::running && !at::hasThreadLocalCallbacks(), "operators are being observed already");
            auto profile = std::make_unique<graft::Profile>();
            profile->handle = at::addThreadLocalCallback(
                at::RecordFunctionCallback(
                    [](const at::RecordFunction& function) -> std::unique_ptr<at::ObserverContext> {
                        if (graft::running) graft::running->observe(function);
                        return nullptr;
                    },
                    [](const at::RecordFunction&, at::ObserverContext*) {
                        if (graft::running) graft::running->end();
                    })
                    .needsInputs(true)
                    .scopes({at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
            graft::finished.reset();
            graft::running = std::move(profile);
            return 0;
        },
        -1);
}

int32_t graft_profile_enter(const char* label) {
    return graft::guarded(
        [&] {
            TORCH_CHECK(graft::running, "no profile is running");
            graft::running->enter(label);
            return 0;
        },
        -1);
}

int32_t graft_profile_leave(void) {
    return graft::guarded(
        [] {
            TORCH_CHECK(graft::running, "no profile is running");
            graft::running->leave();
            return 0;
        },
        -1);
}

int32_t graft_profile_end(const graft_profile_row** rows, int32_t* row_count, const graft_profile_region** regions, int32_t* region_count) {
    return graft::guarded(
        [&] {
            TORCH_CHECK(graft::running, "no profile is running");
            at::removeCallback(graft::running->handle);
            graft::finished = std::move(graft::running);
            graft::finished->publish();
            *rows = graft::finished->rows().data();
            *row_count = static_cast<int32_t>(graft::finished->rows().size());
            *regions = graft::finished->regions().data();
            *region_count = static_cast<int32_t>(graft::finished->regions().size());
            return 0;
        },
        -1);
}

}  // extern "C"
