"""What a given adder graph costs at best: sums held negated where cheaper, pairs of adders fused.

The same rules for every tool's graph, so that a comparison shows the search and not bookkeeping.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import product

from hlsgen.arith.adders import AdderGraph, Term
from hlsgen.arith.adders.graph import width

NEVER = 1 << 28
Costs = tuple[int, int]  # of holding a value, and of holding its negative


class Recost:
    """Trees of adders between shared nodes; each shared node is held with one sign."""

    def __init__(self, graph: AdderGraph, *, three: bool) -> None:
        self.graph, self.three, self.n = graph, three, len(graph.inputs)
        self.known: dict[int, Costs] = {}  # of inner nodes, within one tree
        users: dict[int, list[int]] = defaultdict(list)
        for k, adder in enumerate(graph.adders):
            for t in adder:
                users[t.node].append(self.n + k)
        self.outputs: dict[int, set[bool]] = defaultdict(set)
        for t in filter(None, graph.outputs):
            self.outputs[t.node].add(t.negative)
        adders = range(self.n, self.n + len(graph.adders))
        self.inner = {k for k in adders if len(users[k]) == 1 and k not in self.outputs}
        self.held = [False] * (self.n + len(adders))
        self.roots = [k for k in adders if k not in self.inner and (users[k] or k in self.outputs)]
        self.around = _trees_around(users, self.inner, len(self.held))

    def total(self) -> int:
        """LUTs after signs were chosen one by one: once at first sight, once with all known."""
        for k in self.roots:
            self.known.clear()
            plus, minus = self.tree(k)
            self.held[k] = minus < plus
        for k in self.roots:
            before = self.cost(k) + sum(self.cost(r) for r in self.around[k])
            self.held[k] = not self.held[k]
            if self.cost(k) + sum(self.cost(r) for r in self.around[k]) >= before:
                self.held[k] = not self.held[k]
        return sum(self.cost(k) for k in self.roots) + sum(
            self.negation(k) for k in range(self.n) if k in self.outputs
        )

    def cost(self, root: int) -> int:
        self.known.clear()
        return self.tree(root)[self.held[root]] + self.negation(root)

    def negation(self, node: int) -> int:
        lo, hi = self.graph.ranges[node]
        if self.held[node]:
            lo, hi = -hi, -lo
        wrong = any(negative != self.held[node] for negative in self.outputs.get(node, ()))
        return width(-hi, -lo) if wrong else 0

    def leaf(self, node: int) -> Costs:
        if node in self.inner:
            if node not in self.known:
                self.known[node] = self.tree(node)
            return self.known[node]
        return (NEVER, 0) if self.held[node] else (0, NEVER)

    def tree(self, node: int) -> Costs:
        adder = self.graph.adders[node - self.n]
        forms = [adder]
        if self.three and len(adder) == 2:
            for own, other in (adder, adder[::-1]):
                if own.node in self.inner and len(self.graph.adders[own.node - self.n]) == 2:
                    inside = self.graph.adders[own.node - self.n]
                    forms.append((other, *(_through(own, t) for t in inside)))
        known = {t.node: self.leaf(t.node) for form in forms for t in form}
        plus, minus = NEVER, NEVER
        for form in forms:
            costs = self.form(node, form, known)
            plus, minus = min(plus, costs[0]), min(minus, costs[1])
        return plus, minus

    def form(self, node: int, form: tuple[Term, ...], known: dict[int, Costs]) -> Costs:
        lo, hi = self.graph.ranges[node]
        best = [NEVER, NEVER]
        for held, *parts in product((False, True), repeat=len(form) + 1):
            cost = sum(known[t.node][p] for t, p in zip(form, parts, strict=True))
            if cost >= best[held]:
                continue
            signs = [t.negative ^ p ^ held for t, p in zip(form, parts, strict=True)]
            if all(signs):
                continue
            full = width(-hi, -lo) if held else width(lo, hi)
            low, second = sorted(zip([t.shift for t in form], signs, strict=True))[:2]
            passing = low[0] if low[1] else second[0]
            best[held] = min(best[held], cost + max(full - passing + (len(form) == 3), 0))
        return best[0], best[1]


def _trees_around(users: dict[int, list[int]], inner: set[int], nodes: int) -> dict[int, set[int]]:
    """The roots of the trees that read each shared node."""
    root = list(range(nodes))
    for k in reversed(range(nodes)):
        if k in inner:
            root[k] = root[users[k][0]]
    return {k: {root[u] for u in users[k]} for k in range(nodes) if k not in inner}


def _through(outer: Term, inner: Term) -> Term:
    return Term(inner.node, outer.shift + inner.shift, outer.negative != inner.negative)


def recost(graph: AdderGraph, *, three: bool) -> int:
    """LUTs of the graph with the best signs found; `three` fuses adders of one use into others."""
    return Recost(graph, three=three).total()
