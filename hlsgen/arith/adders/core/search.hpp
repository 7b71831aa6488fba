// From a matrix to a finished graph: one greedy pass, then local ruin and recreate.
#pragma once

#include <cmath>
#include <memory>


#include "columns.hpp"
#include "greedy.hpp"

namespace adders {

struct Problem {
    int inputs, outputs;
    const int64_t *matrix, *lo, *hi;
    int depth;  // levels allowed
    int radix;  // operands of an adder
    uint64_t seed;
    uint64_t effort;  // in thousandths; 0 is one greedy pass
};

struct Graph {
    std::vector<Adder> adders;
    std::vector<Port> outputs;  // node -1 for a column of zeros
    int64_t cost = 0;
};

// From trials on random and trained matrices: nearly random order in a small ruin beats mild noise
// in a large one.
constexpr double kNoise = 8;
constexpr int kRuin = 12;
constexpr double kLongest = 4e8;
constexpr double kLeast = 1.5e6;  // small matrices: 0.1 s buys 2 % of LUTs at 32x32
constexpr uint64_t kLargePass = 50'000'000;  // work of a pass that is not repeated lightly
constexpr uint64_t kAllStarts = 250;  // thousandths of effort: several starts take a fifth of it

class Random {
public:
    explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}
    uint64_t next() {
        state_ += 0x9E3779B97F4A7C15u;
        return mixed(mixed(state_) * 0xBF58476D1CE4E5B9u);
    }
    int below(int n) { return static_cast<int>(next() % static_cast<uint64_t>(n)); }
    double real() { return static_cast<double>(next() >> 11) * 0x1p-53; }

private:
    uint64_t state_;
};

template <class C>
class Search {
public:
    Search(const Problem& p, const ColumnTree* tree)
        : p_(p), s_(p.inputs, p.outputs, p.radix), v_(p.inputs, p.lo, p.hi), greedy_(s_, v_),
          trees_(s_, v_), random_(p.seed) {
        greedy_.mood.threshold = p_.radix == 3 ? 1.5 : 1;
        s_.queueing = false;
        if (tree) plant(*tree);
        else fill_columns();
        s_.queueing = true;
        greedy_.fill();
        s_.tidy();
        greedy_.run();
        settle();
    }

    int64_t total() const { return total_; }

    uint64_t work() const { return s_.work; }

    void improve(uint64_t work) {
        const uint64_t end = s_.work + work;
        while (s_.work < end) {
            warm_ = end - s_.work > work / 4;
            iterate();
        }
    }

    Graph emit() {
        Graph g;
        std::vector<int32_t> order;
        std::vector<Port> place(s_.nodes.size());
        for (int i = 0; i < s_.inputs; ++i) place[i] = {i, 0, false};
        for (int n = s_.inputs; n < static_cast<int>(s_.nodes.size()); ++n)
            if (s_.nodes[n].alive) order.push_back(n);
        std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
            return s_.nodes[a].depth < s_.nodes[b].depth;
        });
        for (int n : order)
            place[n] = trees_.emit(s_.row_of(n), place, s_.inputs, g.adders);
        for (int j = 0; j < p_.outputs; ++j)
            g.outputs.push_back(trees_.empty(j) ? Port{-1, 0, false}
                                                : trees_.emit(j, place, s_.inputs, g.adders));
        g.cost = total_;
        return g;
    }

