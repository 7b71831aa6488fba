// Coefficients of values over the inputs and the exact ranges that follow.
#pragma once

#include <cstring>

#include "system.hpp"

namespace adders {

struct Bounds {
    int64_t lo, hi;
};

inline int bits(int64_t x) { return x == 0 ? 0 : 64 - __builtin_clzll(static_cast<uint64_t>(x)); }

// Two's complement where lo < 0, otherwise unsigned.
inline int width(int64_t lo, int64_t hi) {
    if (lo < 0) return std::max(bits(-lo - 1), hi > 0 ? bits(hi) : 0) + 1;
    return bits(hi);
}
inline int width(Bounds b) { return width(b.lo, b.hi); }
inline Bounds negated(Bounds b) { return {-b.hi, -b.lo}; }
inline Bounds signed_by(Bounds b, int sign) { return sign < 0 ? negated(b) : b; }

// 2^e, and the exponent of the highest bit of x > 0, without a call.
inline double two_to(int e) {
    const uint64_t bits = static_cast<uint64_t>(1023 + e) << 52;
    double x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}
inline int top_bit(double x) {
    uint64_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return static_cast<int>(bits >> 52) - 1023;
}

// C holds every coefficient and every sum of a value's coefficient magnitudes.
template <class C>
class Values {
public:
    Values(int count, const int64_t* lo, const int64_t* hi)
        : count_(count), lo_(lo, lo + count), hi_(hi, hi + count) {
        for (int i = 1; i < count; ++i) uniform_ &= lo[i] == lo[0] && hi[i] == hi[0];
        for (int i = 0; i < count; ++i) {
            C* c = at(i);
            std::fill(c, c + count, C{0});
            c[i] = 1;
        }
    }

    C* at(int node) {
        const size_t need = static_cast<size_t>(node + 1) * count_;
        if (store_.size() < need) store_.resize(std::max(need, store_.size() * 3 / 2));
        return store_.data() + static_cast<size_t>(node) * count_;
    }

    // out = a * fa + b * fb, and its range.
    Bounds combine(const C* a, C fa, const C* b, C fb, C* out) const {
        if (uniform_) {
            C plus = 0, minus = 0;
            for (int i = 0; i < count_; ++i) {
                const C v = a[i] * fa + b[i] * fb;
                out[i] = v;
                plus += v > 0 ? v : C{0};
                minus += v < 0 ? v : C{0};
            }
            const int64_t p = plus, m = minus;
            return {p * lo_[0] + m * hi_[0], p * hi_[0] + m * lo_[0]};
        }
        int64_t lo = 0, hi = 0;
        for (int i = 0; i < count_; ++i) {
            const C v = a[i] * fa + b[i] * fb;
            out[i] = v;
            const int64_t p = v > 0 ? v : 0, m = v < 0 ? v : 0;
            lo += p * lo_[i] + m * hi_[i];
            hi += p * hi_[i] + m * lo_[i];
        }
        return {lo, hi};
    }
    bool zero(const C* a) const {
        return std::all_of(a, a + count_, [](C v) { return v == 0; });
    }
    int count() const { return count_; }
    Bounds input(int i) const { return {lo_[i], hi_[i]}; }

private:
    int count_;
    std::vector<int64_t> lo_, hi_;
    std::vector<C> store_;
    bool uniform_ = true;
};

}  // namespace adders
