#include "internal.h"

#include <ATen/core/function_schema.h>
#include <ATen/core/jit_type.h>
#include <cstdlib>
#include <sstream>

// Marshalling follows the operator's schema. libtorch checks little of a boxed call (an int where a float is
// due is an internal assert, a surplus argument is silently accepted), so everything is checked here.

namespace graft {
namespace {

struct Operator {
    c10::OperatorHandle handle;
    std::string name;
    std::string schema;
};

[[noreturn]] void wrong(const c10::Argument& argument, const graft_value& value) {
    static const char* const kinds[] = {"nothing", "a tensor",  "an int",    "a float",           "a bool",   "a string",
                                        "ints",    "floats",    "bools",     "a list of tensors", "a device", "the default"};
    std::ostringstream text;
    text << "argument '" << argument.name() << "' takes " << argument.type()->str() << " and was given "
         << (value.kind >= 0 && value.kind <= GRAFT_DEFAULT ? kinds[value.kind] : "something unknown");
    throw std::invalid_argument(text.str());
}

c10::IValue list_of(const c10::Argument& argument, const c10::TypePtr& element, const graft_value& value) {
    const auto n = static_cast<size_t>(value.count);
    switch (element->kind()) {
        case c10::TypeKind::IntType:
        case c10::TypeKind::SymIntType: {
            if (value.kind == GRAFT_INTS) {
                auto p = static_cast<const int64_t*>(value.p);
                return c10::IValue(std::vector<int64_t>(p, p + n));
            }
            if (value.kind == GRAFT_INT)  // "int[2] stride" takes one int for all
                return c10::IValue(std::vector<int64_t>(static_cast<size_t>(argument.N().value_or(1)), value.i));
            break;
        }
        case c10::TypeKind::FloatType: {
            if (value.kind == GRAFT_DOUBLES) {
                auto p = static_cast<const double*>(value.p);
                return c10::IValue(std::vector<double>(p, p + n));
            }
            if (value.kind == GRAFT_INTS) {
                auto p = static_cast<const int64_t*>(value.p);
                return c10::IValue(std::vector<double>(p, p + n));
            }
            break;
        }
        case c10::TypeKind::BoolType: {
            if (value.kind != GRAFT_BOOLS) break;
            c10::List<bool> list;
            for (size_t i = 0; i < n; i++) list.push_back(static_cast<const uint8_t*>(value.p)[i] != 0);
            return c10::IValue(std::move(list));
        }
        case c10::TypeKind::TensorType: {
            if (value.kind != GRAFT_TENSORS) break;
            c10::List<at::Tensor> list;
            for (size_t i = 0; i < n; i++) {
                auto t = static_cast<const graft_tensor*>(value.p)[i];
                if (t == nullptr) wrong(argument, value);
                list.push_back(borrow(t));
            }
            return c10::IValue(std::move(list));
        }
        case c10::TypeKind::OptionalType: {
            if (value.kind != GRAFT_TENSORS) break;
            c10::List<optional<at::Tensor>> list;
            for (size_t i = 0; i < n; i++) {
                auto t = static_cast<const graft_tensor*>(value.p)[i];
                list.push_back(t == nullptr ? optional<at::Tensor>() : optional<at::Tensor>(borrow(t)));
            }
            return c10::IValue(std::move(list));
        }
        default:
            break;
    }
    wrong(argument, value);
}

c10::IValue marshal(const c10::Argument& argument, const c10::TypePtr& type, const graft_value& value) {
    switch (type->kind()) {
        case c10::TypeKind::OptionalType:
            if (value.kind == GRAFT_NONE) return c10::IValue();
            return marshal(argument, type->castRaw<c10::OptionalType>()->getElementType(), value);
        case c10::TypeKind::TensorType:
            if (value.kind == GRAFT_TENSOR && value.p != nullptr)
                return c10::IValue(borrow(reinterpret_cast<graft_tensor>(const_cast<void*>(value.p))));
            break;
        case c10::TypeKind::ListType:
            return list_of(argument, type->castRaw<c10::ListType>()->getElementType(), value);
        case c10::TypeKind::IntType:
        case c10::TypeKind::SymIntType:
        case c10::TypeKind::ScalarTypeType:
        case c10::TypeKind::LayoutType:
        case c10::TypeKind::MemoryFormatType:
            if (value.kind == GRAFT_INT) return c10::IValue(value.i);
            break;
        case c10::TypeKind::FloatType:
            if (value.kind == GRAFT_DOUBLE) return c10::IValue(value.d);
            if (value.kind == GRAFT_INT) return c10::IValue(static_cast<double>(value.i));
            break;
        case c10::TypeKind::BoolType:
            if (value.kind == GRAFT_BOOL) return c10::IValue(value.i != 0);
            break;
        case c10::TypeKind::NumberType:
            if (value.kind == GRAFT_DOUBLE) return c10::IValue(value.d);
            if (value.kind == GRAFT_INT) return c10::IValue(value.i);
            if (value.kind == GRAFT_BOOL) return c10::IValue(value.i != 0);
            break;
        case c10::TypeKind::StringType:
            if (value.kind == GRAFT_STRING)
                return c10::IValue(std::string(static_cast<const char*>(value.p), static_cast<size_t>(value.count)));
            break;
        case c10::TypeKind::DeviceObjType:
            if (value.kind == GRAFT_DEVICE)
                return c10::IValue(c10::Device(static_cast<c10::DeviceType>(value.i >> 32),
                                               static_cast<c10::DeviceIndex>(static_cast<int32_t>(value.i))));
            break;
        default:
            break;
    }
    wrong(argument, value);
}

graft_value unmarshal(const c10::IValue& result) {
    graft_value out{};
    if (result.isTensor()) {
        if (!result.toTensor().defined()) return out;
        out.kind = GRAFT_TENSOR;
        out.p = give(result.toTensor());
    } else if (result.isNone()) {
        out.kind = GRAFT_NONE;
    } else if (result.isBool()) {
        out.kind = GRAFT_BOOL;
        out.i = result.toBool() ? 1 : 0;
    } else if (result.isInt()) {
        out.kind = GRAFT_INT;
        out.i = result.toInt();
    } else if (result.isDouble()) {
        out.kind = GRAFT_DOUBLE;
        out.d = result.toDouble();
    } else if (result.isTensorList()) {
        auto list = result.toTensorVector();
        auto memory = static_cast<graft_tensor*>(std::malloc(sizeof(graft_tensor) * (list.size() + 1)));
        if (memory == nullptr) throw std::bad_alloc();
        for (size_t i = 0; i < list.size(); i++) memory[i] = give(list[i]);
        out.kind = GRAFT_TENSORS;
        out.count = static_cast<int32_t>(list.size());
        out.p = memory;
    } else {
        throw std::invalid_argument("the result is " + result.tagKind() + ", which the library does not carry");
    }
    return out;
}

void take_back(const graft_value& value) {
    auto release = [](const void* p) { graft_tensor_release(reinterpret_cast<graft_tensor>(const_cast<void*>(p))); };
    if (value.kind == GRAFT_TENSOR) release(value.p);
    if (value.kind == GRAFT_TENSORS) {
        for (int32_t i = 0; i < value.count; i++) release(static_cast<const graft_tensor*>(value.p)[i]);
        std::free(const_cast<void*>(value.p));
    }
}

std::string describe_call(const Operator& op, const graft_value* arguments, int32_t count) {
    std::string text = op.name + "(";
    for (int32_t i = 0; i < count; i++) {
        if (i) text += ", ";
        const auto& a = arguments[i];
        switch (a.kind) {
            case GRAFT_TENSOR: text += describe(borrow(reinterpret_cast<graft_tensor>(const_cast<void*>(a.p)))); break;
            case GRAFT_INT: text += std::to_string(a.i); break;
            case GRAFT_DOUBLE: text += std::to_string(a.d); break;
            case GRAFT_BOOL: text += a.i ? "true" : "false"; break;
            case GRAFT_NONE: text += "none"; break;
            case GRAFT_STRING: text += "\"" + std::string(static_cast<const char*>(a.p), static_cast<size_t>(a.count)) + "\""; break;
            case GRAFT_INTS:
                text += "[";
                for (int32_t k = 0; k < a.count; k++) text += (k ? ", " : "") + std::to_string(static_cast<const int64_t*>(a.p)[k]);
                text += "]";
                break;
            case GRAFT_TENSORS:
                text += "[";
                for (int32_t k = 0; k < a.count && k < 8; k++)
                    text += (k ? ", " : "") + describe(borrow(static_cast<const graft_tensor*>(a.p)[k]));
                text += a.count > 8 ? ", ...]" : "]";
                break;
            default: text += "..."; break;
        }
    }
    return text + ")";
}

}  // namespace
}  // namespace graft