private:
    int64_t entry(int i, int j) const {
        return p_.matrix[static_cast<size_t>(i) * p_.outputs + j];
    }

    void digits(int row, int input, int64_t m) {
        signed_digits(m, [&](int shift, int sign) {
            s_.add(row, {input, static_cast<int16_t>(shift), static_cast<int16_t>(sign)});
        });
    }

    void fill_columns() {
        for (int j = 0; j < p_.outputs; ++j) {
            s_.rows[j].budget = p_.depth;
            for (int i = 0; i < p_.inputs; ++i) digits(j, i, entry(i, j));
        }
    }

    // Columns that others start from become nodes, as late as those others allow.
    void plant(const ColumnTree& t) {
        std::vector<int> latest(p_.outputs, p_.depth), node(p_.outputs, -1);
        std::vector<bool> parent(p_.outputs, false);
        for (size_t k = t.order.size(); k-- > 0;) {
            const int j = t.order[k];
            const Link& l = t.links[j];
            if (l.parent < 0) continue;
            parent[l.parent] = true;
            int d = latest[j];
            while (s_.power[d] + l.weight > s_.power[latest[j]]) --d;
            latest[l.parent] = std::min(latest[l.parent], d);
        }
        for (int j : t.order) {
            const Link& l = t.links[j];
            s_.rows[j].budget = p_.depth;
            int row = j;
            if (parent[j]) {
                node[j] = s_.create(latest[j]);
                row = s_.row_of(node[j]);
                greedy_.value(node[j], [&](int i) { return entry(i, j); });
            }
            for (int i = 0; i < p_.inputs; ++i)
                digits(row, i, entry(i, j) - (l.parent < 0 ? 0 : l.sign * entry(i, l.parent)));
            if (l.parent >= 0) s_.add(row, {node[l.parent], 0, static_cast<int16_t>(l.sign)});
            if (parent[j]) s_.add(j, {node[j], 0, 1});
        }
    }

    // Costs of all rows that changed, their nodes signed as is cheapest.
    void settle() {
        std::vector<int32_t> order;
        dirty_.clear();
        while (!s_.touched.empty()) {
            order.swap(s_.touched);
            s_.touched.clear();
            std::sort(order.begin(), order.end(), [&](int a, int b) {
                const int x = level(a), y = level(b);
                return x != y ? x < y : a < b;
            });
            for (int row : order) {
                if (!s_.rows[row].dirty) continue;
                if (s_.inner(row) && s_.rows[row].alive) sign(row);
                price(row);
            }
            order.clear();
        }
        for (int row : dirty_)
            if (s_.rows[row].alive) flip(s_.node_of(row));
    }

    int level(int row) const { return s_.inner(row) ? s_.rows[row].budget : 1 << 20; }

    void price(int row) {
        Row& r = s_.rows[row];
        r.dirty = false;
        saved_.push_back({row, r.cost});
        const int now = trees_.cost(row);
        total_ += now - r.cost;
        r.cost = now;
    }

    // A new node takes its cheaper sign; an old one keeps its own while that is possible.
    void sign(int row) {
        const int node = s_.node_of(row), now = s_.nodes[node].sign;
        const std::array<int, 2> both = trees_.costs(row);
        const bool fresh = s_.rows[row].cost == 0;
        if (fresh) dirty_.push_back(row);
        if (fresh ? both[now < 0] > both[now > 0] : both[now < 0] >= kNever)
            s_.set_sign(node, -now);
    }

    // The other sign, if that makes the rows around it cheaper.
    void flip(int node) {
        const int row = s_.row_of(node), sign = s_.nodes[node].sign;
        const std::array<int, 2> both = trees_.costs(row);
        if (both[sign > 0] >= kNever) return;
        int64_t gain = both[sign < 0] - both[sign > 0];
        around_.clear();
        for (const Use& u : s_.nodes[node].uses) around_.push_back(u.row);
        std::sort(around_.begin(), around_.end());
        around_.erase(std::unique(around_.begin(), around_.end()), around_.end());
        s_.nodes[node].sign = -sign;
        for (int r : around_) gain += s_.rows[r].cost - trees_.cost(r);
        s_.nodes[node].sign = sign;
        if (gain <= 0) return;
        s_.set_sign(node, -sign);
        for (int r : s_.touched) price(r);
        s_.touched.clear();
    }

    void iterate() {
        s_.work += 100;  // a step without shared nodes counts too, or there would be no end
        s_.begin();
        saved_.clear();
        const int64_t before = total_, adders = s_.adders;
        greedy_.mood.noise = kNoise * random_.real();
        greedy_.mood.seed = random_.next();
        ruin();
        s_.tidy();
        greedy_.run();
        // Two adders more were never seen to end up cheaper: trees need not be built then.
        const bool promising = s_.adders <= adders + 2;
        if (promising) settle();
        if (promising && total_ <= before + allowance()) {
            s_.commit();
            return;
        }
        s_.undo();
        total_ = before;
        for (size_t k = saved_.size(); k-- > 0;) s_.rows[saved_[k].first].cost = saved_[k].second;
        for (int row : s_.touched) s_.rows[row].dirty = false;
        s_.touched.clear();
    }

    // A little worse is accepted now and then, by 1 a quarter of the time, by 2 a sixteenth, and so
    // on; never towards the end.
    int allowance() { return warm_ ? __builtin_clzll(random_.next() | 1) / 2 : 0; }

    int random_node() {
        const int n = static_cast<int>(s_.nodes.size()) - s_.inputs;
        for (int tries = 0; tries < 64 && n > 0; ++tries) {
            const int node = s_.inputs + random_.below(n);
            if (s_.nodes[node].alive) return node;
        }
        return -1;
    }

    // Writes out a node and some of those around it.
    void ruin() {
        int node = random_node();
        if (node < 0) return;
        int size = 1;
        while (size < kRuin && random_.below(kRuin / 4) > 0) ++size;
        while (size-- > 0 && node >= 0) {
            const int next = neighbour(node);
            if (s_.nodes[node].alive) s_.inline_node(node);
            node = next;
        }
    }

    // A node that stands in a row with this one, or inside it.
    int neighbour(int node) {
        if (!s_.nodes[node].alive || s_.nodes[node].uses.empty()) return random_node();
        const std::vector<Use>& uses = s_.nodes[node].uses;
        const Use u = uses[random_.below(static_cast<int>(uses.size()))];
        const int row = random_.below(3) == 0 ? s_.row_of(node) : u.row;
        std::vector<int> others;
        for (const Term& t : s_.rows[row].terms)
            if (t.node >= s_.inputs && t.node != node) others.push_back(t.node);
        if (s_.inner(row) && s_.node_of(row) != node) others.push_back(s_.node_of(row));
        if (others.empty()) return random_node();
        return others[random_.below(static_cast<int>(others.size()))];
    }

    Problem p_;
    System s_;
    Values<C> v_;
    Greedy<C> greedy_;
    Trees<C> trees_;
    Random random_;
    int64_t total_ = 0;
    bool warm_ = true;
    std::vector<std::pair<int, int>> saved_;
    std::vector<int32_t> dirty_, around_;
};

