// Columns as other columns plus a residue: where two nearly agree, the difference is cheap.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace adders {

inline int digits_of(int64_t m) {
    const uint64_t a = static_cast<uint64_t>(m < 0 ? -m : m);
    return __builtin_popcountll((3 * a) ^ a);
}

// One column of the tree: its parent, -1 for none, taken as it is or negated.
struct Link {
    int parent = -1;
    int sign = 1;
    int weight = 0;  // signed digits of column - sign * parent
    int depth = 0;   // levels that it takes at least
    int hops = 0;
};

// A spanning tree by Prim's rule over the columns of a matrix (inputs x outputs), every path at most
// `hops` links long and every column possible within `depth` levels.
class ColumnTree {
public:
    ColumnTree(const int64_t* matrix, int inputs, int outputs, int radix, int depth, int hops)
        : matrix_(matrix), inputs_(inputs), outputs_(outputs), radix_(radix), depth_(depth),
          hops_(hops), links(outputs) {
        std::vector<Link> best(outputs);
        std::vector<bool> done(outputs, false);
        for (int j = 0; j < outputs; ++j) {
            for (int i = 0; i < inputs; ++i) best[j].weight += digits_of(entry(i, j));
            best[j].depth = levels(best[j].weight);
            plain += best[j].weight;
        }
        for (int n = 0; n < outputs; ++n) {
            int next = -1;
            for (int j = 0; j < outputs; ++j)
                if (!done[j] && (next < 0 || price(best[j]) < price(best[next]))) next = j;
            done[next] = true;
            links[next] = best[next];
            order.push_back(next);
            total += price(best[next]);
            if (best[next].hops >= hops_) continue;
            for (int j = 0; j < outputs; ++j)
                if (!done[j]) relax(best[j], j, next);
        }
    }

    int64_t entry(int i, int j) const { return matrix_[static_cast<size_t>(i) * outputs_ + j]; }

private:
    const int64_t* matrix_;
    int inputs_, outputs_, radix_, depth_, hops_;

public:
    std::vector<Link> links;
    std::vector<int> order;  // parents first
    int64_t plain = 0, total = 0;  // terms of all rows without the tree and with it

private:
    static int price(const Link& l) { return l.weight + (l.parent >= 0 ? 1 : 0); }

    int levels(int64_t load) const {
        int d = 0;
        for (int64_t p = 1; p < load; p *= radix_) ++d;
        return d;
    }

    void relax(Link& link, int column, int parent) const {
        int64_t power = 1;
        for (int d = 0; d < links[parent].depth; ++d) power *= radix_;
        for (int sign : {1, -1}) {
            Link l{parent, sign, 0, 0, links[parent].hops + 1};
            for (int i = 0; i < inputs_ && price(l) < price(link); ++i)
                l.weight += digits_of(entry(i, column) - sign * entry(i, parent));
            if (price(l) >= price(link)) continue;
            l.depth = levels(l.weight + power);
            if (l.depth <= depth_) link = l;
        }
    }
};

}  // namespace adders
