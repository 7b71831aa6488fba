"""Constant matrices without multipliers: y = x @ W by shifts and adds."""

from hlsgen.arith.adders.graph import AdderGraph, Term, coefficients, evaluate
from hlsgen.arith.adders.solve import least_depth, solve

__all__ = ["AdderGraph", "Term", "coefficients", "evaluate", "least_depth", "solve"]
