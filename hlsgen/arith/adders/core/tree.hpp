// The adder tree of one row: its shape, and which of its sums are held negated.
#pragma once

#include <array>
#include <cstring>

#include "values.hpp"

namespace adders {

// Where a row's value comes from in the finished graph.
struct Port {
    int32_t node;
    int32_t shift;
    bool negative;
};
struct Adder {
    int count;
    std::array<Port, 3> ports;
};

constexpr int kNever = 1 << 28;

template <class C>
class Trees {
public:
    Trees(System& system, Values<C>& values) : s_(system), v_(values) {}

    // LUTs of a row with its nodes signed as they are; `costs` for holding + and - of its value.
    std::array<int, 2> costs(int row) {
        build(row);
        return items_[root_].cost;
    }

    int cost(int row) {
        if (!s_.rows[row].alive) return 0;
        const std::array<int, 2> both = costs(row);
        if (s_.inner(row)) return both[s_.nodes[s_.node_of(row)].sign < 0];
        return root_ < 0 ? 0 : output_cost(both);
    }

    // Adders of the row, appended; `place` says where each node of the system is held.
    Port emit(int row, const std::vector<Port>& place, int inputs, std::vector<Adder>& out) {
        build(row);
        const Item& top = items_[root_];
        int held = 0;
        if (s_.inner(row)) held = s_.nodes[s_.node_of(row)].sign < 0;
        else held = output_cost(top.cost) != top.cost[top.sign < 0];
        if (!s_.inner(row) && top.sign < 0) held = !held;
        const Port at = emit_item(root_, held, place, inputs, out);
        return {at.node, at.shift + top.shift, (top.sign < 0) != (held != 0)};
    }

    bool empty(int row) const { return s_.rows[row].terms.empty(); }

private:
    // sign * 2^shift * value; `cost[held]` is what holding value (0) or -value (1) takes.
    struct Item {
        const C* c;
        Bounds b;
        double size;  // magnitude, shift included
        int shift, sign, depth, node;
        std::array<int, 2> cost;
        int count;
        std::array<int, 3> from;
        std::array<std::array<int8_t, 3>, 2> held;  // of the operands, for either polarity
    };

    int output_cost(const std::array<int, 2>& both) const {
        const Item& top = items_[root_];
        const int plus = top.sign < 0;  // polarity that needs no negation
        return std::min(both[plus], both[!plus] + width(signed_by(top.b, top.sign)));
    }

    static double magnitude(Bounds b, int shift) {
        return static_cast<double>(std::max(-b.lo, b.hi)) * two_to(shift);
    }

    void build(int row) {
        const Row& r = s_.rows[row];
        items_.clear();
        open_.clear();
        root_ = -1;
        if (r.terms.empty()) return;
        const size_t need = r.terms.size() * v_.count();
        if (scratch_.size() < need) scratch_.resize(need * 2);
        next_ = scratch_.data();
        items_.reserve(r.terms.size() * 2);
        for (const Term& t : r.terms) items_.push_back(leaf(t));
        for (size_t i = 0; i < items_.size(); ++i) open_.push_back(static_cast<int>(i));
        std::sort(open_.begin(), open_.end(), [&](int a, int b) { return before(a, b); });
        load_ = r.load;
        limit_ = s_.power[r.budget];
        while (open_.size() > 1) {
            // An even number of operands takes one adder of two among those of three.
            const bool two = s_.radix == 2 || open_.size() % 2 == 0;
            // Kraft's sum leaves room for one of the two kinds at least.
            if (!(two && merge2()) && !merge3()) merge2();
        }
        root_ = open_[0];
    }

    Item leaf(const Term& t) const {
        const Node& n = s_.nodes[t.node];
        Item i{};
        i.c = v_.at(t.node);
        i.b = {n.lo, n.hi};
        i.size = magnitude(i.b, t.shift);
        i.shift = t.shift;
        i.sign = t.sign;
        i.depth = n.depth;
        i.node = t.node;
        i.cost = n.sign < 0 ? std::array<int, 2>{kNever, 0} : std::array<int, 2>{0, kNever};
        return i;
    }

    bool before(int a, int b) const {
        const Item &x = items_[a], &y = items_[b];
        if (x.size != y.size) return x.size < y.size;
        if (x.shift != y.shift) return x.shift < y.shift;
        return x.node != y.node ? x.node < y.node : a < b;
    }

    int64_t after2(int a, int b) const {
        const int d = std::max(items_[a].depth, items_[b].depth) + 1;
        return load_ - s_.power[items_[a].depth] - s_.power[items_[b].depth] + s_.power[d];
    }

    // The lowest top bit first, then the most bits that pass through, as far as depth allows.
    bool merge2() {
        const int n = static_cast<int>(open_.size());
        int best_top = 1 << 20, best_pass = -1, bi = -1, bj = -1;
        for (int i = 0; i + 1 < n; ++i) {
            for (int j = i + 1; j < n; ++j) {
                const Item &a = items_[open_[i]], &b = items_[open_[j]];
                const int top = top_bit(a.size + b.size);
                if (top > best_top) break;
                const int pass = std::max(a.shift, b.shift);
                if (top == best_top && pass <= best_pass) continue;
                if (after2(open_[i], open_[j]) > limit_) continue;
                best_top = top;
                best_pass = pass;
                bi = i;
                bj = j;
            }
        }
        if (bi >= 0) join({open_[bi], open_[bj]});
        return bi >= 0;
    }

