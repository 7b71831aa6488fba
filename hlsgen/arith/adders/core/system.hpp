// Rows of signed shifted nodes, every change counted, logged and undoable.
#pragma once

#include <cstdlib>
#include <utility>

#include "counts.hpp"

namespace adders {

struct Term {
    int32_t node;
    int16_t shift;
    int16_t sign;  // +1 or -1
    bool operator==(const Term& t) const {
        return node == t.node && shift == t.shift && sign == t.sign;
    }
};

struct Use {
    int32_t row;
    int16_t shift;
    int16_t sign;
};

struct Row {
    std::vector<Term> terms;
    int64_t load = 0;  // sum of radix^depth over the terms: Kraft's sum times radix^budget
    int budget = 0;    // levels within which the row must be summed
    int cost = 0;
    bool dirty = false;
    bool alive = false;
};

struct Node {
    std::vector<Use> uses;
    int64_t lo = 0, hi = 0;
    int depth = 0;
    int sign = 1;  // hardware holds sign * value
    bool alive = false;
};

struct Change {
    enum Kind { kAdd, kRemove, kCreate, kFree, kDepth, kSign } kind;
    int32_t where;
    Term term;
    int old;
};

// Signed digits of m, no two adjacent: the fewest there are.
template <class Emit>
void signed_digits(int64_t m, Emit emit) {
    for (int shift = 0; m != 0; ++shift, m /= 2) {
        if (m % 2 == 0) continue;
        const int digit = ((m & 3) == 3) ? -1 : 1;
        emit(shift, digit);
        m -= digit;
    }
}

// Node k is input k below `inputs`; from there it is the value of row outputs + k - inputs.
class System {
public:
    System(int inputs, int outputs, int radix) : inputs(inputs), outputs(outputs), radix(radix) {
        for (int64_t p = 1;; p *= radix) {
            power.push_back(p);
            if (p > INT64_MAX / radix / 64) break;
        }
        nodes.resize(inputs);
        rows.resize(outputs);
        for (Node& n : nodes) n.alive = true;
        for (Row& r : rows) r.alive = true;
    }

    int inputs, outputs, radix;
    std::vector<int64_t> power;
    std::vector<Node> nodes;
    std::vector<Row> rows;
    Counts counts;
    std::vector<Key> risen;       // patterns that have become more frequent
    std::vector<int32_t> touched;  // dirty rows
    std::vector<int32_t> lonely;  // nodes that may have fewer than two uses left
    int64_t adders = 0;  // of two operands, that all rows take
    bool queueing = true;
    uint64_t work = 0;  // counts changed so far: the measure of effort, independent of clocks

    int row_of(int node) const { return outputs + node - inputs; }
    int node_of(int row) const { return inputs + row - outputs; }
    bool inner(int row) const { return row >= outputs; }
    int deepest() const { return static_cast<int>(power.size()) - 1; }

    int levels(int64_t load) const {
        int d = 0;
        while (power[d] < load) ++d;
        return d;
    }

    void add(int row, Term t) {
        log({Change::kAdd, row, t, 0});
        insert(row, t);
    }
    void remove(int row, Term t) {
        log({Change::kRemove, row, t, 0});
        erase(row, t);
    }

    int create(int depth) {
        int node;
        if (free_.empty()) {
            node = static_cast<int>(nodes.size());
            nodes.emplace_back();
            rows.emplace_back();
        } else {
            node = free_.back();
            free_.pop_back();
        }
        nodes[node].alive = true;
        nodes[node].depth = depth;
        nodes[node].sign = 1;
        Row& row = rows[row_of(node)];
        row.alive = true;
        row.budget = depth;
        row.cost = 0;
        log({Change::kCreate, node, {}, 0});
        return node;
    }

    // A node that nothing uses goes, and its terms with it.
    void discard(int node) {
        const int row = row_of(node);
        while (!rows[row].terms.empty()) remove(row, rows[row].terms.back());
        bury(node);
        if (logging_) log({Change::kFree, node, {}, 0});
        else free_.push_back(node);
        touch(row);
    }

    void set_depth(int node, int depth) {
        const int old = nodes[node].depth;
        if (depth == old) return;
        log({Change::kDepth, node, {}, old});
        move(node, depth);
    }
    void set_sign(int node, int sign) {
        if (sign == nodes[node].sign) return;
        log({Change::kSign, node, {}, nodes[node].sign});
        nodes[node].sign = sign;
        touch(row_of(node));
        for (const Use& u : nodes[node].uses) touch(u.row);
    }

    // term * 2^shift * sign into the row, equal nodes merged into signed digits again.
    void add_merged(int row, Term t) {
        int64_t sum = 0;
        int count = 0;
        for (const Term& other : rows[row].terms) {
            if (other.node != t.node) continue;
            sum += other.sign * (int64_t{1} << other.shift);
            ++count;
        }
        if (count == 0) return add(row, t);
        sum += t.sign * (int64_t{1} << t.shift);
        std::vector<Term> old, fresh;
        for (const Term& other : rows[row].terms)
            if (other.node == t.node) old.push_back(other);
        signed_digits(sum, [&](int shift, int sign) {
            fresh.push_back({t.node, static_cast<int16_t>(shift), static_cast<int16_t>(sign)});
        });
        for (const Term& o : old)
            if (std::find(fresh.begin(), fresh.end(), o) == fresh.end()) remove(row, o);
        for (const Term& f : fresh)
            if (std::find(old.begin(), old.end(), f) == old.end()) add(row, f);
    }

