// Replaces the most valuable pattern until none is left.
#pragma once

#include "tree.hpp"

namespace adders {

struct Mood {
    double noise = 0;       // octaves by which a score may be off, either way
    double threshold = 1;   // what a new node costs, in saved adders
    uint64_t seed = 0;
};

template <class C>
class Greedy {
public:
    Greedy(System& system, Values<C>& values) : s_(system), v_(values) {
        double sum = 0;
        for (int i = 0; i < v_.count(); ++i) sum += width(v_.input(i));
        typical_ = sum / std::max(1, v_.count()) + 4;
        for (int i = 0; i < s_.inputs; ++i) {
            s_.nodes[i].lo = v_.input(i).lo;
            s_.nodes[i].hi = v_.input(i).hi;
        }
    }

    Mood mood;

    // Every pattern that is worth it, from the table of counts.
    void fill() {
        queue_.clear();
        for (Count& c : s_.counts.slots()) {
            c.queued = 0;
            if (c.key != 0 && c.count >= 2) risen_all_.push_back(c.key);
        }
        std::sort(risen_all_.begin(), risen_all_.end());  // whatever the table's history
        for (Key k : risen_all_) enqueue(k);
        risen_all_.clear();
        s_.risen.clear();
    }

    void run() {
        flush();
        while (!queue_.empty()) {
            const Candidate best = queue_.pop();
            Count& entry = s_.counts.at(best.key);
            if (entry.queued != best.count) continue;
            entry.queued = 0;
            const int count = entry.count;
            if (count == 0) s_.counts.drop(entry);
            if (count < 2) continue;
            const Pattern p = Pattern::of(best.key);
            const float now = score(p, count, best.key);
            if (now <= 0) continue;
            if (now < best.score && !queue_.empty() && now < queue_.top().score) {
                enqueue(best.key);
                continue;
            }
            if (p.rows) replace_rows(p);
            else replace_terms(p);
            s_.tidy();
            flush();
        }
    }

    void flush() {
        for (Key k : s_.risen) enqueue(k);
        s_.risen.clear();
    }

    // A node for the sum of these terms; shifts are relative to the node.
    int make(const std::vector<Term>& terms, int depth) {
        const int node = s_.create(depth);
        v_.at(node);
        const Term& f = terms[0];
        C* c = v_.at(node);
        const C* first = v_.at(f.node);
        Bounds b{0, 0};
        for (size_t k = 1; k < terms.size(); ++k) {
            const Term& t = terms[k];
            b = k == 1 ? v_.combine(first, factor(f), v_.at(t.node), factor(t), c)
                       : v_.combine(c, 1, v_.at(t.node), factor(t), c);
        }
        s_.nodes[node].lo = b.lo;
        s_.nodes[node].hi = b.hi;
        for (const Term& t : terms) s_.add(s_.row_of(node), t);
        return node;
    }

    // The coefficients of a node that is not made from terms, and its range.
    template <class Entry>
    void value(int node, Entry entry) {
        C* c = v_.at(node);
        for (int i = 0; i < v_.count(); ++i) c[i] = static_cast<C>(entry(i));
        const Bounds b = v_.combine(c, 1, c, 0, c);
        s_.nodes[node].lo = b.lo;
        s_.nodes[node].hi = b.hi;
    }

private:
    static C factor(const Term& t) { return static_cast<C>(t.sign * (C{1} << t.shift)); }

    void enqueue(Key key) {
        Count& c = s_.counts.at(key);
        if (c.count < 2 || c.count <= c.queued) return;
        const float s = score(Pattern::of(key), c.count, key);
        if (s <= 0) return;
        c.queued = c.count;
        queue_.push({s, c.count, key});
    }

    float score(const Pattern& p, int count, Key key) const {
        double s;
        if (p.rows) {
            s = (feasible(p, count) - 1) * typical_;
        } else {
            const Node &a = s_.nodes[p.a], &b = s_.nodes[p.b];
            const int up = std::max(0, -p.shift), down = std::max(0, p.shift);
            const double size = static_cast<double>(std::max(-a.lo, a.hi)) * two_to(up) +
                                static_cast<double>(std::max(-b.lo, b.hi)) * two_to(down);
            s = (count - mood.threshold) * (size > 0 ? top_bit(size) + 2 : 1);
        }
        if (mood.noise > 0) {
            const double u = static_cast<double>(mixed(key ^ mood.seed) >> 11) * 0x1p-53;
            const double octaves = mood.noise * (2 * u - 1) + 64;
            const int whole = static_cast<int>(octaves);
            s *= two_to(whole - 64) * (1 + octaves - whole);
        }
        return static_cast<float>(s);
    }

    // Shared terms that the rows' depth leaves room for: without slack, a full tree of them.
    int feasible(const Pattern& p, int count) const {
        const int64_t room = std::min(slack(p.a), slack(p.b));
        int64_t full = 1;
        while (full < count) full *= s_.radix;
        if (full - count <= room) return count;
        return static_cast<int>(full / s_.radix);
    }

    int64_t slack(int row) const { return s_.power[s_.rows[row].budget] - s_.rows[row].load; }

