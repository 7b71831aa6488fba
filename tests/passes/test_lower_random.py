"""Random networks of every dialect: lowered, simulated, and equal to the oracle bit for bit."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from hlsgen.errors import HlsgenError, Unsupported
from tests.passes import agree
from tests.passes.networks import random_network

SEEDS = range(120)
PART = 12

# Why a random network may be refused. All of these are real numbers that no integers hold: an
# irrational function or factor whose result is summed, compared or selected before any quantiser.
JUSTIFIED = (
    "the real-valued result of '",  # sigmoid, exp, .. used as it is
    "an irrational factor (such as a batch normalisation's",  # in front of a sum, clip, selection
    "is used without a quantiser; put one behind the sum",  # a residual join of batch norms
    "cannot be proven right",  # the same, with a quantiser, but too close to one of its steps
    "of two computed tensors has no integer form",  # a quotient of wide tensors
    "640 bits do not decide",  # a tie of irrational numbers
    "need more than 62 bits",  # 1/3, 1/5, 1/7 .. of many elements on one grid
)
# Faults of the random model itself.
MEANINGLESS = ("within the range that its inputs can reach", "no output depends on any input")


@pytest.mark.parametrize("start", range(SEEDS.start, SEEDS.stop, PART))
def test_random_networks(start: int, tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    for seed in range(start, start + PART):
        net = random_network(seed)
        try:
            verdict = agree.check(agree.read(net.proto(), tmp_path), net.samples)
        except HlsgenError as error:
            _justified(seed, error)
            seen["refused"] += 1
            continue
        assert not verdict.wrong, f"seed {seed}: {verdict.wrong[:3]}"
        seen["compared"] += verdict.compared > 0
    assert seen["refused"] <= PART // 3
    assert seen["compared"] >= PART // 2


def _justified(seed: int, error: HlsgenError) -> None:
    """A refusal is located and is one of those listed above."""
    texts = JUSTIFIED if isinstance(error, Unsupported) else MEANINGLESS
    assert error.loc is not None, f"seed {seed}: {error}"
    assert any(text in error.message for text in texts), f"seed {seed}: {error}"
