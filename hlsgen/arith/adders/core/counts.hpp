// How often each pattern occurs, and the queue of patterns worth replacing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace adders {

using Key = uint64_t;

// Two kinds of pattern. Terms: nodes a <= b that stand in one row as a + sign * b * 2^shift.
// Rows: rows a < b of which b holds sign * 2^shift times terms that a holds.
struct Pattern {
    bool rows;
    int32_t a, b;
    int shift;
    int sign;

    static constexpr int kShift = 128, kIdBits = 24;

    Key key() const {
        Key k = rows ? 1 : 0;
        k = k << kIdBits | static_cast<Key>(a);
        k = k << kIdBits | static_cast<Key>(b);
        k = k << 8 | static_cast<Key>(shift + kShift);
        return (k << 1 | (sign < 0 ? 1 : 0)) + 1;  // 0 marks an empty slot
    }
    static Pattern of(Key k) {
        k -= 1;
        const Key ids = (Key{1} << kIdBits) - 1;
        return {(k >> (2 * kIdBits + 9)) != 0, static_cast<int32_t>(k >> (kIdBits + 9) & ids),
                static_cast<int32_t>(k >> 9 & ids), static_cast<int>(k >> 1 & 255) - kShift,
                k & 1 ? -1 : 1};
    }
};

struct Count {
    Key key = 0;
    int32_t count = 0;
    int32_t queued = 0;  // the count under which the queue holds it, 0 for not at all
};

inline uint64_t mixed(uint64_t x) {
    x ^= x >> 31;
    x *= 0x9E3779B97F4A7C15u;
    return x ^ x >> 29;
}

// Open addressing with linear probing; dead entries go when the table grows.
class Counts {
public:
    Counts() : slots_(1 << 10), mask_((1 << 10) - 1) {}

    Count& at(Key key) {
        size_t i = mixed(key) & mask_;
        while (slots_[i].key != key) {
            if (slots_[i].key == 0) {
                if (used_ * 8 >= slots_.size() * 5) {
                    rebuild();
                    return at(key);
                }
                ++used_;
                slots_[i].key = key;
                return slots_[i];
            }
            i = (i + 1) & mask_;
        }
        return slots_[i];
    }
    // Removes an entry, those behind it moved up so that every chain stays whole.
    void drop(Count& entry) {
        size_t hole = &entry - slots_.data();
        for (size_t i = (hole + 1) & mask_; slots_[i].key != 0; i = (i + 1) & mask_) {
            const size_t home = mixed(slots_[i].key) & mask_;
            if (((i - home) & mask_) < ((i - hole) & mask_)) continue;
            slots_[hole] = slots_[i];
            hole = i;
        }
        slots_[hole] = Count{};
        --used_;
    }
    void prefetch(Key key) const { __builtin_prefetch(&slots_[mixed(key) & mask_], 1); }
    const std::vector<Count>& slots() const { return slots_; }
    std::vector<Count>& slots() { return slots_; }

private:
    static bool alive(const Count& c) { return c.key != 0 && (c.count != 0 || c.queued != 0); }

    void rebuild() {
        const size_t live = std::count_if(slots_.begin(), slots_.end(), alive);
        size_t size = 1 << 10;
        while (size < live * 3) size *= 2;
        std::vector<Count> old(size);
        old.swap(slots_);
        mask_ = size - 1;
        used_ = live;
        for (const Count& c : old) {
            if (!alive(c)) continue;
            size_t i = mixed(c.key) & mask_;
            while (slots_[i].key != 0) i = (i + 1) & mask_;
            slots_[i] = c;
        }
    }

    std::vector<Count> slots_;
    size_t mask_;
    size_t used_ = 0;
};

struct Candidate {
    float score;
    int32_t count;  // `queued` of its entry when it was pushed; a stale one differs
    Key key;

    bool operator<(const Candidate& other) const {
        return score != other.score ? score < other.score : key > other.key;
    }
};

class Queue {
public:
    bool empty() const { return heap_.empty(); }
    const Candidate& top() const { return heap_.front(); }
    void clear() { heap_.clear(); }
    void push(const Candidate& c) {
        heap_.push_back(c);
        std::push_heap(heap_.begin(), heap_.end());
    }
    Candidate pop() {
        std::pop_heap(heap_.begin(), heap_.end());
        const Candidate c = heap_.back();
        heap_.pop_back();
        return c;
    }

private:
    std::vector<Candidate> heap_;
};

}  // namespace adders