    // The row with one use of an inner node written out.
    void expand(int row, Term t) {
        remove(row, t);
        const std::vector<Term> inside = rows[row_of(t.node)].terms;
        for (const Term& u : inside) {
            const int16_t shift = static_cast<int16_t>(u.shift + t.shift);
            add_merged(row, {u.node, shift, static_cast<int16_t>(u.sign * t.sign)});
        }
    }

    void inline_node(int node) {
        while (!nodes[node].uses.empty()) {
            const Use u = nodes[node].uses.back();
            expand(u.row, {node, u.shift, u.sign});
        }
        discard(node);
    }

    // Nodes with one use or none are written out: they save nothing.
    void tidy() {
        while (!lonely.empty()) {
            const int node = lonely.back();
            lonely.pop_back();
            if (node < inputs || !nodes[node].alive) continue;
            if (nodes[node].uses.size() < 2 || rows[row_of(node)].terms.size() < 2)
                inline_node(node);
        }
    }

    void touch(int row) {
        if (rows[row].dirty) return;
        rows[row].dirty = true;
        touched.push_back(row);
    }

    void begin() {
        log_.clear();
        logging_ = true;
    }
    void commit() {
        for (const Change& c : log_)
            if (c.kind == Change::kFree) free_.push_back(c.where);
        log_.clear();
        logging_ = false;
    }
    void undo() {
        logging_ = false;
        const bool queued = std::exchange(queueing, false);
        for (size_t i = log_.size(); i-- > 0;) revert(log_[i]);
        queueing = queued;
        lonely.clear();
        log_.clear();
    }

private:
    void log(Change c) {
        if (logging_) log_.push_back(c);
    }

    void revert(const Change& c) {
        switch (c.kind) {
            case Change::kAdd: erase(c.where, c.term); break;
            case Change::kRemove: insert(c.where, c.term); break;
            case Change::kCreate:
                bury(c.where);
                free_.push_back(c.where);
                break;
            case Change::kFree: {
                nodes[c.where].alive = true;
                rows[row_of(c.where)].alive = true;
                break;
            }
            case Change::kDepth: move(c.where, c.old); break;
            case Change::kSign: nodes[c.where].sign = c.old; break;
        }
    }

    void bury(int node) {
        nodes[node].alive = false;
        rows[row_of(node)].alive = false;
    }

    void move(int node, int depth) {
        const int64_t step = power[depth] - power[nodes[node].depth];
        nodes[node].depth = depth;
        rows[row_of(node)].budget = depth;
        touch(row_of(node));
        for (const Use& u : nodes[node].uses) {
            rows[u.row].load += step;
            touch(u.row);
        }
    }

    void insert(int row, Term t) {
        tally(row, t, 1);
        adders += !rows[row].terms.empty();
        rows[row].terms.push_back(t);
        rows[row].load += power[nodes[t.node].depth];
        nodes[t.node].uses.push_back({row, t.shift, t.sign});
        touch(row);
    }

    void erase(int row, Term t) {
        std::vector<Term>& terms = rows[row].terms;
        *std::find(terms.begin(), terms.end(), t) = terms.back();
        terms.pop_back();
        adders -= !terms.empty();
        std::vector<Use>& uses = nodes[t.node].uses;
        *std::find_if(uses.begin(), uses.end(), [&](const Use& u) {
            return u.row == row && u.shift == t.shift && u.sign == t.sign;
        }) = uses.back();
        uses.pop_back();
        rows[row].load -= power[nodes[t.node].depth];
        tally(row, t, -1);
        if (uses.size() < 2) lonely.push_back(t.node);
        if (terms.size() < 2 && inner(row)) lonely.push_back(node_of(row));
        touch(row);
    }

    // Every pattern that the term takes part in with what stands there now.
    void tally(int row, Term t, int step) {
        keys_.clear();
        for (const Term& u : rows[row].terms) keys_.push_back(of_terms(u, t).key());
        for (const Use& u : nodes[t.node].uses)
            if (u.row != row) keys_.push_back(of_rows(u, {row, t.shift, t.sign}).key());
        work += keys_.size();
        const size_t n = keys_.size();
        for (size_t i = 0; i < n; ++i) {
            if (i + 8 < n) counts.prefetch(keys_[i + 8]);
            Count& c = counts.at(keys_[i]);
            c.count += step;
            if (step > 0 && queueing && c.count >= 2 && c.count > c.queued)
                risen.push_back(keys_[i]);
            if (c.count == 0 && c.queued == 0) counts.drop(c);
        }
    }

    static Pattern of_terms(Term a, Term b) {
        if (a.node > b.node || (a.node == b.node && a.shift > b.shift)) std::swap(a, b);
        return {false, a.node, b.node, b.shift - a.shift, a.sign * b.sign};
    }
    static Pattern of_rows(Use a, Use b) {
        if (a.row > b.row) std::swap(a, b);
        return {true, a.row, b.row, b.shift - a.shift, a.sign * b.sign};
    }

    std::vector<int32_t> free_;
    std::vector<Change> log_;
    std::vector<Key> keys_;
    bool logging_ = false;
};

}  // namespace adders