extern "C" {

graft_operator graft_find_operator(const char* name, const char* overload) {
    return graft::guarded(
        [&]() -> graft_operator {
            auto found = c10::Dispatcher::singleton().findSchema({name, overload});
            if (!found.has_value()) {
                std::string full = std::string(name) + (*overload ? std::string(".") + overload : std::string());
                throw std::invalid_argument("libtorch " TORCH_VERSION " has no operator " + full);
            }
            std::ostringstream schema;
            schema << found->schema();
            std::string full = std::string(name) + (*overload ? std::string(".") + overload : std::string());
            return reinterpret_cast<graft_operator>(new graft::Operator{*found, full, schema.str()});
        },
        nullptr);
}

const char* graft_operator_schema(graft_operator op) {
    return reinterpret_cast<const graft::Operator*>(op)->schema.c_str();
}

int32_t graft_call(graft_operator op_, int32_t grad_mode, const graft_value* arguments, int32_t count,
                   graft_value* results, int32_t capacity) {
    const auto& op = *reinterpret_cast<const graft::Operator*>(op_);
    auto code = graft::guarded(
        [&]() -> int32_t {
            const auto& schema = op.handle.schema();
            const auto& formal = schema.arguments();
            if (static_cast<size_t>(count) > formal.size())
                throw std::invalid_argument("takes " + std::to_string(formal.size()) + " arguments and was given " +
                                            std::to_string(count));
            torch::jit::Stack stack;
            stack.reserve(std::max(formal.size(), schema.returns().size()));
            for (size_t i = 0; i < formal.size(); i++) {
                bool given = i < static_cast<size_t>(count) && arguments[i].kind != GRAFT_DEFAULT;
                if (given) {
                    stack.push_back(graft::marshal(formal[i], formal[i].type(), arguments[i]));
                } else if (formal[i].default_value().has_value()) {
                    stack.push_back(*formal[i].default_value());
                } else {
                    throw std::invalid_argument("argument '" + formal[i].name() + "' is missing and has no default");
                }
            }
            {
                c10::AutoGradMode mode(grad_mode != 0);
                op.handle.callBoxed(&stack);
            }
            if (stack.size() > static_cast<size_t>(capacity))
                throw std::invalid_argument("returns " + std::to_string(stack.size()) + " values where room is for " +
                                            std::to_string(capacity));
            size_t done = 0;
            try {
                for (; done < stack.size(); done++) results[done] = graft::unmarshal(stack[done]);
            } catch (...) {
                while (done > 0) graft::take_back(results[--done]);  // the caller gets an error and no handles
                throw;
            }
            return static_cast<int32_t>(stack.size());
        },
        -1);
    if (code < 0) {
        graft::guarded(
            [&] {
                auto message = graft::last_error();
                graft::last_error() = graft::describe_call(op, arguments, count) + ": " + message + " [schema: " + op.schema + "]";
                return 0;
            },
            0);
    }
    return code;
}

void graft_free(void* memory) { std::free(memory); }
}