    struct Place {
        int row;
        int shift_a;
        int sign_a;
    };

    static uint64_t spot(int32_t a, int shift) {
        return static_cast<uint64_t>(static_cast<uint32_t>(a)) << 8 | static_cast<uint8_t>(shift);
    }

    void index(uint64_t key, int sign) { index_.push_back({key, sign}); }
    int found(uint64_t key) const {
        const auto at = std::lower_bound(index_.begin(), index_.end(), std::pair{key, -2});
        return at != index_.end() && at->first == key ? at->second : 0;
    }

    void replace_terms(const Pattern& p) {
        const int depth = std::max(s_.nodes[p.a].depth, s_.nodes[p.b].depth) + 1;
        if (depth > s_.deepest()) return;
        index_.clear();
        for (const Use& u : s_.nodes[p.b].uses) index(spot(u.row, u.shift), u.sign);
        std::sort(index_.begin(), index_.end());
        places_.clear();
        for (const Use& u : s_.nodes[p.a].uses)
            if (found(spot(u.row, u.shift + p.shift)) == u.sign * p.sign)
                places_.push_back({u.row, u.shift, u.sign});
        std::sort(places_.begin(), places_.end(), [](const Place& x, const Place& y) {
            return x.row != y.row ? x.row < y.row : x.shift_a < y.shift_a;
        });
        const int64_t step = s_.power[depth] - s_.power[s_.nodes[p.a].depth] -
                             s_.power[s_.nodes[p.b].depth];
        keep_feasible(p, step);
        if (places_.size() < 2) return;
        const int up = std::max(0, -p.shift), down = std::max(0, p.shift);
        for (const Place& at : places_) {
            s_.remove(at.row, term(p.a, at.shift_a, at.sign_a));
            s_.remove(at.row, term(p.b, at.shift_a + p.shift, at.sign_a * p.sign));
        }
        const int node = make({term(p.a, up, 1), term(p.b, down, p.sign)}, depth);
        for (const Place& at : places_) s_.add(at.row, term(node, at.shift_a - up, at.sign_a));
    }

    // Occurrences that overlap no earlier one and leave their row within its depth.
    void keep_feasible(const Pattern& p, int64_t step) {
        std::vector<Place> kept;
        size_t first = 0;  // of the row at hand
        int64_t load = 0;
        for (const Place& at : places_) {
            if (kept.empty() || kept.back().row != at.row) {
                first = kept.size();
                load = s_.rows[at.row].load;
            }
            if (p.a == p.b && std::any_of(kept.begin() + first, kept.end(), [&](const Place& k) {
                    return k.shift_a + p.shift == at.shift_a;
                }))
                continue;
            if (load + step > s_.power[s_.rows[at.row].budget]) continue;
            load += step;
            kept.push_back(at);
        }
        places_.swap(kept);
    }

    void replace_rows(const Pattern& p) {
        index_.clear();
        for (const Term& t : s_.rows[p.a].terms) index(spot(t.node, t.shift), t.sign);
        std::sort(index_.begin(), index_.end());
        shared_.clear();
        for (const Term& t : s_.rows[p.b].terms)
            if (found(spot(t.node, t.shift - p.shift)) == t.sign * p.sign)
                shared_.push_back(term(t.node, t.shift - p.shift, t.sign * p.sign));
        std::sort(shared_.begin(), shared_.end(), [&](const Term& x, const Term& y) {
            const int dx = s_.nodes[x.node].depth, dy = s_.nodes[y.node].depth;
            if (dx != dy) return dx > dy;
            return x.node != y.node ? x.node < y.node : x.shift < y.shift;
        });
        const int64_t room = std::min(slack(p.a), slack(p.b));
        size_t best = 0;
        int depth = 0;
        int64_t load = 0;
        for (size_t k = 1; k <= shared_.size(); ++k) {
            load += s_.power[s_.nodes[shared_[k - 1].node].depth];
            const int d = s_.levels(load);
            if (k < 2 || s_.power[d] - load > room) continue;
            best = k;
            depth = d;
        }
        if (best < 2) return;
        shared_.resize(best);
        int low = shared_[0].shift;
        for (const Term& t : shared_) low = std::min<int>(low, t.shift);
        std::vector<Term> terms = shared_;
        for (const Term& t : terms) {
            s_.remove(p.a, t);
            s_.remove(p.b, term(t.node, t.shift + p.shift, t.sign * p.sign));
        }
        for (Term& t : terms) t.shift = static_cast<int16_t>(t.shift - low);
        const int node = make(terms, depth);
        s_.add(p.a, term(node, low, 1));
        s_.add(p.b, term(node, low + p.shift, p.sign));
    }

    static Term term(int node, int shift, int sign) {
        return {node, static_cast<int16_t>(shift), static_cast<int16_t>(sign)};
    }

    System& s_;
    Values<C>& v_;
    Queue queue_;
    double typical_;
    std::vector<Key> risen_all_;
    std::vector<std::pair<uint64_t, int>> index_;
    std::vector<Place> places_;
    std::vector<Term> shared_;
};

}  // namespace adders
