#include "convolution.h"

#include "profile.h"

#include <cstdlib>
#include <map>
#include <tuple>

#ifdef GRAFT_ONEDNN
#include <dnnl.hpp>
#endif

// Descriptions are made otherwise in oneDNN 3, which has these kernels no more.
#if defined(GRAFT_ONEDNN) && DNNL_VERSION_MAJOR == 2

namespace graft {
namespace {

enum class Kind { forward, backward_data, backward_weight };

// One of oneDNN's primitives with what it wants to be given.
struct Kernel {
    dnnl::primitive primitive;
    dnnl::memory::desc weight, scratchpad;
    bool usable = false;
};

using Key = std::tuple<Kind, int64_t, int64_t, int64_t, int64_t, int64_t, int>;

const dnnl::engine& engine() {
    static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
    return cpu;
}

constexpr auto f32 = dnnl::memory::data_type::f32;
using Format = dnnl::memory::format_tag;

dnnl::memory::desc dense_weight(const ConvolutionShape& s) { return {{s.outputs, s.inputs, 3, 3}, f32, Format::oihw}; }

// On less than 8x8 places Winograd's tiles of 4x4 overhang too far; its gradient of the weights pays there as well.
bool is_winograd(Kind kind, const ConvolutionShape& s) { return kind == Kind::backward_weight || s.height * s.width >= 64; }

template <class Primitive, class Description>
Kernel made(const Description& found, const dnnl::memory::desc& weight) {
    // Its name alone says that a kernel was generated for this processor; the reference kernels are a hundred times slower.
    if (std::string(found.impl_info_str()).find("jit") == std::string::npos) return {};
    return {Primitive(found), weight, found.scratchpad_desc(), true};
}

Kernel make(Kind kind, const ConvolutionShape& s) {
    try {
        const dnnl::memory::dims strides{1, 1}, edges{1, 1};
        const dnnl::memory::desc x({s.n, s.inputs, s.height, s.width}, f32, Format::aBcd16b);
        const dnnl::memory::desc y({s.n, s.outputs, s.height, s.width}, f32, Format::aBcd16b);
        const dnnl::memory::desc w({s.outputs, s.inputs, 3, 3}, f32, Format::any);
        const auto algorithm = is_winograd(kind, s) ? dnnl::algorithm::convolution_winograd : dnnl::algorithm::convolution_direct;
        dnnl::primitive_attr attributes;
        attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
        const dnnl::convolution_forward::primitive_desc forward(
            {dnnl::prop_kind::forward_training, algorithm, x, w, y, strides, edges, edges}, attributes, engine());
        switch (kind) {
            case Kind::forward: return made<dnnl::convolution_forward>(forward, forward.weights_desc());
            case Kind::backward_data: {
                const dnnl::convolution_backward_data::primitive_desc found(
                    {algorithm, x, w, y, strides, edges, edges}, attributes, engine(), forward);
                return made<dnnl::convolution_backward_data>(found, found.weights_desc());
            }
            case Kind::backward_weight: {
                const dnnl::convolution_backward_weights::primitive_desc found(
                    {algorithm, x, w, y, strides, edges, edges}, attributes, engine(), forward);
                return made<dnnl::convolution_backward_weights>(found, found.diff_weights_desc());
            }
        }
    } catch (const dnnl::error&) {  // not implemented for this shape or this processor
    }
    return {};
}

const Kernel& kernel(Kind kind, const ConvolutionShape& s) {
    // A kernel is made for a number of threads. Shapes are few; a table that grows beyond all reason starts anew.
    static thread_local std::map<Key, Kernel> known;
    if (known.size() > 4096) known.clear();
    const Key key{kind, s.n, s.inputs, s.outputs, s.height, s.width, at::get_num_threads()};
    auto found = known.find(key);
    if (found == known.end()) found = known.emplace(key, make(kind, s)).first;
    return found->second;
}

at::Tensor buffer(size_t bytes) { return at::empty({static_cast<int64_t>(bytes / sizeof(float)) + 1}, at::kFloat); }

dnnl::memory view(const dnnl::memory::desc& description, const at::Tensor& t) {
    return dnnl::memory(description, engine(), t.data_ptr<float>());
}

dnnl::memory view(const at::Tensor& blocked, int64_t n, int64_t channels, int64_t height, int64_t width) {
    return view({{n, channels, height, width}, f32, Format::aBcd16b}, blocked);
}

at::Tensor empty_blocked(int64_t n, int64_t channels, int64_t height, int64_t width) {
    return at::empty({n, channels / channel_block, height, width, channel_block}, at::kFloat);
}

at::Tensor run(Kind kind, const ConvolutionShape& s, const at::Tensor& a, const at::Tensor& b) {
    const auto& found = kernel(kind, s);
    if (!found.usable) throw std::logic_error("no blocked convolution for this shape");
    static const char* const names[] = {"graft::convolution", "graft::convolution_backward_data", "graft::convolution_backward_weight"};
    ProfiledPart part(names[static_cast<int>(kind)], 2.0 * 9 * static_cast<double>(s.n * s.inputs * s.outputs) * static_cast<double>(s.height * s.width));
    dnnl::stream stream(engine());
    auto scratchpad = buffer(found.scratchpad.get_size());
    auto weight = buffer(found.weight.get_size());
    auto packed = view(found.weight, weight);
    std::unordered_map<int, dnnl::memory> arguments{{DNNL_ARG_SCRATCHPAD, view(found.scratchpad, scratchpad)}};
    at::Tensor result;
    if (kind == Kind::backward_weight) {
        arguments.insert({DNNL_ARG_SRC, view(a, s.n, s.inputs, s.height, s.width)});
        arguments.insert({DNNL_ARG_DIFF_DST, view(b, s.n, s.outputs, s.height, s.width)});
        arguments.insert({DNNL_ARG_DIFF_WEIGHTS, packed});
        found.primitive.execute(stream, arguments);
        result = at::empty({s.outputs, s.inputs, 3, 3}, at::kFloat);
        auto dense = view(dense_weight(s), result);
        dnnl::reorder(packed, dense).execute(stream, packed, dense);
    } else {
        const bool forward = kind == Kind::forward;
        auto dense = view(dense_weight(s), b);
        dnnl::reorder(dense, packed).execute(stream, dense, packed);
        result = empty_blocked(s.n, forward ? s.outputs : s.inputs, s.height, s.width);
        arguments.insert({forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST, view(a, s.n, forward ? s.inputs : s.outputs, s.height, s.width)});
        arguments.insert({DNNL_ARG_WEIGHTS, packed});
        arguments.insert({forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC, view(result, s.n, forward ? s.outputs : s.inputs, s.height, s.width)});
        found.primitive.execute(stream, arguments);
    }
    stream.wait();
    return result;
}

bool wanted() {
    static const bool answer = [] {
        const char* value = std::getenv("GRAFT_BLOCKED_CONVOLUTIONS");
        return value == nullptr || std::string(value) != "0";
    }();
    return answer;
}

}  // namespace

bool has_blocked_convolution(const ConvolutionShape& s) {
    return wanted() && s.n > 0 && s.height > 1 && s.width > 1 && s.inputs % channel_block == 0 && s.outputs % channel_block == 0 &&
           kernel(Kind::forward, s).usable && kernel(Kind::backward_data, s).usable && kernel(Kind::backward_weight, s).usable;
}

at::Tensor convolution_forward(const ConvolutionShape& s, const at::Tensor& x, const at::Tensor& weight) {
    return run(Kind::forward, s, x, weight);
}

at::Tensor convolution_backward_data(const ConvolutionShape& s, const at::Tensor& dy, const at::Tensor& weight) {
    return run(Kind::backward_data, s, dy, weight);
}

at::Tensor convolution_backward_weight(const ConvolutionShape& s, const at::Tensor& x, const at::Tensor& dy) {
    return run(Kind::backward_weight, s, x, dy);
}

}  // namespace graft
#else
namespace graft {

bool has_blocked_convolution(const ConvolutionShape&) { return false; }

[[noreturn]] static at::Tensor absent() { throw std::logic_error("built without oneDNN"); }

at::Tensor convolution_forward(const ConvolutionShape&, const at::Tensor&, const at::Tensor&) { absent(); }
at::Tensor convolution_backward_data(const ConvolutionShape&, const at::Tensor&, const at::Tensor&) { absent(); }
at::Tensor convolution_backward_weight(const ConvolutionShape&, const at::Tensor&, const at::Tensor&) { absent(); }

}  // namespace graft
#endif