    bool merge3() {
        const int n = static_cast<int>(open_.size());
        for (int i = 0; i + 2 < n; ++i)
            for (int j = i + 1; j + 1 < n; ++j)
                for (int k = j + 1; k < n; ++k) {
                    const int a = open_[i], b = open_[j], c = open_[k];
                    const int d = std::max({items_[a].depth, items_[b].depth, items_[c].depth}) + 1;
                    const int64_t load = load_ - s_.power[items_[a].depth] -
                                         s_.power[items_[b].depth] - s_.power[items_[c].depth] +
                                         s_.power[d];
                    if (load > limit_) continue;
                    join({a, b, c});
                    return true;
                }
        return false;
    }

    void join(std::initializer_list<int> which) {
        Item y{};
        y.shift = 1 << 20;
        y.sign = 1;
        y.node = -1;
        for (int k : which) {
            y.from[y.count++] = k;
            y.shift = std::min(y.shift, items_[k].shift);
            y.depth = std::max(y.depth, items_[k].depth + 1);
            load_ -= s_.power[items_[k].depth];
        }
        std::sort(y.from.begin(), y.from.begin() + y.count, [&](int a, int b) {
            return items_[a].shift != items_[b].shift ? items_[a].shift < items_[b].shift : a < b;
        });
        load_ += s_.power[y.depth];
        const Item *a = &items_[y.from[0]], *b = &items_[y.from[1]];
        y.b = v_.combine(a->c, factor(*a, y), b->c, factor(*b, y), next_);
        if (y.count == 3) {
            const Item& c = items_[y.from[2]];
            y.b = v_.combine(next_, 1, c.c, factor(c, y), next_);
        }
        y.c = next_;
        next_ += v_.count();
        y.size = magnitude(y.b, y.shift);
        polarise(y);
        const int index = static_cast<int>(items_.size());
        items_.push_back(y);
        open_.erase(std::remove_if(open_.begin(), open_.end(), [&](int k) {
            return std::find(which.begin(), which.end(), k) != which.end();
        }), open_.end());
        open_.insert(std::upper_bound(open_.begin(), open_.end(), index, [&](int p, int q) {
            return before(p, q);
        }), index);
    }

    static C factor(const Item& part, const Item& sum) {
        return static_cast<C>(static_cast<C>(part.sign) * (C{1} << (part.shift - sum.shift)));
    }

    // For either polarity of the sum, the best polarities of its operands.
    void polarise(Item& y) const {
        y.cost = {kNever, kNever};
        const int all = 1 << y.count;
        for (int held = 0; held < 2; ++held) {
            const int full = width(signed_by(y.b, held ? -1 : 1));
            for (int mask = 0; mask < all; ++mask) {
                int cost = 0;
                bool positive = false;
                std::array<bool, 3> minus{};
                for (int k = 0; k < y.count; ++k) {
                    const Item& x = items_[y.from[k]];
                    const bool h = mask >> k & 1;
                    cost += x.cost[h];
                    minus[k] = (x.sign < 0) != (h != (held != 0));
                    positive |= !minus[k];
                }
                if (!positive || cost >= kNever) continue;
                cost += luts(y, full, minus, mask & 1);
                if (cost >= y.cost[held]) continue;
                y.cost[held] = cost;
                for (int k = 0; k < y.count; ++k) y.held[held][k] = mask >> k & 1;
            }
        }
    }

    // As hlsgen.arith.adders.graph charges an adder.
    int luts(const Item& y, int full, const std::array<bool, 3>& minus, bool low_held) const {
        const Item &low = items_[y.from[0]], &next = items_[y.from[1]];
        const int gap = next.shift - low.shift;
        // Of operands with equal shifts either may count as the lowest: nothing passes.
        if (y.count == 3) return std::max(1, full + 1 - (minus[0] ? 0 : gap));
        if (minus[0]) return full;
        if (gap > 0 && !minus[1]) {
            const Bounds b = signed_by(low.b, low_held ? -1 : 1);
            if (b.lo >= 0 && bits(b.hi) <= gap) return 0;
        }
        return std::max(0, full - gap);
    }

    // Where value (or -value) of an item is; shifted only if all terms of its node are.
    Port emit_item(int k, int held, const std::vector<Port>& place, int inputs,
                   std::vector<Adder>& out) const {
        const Item& y = items_[k];
        if (y.count == 0) return place[y.node];
        Adder adder{y.count, {}};
        for (int i = 0; i < y.count; ++i) {
            const Item& x = items_[y.from[i]];
            const int h = y.held[held][i];
            const Port at = emit_item(y.from[i], h, place, inputs, out);
            const bool negative = (x.sign < 0) != (h != held);
            adder.ports[i] = {at.node, at.shift + x.shift - y.shift, negative};
        }
        out.push_back(adder);
        return {inputs + static_cast<int>(out.size()) - 1, 0, false};
    }

    System& s_;
    Values<C>& v_;
    std::vector<Item> items_;
    std::vector<int> open_;
    std::vector<C> scratch_;
    C* next_ = nullptr;
    int root_ = -1;
    int64_t load_ = 0, limit_ = 0;
};

}  // namespace adders
