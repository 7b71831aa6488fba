// The search behind hlsgen.arith.adders.solve, as a shared object: COEFFICIENT is int32_t or
// int64_t, whichever holds four times the sum of magnitudes of any column.
#include <cstring>

#include "search.hpp"

using namespace adders;

// Adders as count, then node, shift, negative of each operand; then the same of each output.
extern "C" int64_t* hlsgen_adders_solve(const int64_t* options, const int64_t* matrix,
                                        const int64_t* lo, const int64_t* hi) {
    try {
        Problem p{};
        p.inputs = static_cast<int>(options[0]);
        p.outputs = static_cast<int>(options[1]);
        p.depth = static_cast<int>(options[2]);
        p.radix = static_cast<int>(options[3]);
        p.seed = static_cast<uint64_t>(options[4]);
        p.effort = static_cast<uint64_t>(options[5]);
        p.matrix = matrix;
        p.lo = lo;
        p.hi = hi;
        const Graph g = solve<COEFFICIENT>(p);
        std::vector<int64_t> out{0, static_cast<int64_t>(g.adders.size())};
        const auto port = [&](const Port& t) {
            out.insert(out.end(), {t.node, t.shift, t.negative});
        };
        for (const Adder& a : g.adders) {
            out.push_back(a.count);
            for (int k = 0; k < a.count; ++k) port(a.ports[k]);
        }
        for (const Port& t : g.outputs) port(t);
        out[0] = static_cast<int64_t>(out.size());
        auto* copy = static_cast<int64_t*>(std::malloc(out.size() * sizeof(int64_t)));
        if (copy) std::memcpy(copy, out.data(), out.size() * sizeof(int64_t));
        return copy;
    } catch (...) {
        return nullptr;
    }
}

extern "C" void hlsgen_adders_free(int64_t* p) { std::free(p); }
