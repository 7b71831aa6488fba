"""FIFO depths against a simulator that counts tokens cycle by cycle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hlsgen.schedule.cycles import on_cycles
from hlsgen.schedule.process import Moves, Process
from hlsgen.schedule.sizes import size_fifos
from tests.schedule.stepper import delayed, run

Net = list[Process]


def process(
    name: str, work: int, reads: dict[str, list[int]], writes: dict[str, list[int]]
) -> Process:
    moves = Moves(
        tuple(np.array(v, np.int64) for v in reads.values()),
        tuple(np.array(v, np.int64) for v in writes.values()),
    )
    return Process(name, work, tuple(reads), tuple(writes), lambda: moves)


@st.composite
def nets(draw: st.DrawFn) -> Net:
    """A source, processes that read one or two of the open channels, a sink for each that is left.

    Every channel carries as many tokens a frame, at steps drawn at random.
    """
    tokens = draw(st.integers(1, 5))
    count = 0

    def steps(work: int) -> list[int]:
        return sorted(draw(st.permutations(range(work)))[:tokens])

    def work() -> int:
        return tokens + draw(st.integers(0, 4))

    def channel() -> str:
        nonlocal count
        count += 1
        return f"c{count}"

    w = work()
    made = [channel() for _ in range(draw(st.integers(1, 2)))]
    net = [process("source", w, {}, {c: steps(w) for c in made})]
    free = list(made)
    for k in range(draw(st.integers(1, 5))):
        w = work()
        operands = min(len(free), draw(st.integers(1, 2)))
        taken = [free.pop(draw(st.integers(0, len(free) - 1))) for _ in range(operands)]
        made = [channel() for _ in range(draw(st.integers(1, 2)))]
        net.append(process(f"p{k}", w, {c: steps(w) for c in taken}, {c: steps(w) for c in made}))
        free += made
    for c in free:
        w = work()
        net.append(process(f"sink_{c}", w, {c: steps(w)}, {}))
    return net


@settings(max_examples=150, deadline=None)
@given(nets())
def test_depths_cost_no_throughput(net: Net) -> None:
    sizing = size_fifos(net, 0)
    trace = run(net, sizing.depths, 40)
    assert not trace.stuck
    for ends in trace.ends.values():  # after the first frames, which may be faster
        assert ends[-1] - ends[-13] <= 12 * sizing.interval


@settings(max_examples=60, deadline=None)
@given(nets())
def test_latency_is_that_of_the_first_frame_with_room(net: Net) -> None:
    trace = run(net, dict.fromkeys(size_fifos(net, 0).depths, 10**6), 1)
    assert max(ends[0] for ends in trace.ends.values()) + 1 == size_fifos(net, 0).latency


@settings(max_examples=150, deadline=None)
@given(nets(), st.data())
def test_no_pipeline_up_to_the_hold_deadlocks(net: Net, data: st.DataObject) -> None:
    hold = data.draw(st.integers(0, 9))
    shallow = on_cycles(net)
    depths = {c: d if c in shallow else 1 for c, d in size_fifos(net, hold).depths.items()}
    stages = [data.draw(st.integers(0, hold)) for _ in net]
    trace = run([delayed(p, s) for p, s in zip(net, stages, strict=True)], depths, 4)
    assert not trace.stuck


def fork_and_join(delay: int, tokens: int) -> Net:
    """The long branch gives its first token `delay` tokens late: the short one must hold them."""
    each = list(range(tokens))
    return [
        process("source", tokens, {}, {"in": each}),
        process("fork", tokens, {"in": each}, {"long": each, "short": each}),
        process("window", tokens + delay, {"long": each}, {"windows": [k + delay for k in each]}),
        process("join", tokens, {"windows": each, "short": each}, {"out": each}),
        process("sink", tokens, {"out": each}, {}),
    ]


@pytest.mark.parametrize("hold", [0, 7])
def test_one_token_less_than_a_join_needs_hangs(hold: int) -> None:
    net = fork_and_join(6, 40)
    depths = dict(size_fifos(net, hold).depths)
    stalling = [delayed(p, hold) for p in net]
    assert not run(stalling, depths, 3).stuck
    least = next(d for d in range(1, 99) if not run(stalling, depths | {"short": d}, 3).stuck)
    assert 1 < least <= depths["short"] <= 2 * least + 2 * hold
    assert run(stalling, depths | {"short": least - 1}, 3).stuck


def test_only_channels_between_fork_and_join_are_on_cycles() -> None:
    assert on_cycles(fork_and_join(3, 9)) == {"long", "windows", "short"}


def test_two_channels_between_the_same_processes_are_a_cycle() -> None:
    each = [0, 1]
    net = [process("a", 2, {}, {"x": each, "y": each}), process("b", 2, {"x": each, "y": each}, {})]
    assert on_cycles(net) == {"x", "y"}
