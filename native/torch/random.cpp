#include "internal.h"

#include <cmath>

// Philox4x32-10: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
// A draw is a function of (key, step, item, position in the item), so neither history nor batch order changes it.

namespace graft {
namespace {

struct Block {
    uint32_t x[4];
};

inline Block philox(uint64_t key, uint64_t step, uint64_t item, uint32_t block) {
    uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
    uint32_t c0 = block, c1 = static_cast<uint32_t>(item), c2 = static_cast<uint32_t>(step),
             c3 = (static_cast<uint32_t>(item >> 32) << 16) | (static_cast<uint32_t>(step >> 32) & 0xffffu);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = static_cast<uint64_t>(0xD2511F53u) * c0, p1 = static_cast<uint64_t>(0xCD9E8D57u) * c2;
        uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0, n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
        c1 = static_cast<uint32_t>(p1);
        c3 = static_cast<uint32_t>(p0);
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

// Four values from one block; in double, so that rounding to the output's type is the only difference between types.
// Integers stay integers: a double cannot hold all of them.
template <class T>
inline void values(int32_t distribution, const Block& b, int64_t low, uint64_t range, T* out) {
    switch (distribution) {
        case GRAFT_UNIFORM:
            for (int i = 0; i < 4; i++) out[i] = static_cast<T>((b.x[i] >> 8) * 0x1p-24);
            break;
        case GRAFT_NORMAL:
            for (int i = 0; i < 4; i += 2) {  // Box-Muller; the half keeps the logarithm's argument above 0
                double r = std::sqrt(-2.0 * std::log((b.x[i] + 0.5) * 0x1p-32));
                double angle = 6.283185307179586476925 * (b.x[i + 1] * 0x1p-32);
                out[i] = static_cast<T>(r * std::cos(angle));
                out[i + 1] = static_cast<T>(r * std::sin(angle));
            }
            break;
        default:
            for (int i = 0; i < 4; i++) out[i] = static_cast<T>(low + static_cast<int64_t>((b.x[i] * range) >> 32));
    }
}

template <class T>
void fill(int32_t distribution, uint64_t key, uint64_t step, const int64_t* items, int64_t item_count, int64_t low,
          int64_t high, T* out, int64_t per_item) {
    const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
    const int64_t blocks = (per_item + 3) / 4;
    at::parallel_for(0, item_count * blocks, 1024, [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; k++) {
            int64_t item = k / blocks, block = k % blocks;
            T four[4];
            values(distribution, philox(key, step, static_cast<uint64_t>(items[item]), static_cast<uint32_t>(block)), low,
                   range, four);
            T* row = out + item * per_item;
            for (int64_t i = 0; i < 4 && block * 4 + i < per_item; i++) row[block * 4 + i] = four[i];
        }
    });
}

}  // namespace
}  // namespace graft

extern "C" int32_t graft_random_fill(int32_t distribution, uint64_t key, uint64_t step, const int64_t* items,
                                     int64_t item_count, int64_t low, int64_t high, graft_tensor handle) {
    return graft::guarded(
        [&] {
            auto out = graft::borrow(handle);
            if (!out.is_cpu() || !out.is_contiguous())
                throw std::invalid_argument("random numbers are drawn into contiguous CPU tensors");
            if (out.numel() == 0) return 0;
            if (item_count <= 0 || out.numel() % item_count != 0)
                throw std::invalid_argument("the items do not divide " + graft::describe(out));
            if (distribution == GRAFT_INTEGER && (high <= low || static_cast<uint64_t>(high) - static_cast<uint64_t>(low) > 0xffffffffULL))
                throw std::invalid_argument("an empty or too wide range of integers");
            if ((distribution == GRAFT_INTEGER) != (out.scalar_type() == at::kLong))
                throw std::invalid_argument("random integers come as int64, other numbers as float32 or float64");
            const int64_t per_item = out.numel() / item_count;
            if (per_item / 4 >= 0xffffffffLL) throw std::invalid_argument("an item of more than 2^34 values");
            auto run = [&](auto* p) {
                graft::fill(distribution, key, step, items, item_count, low, high, p, per_item);
            };
            switch (out.scalar_type()) {
                case at::kFloat: run(out.data_ptr<float>()); break;
                case at::kDouble: run(out.data_ptr<double>()); break;
                case at::kLong: run(out.data_ptr<int64_t>()); break;
                default: throw std::invalid_argument("random integers come as int64, other numbers as float32 or float64");
            }
            return 0;
        },
        -1);
}