// Steps of improvement: peers that take about n^4 for n columns set the pace that users know, and
// one pass takes about n^2.7. Beyond 64 columns or so half a minute has to do.
inline uint64_t budget(uint64_t pass, uint64_t effort) {
    const double scale = std::pow(static_cast<double>(pass) / 1e4, 0.3);
    const double work = std::min(4 * static_cast<double>(pass) * scale, kLongest) + kLeast;
    return static_cast<uint64_t>(work * static_cast<double>(effort) / 1000);
}

template <class C>
Graph solve(Problem p) {
    p.depth = std::min(p.depth, System(0, 0, p.radix).deepest());
    const auto tree = [&](int hops) {
        return ColumnTree(p.matrix, p.inputs, p.outputs, p.radix, p.depth, hops);
    };
    if (p.effort == 0) {  // one pass, from columns to columns where these clearly resemble others
        const ColumnTree t = tree(1 << 20);
        return Search<C>(p, t.total * 10 < t.plain * 9 ? &t : nullptr).emit();
    }
    auto best = std::make_unique<Search<C>>(p, nullptr);
    const uint64_t pass = best->work();
    const auto start = [&](const ColumnTree& t) {
        auto other = std::make_unique<Search<C>>(p, &t);
        if (other->total() < best->total()) best = std::move(other);
    };
    if (p.effort < kAllStarts || pass > kLargePass) {
        const ColumnTree t = tree(1 << 20);
        if (t.total * 20 < t.plain * 19) start(t);  // otherwise columns hardly resemble each other
    } else {
        for (int hops : {1, 2, 4, 1 << 20}) start(tree(hops));
    }
    best->improve(budget(pass, p.effort));
    return best->emit();
}

}  // namespace adders
