"""Numbers of the quantisers' own literature, and the bounds that they promise."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="hlsgen.train needs torch: pip install 'hlsgen[train]'")

from scipy.optimize import minimize  # noqa: E402

from hlsgen.arith.weight_format import WeightFormat  # noqa: E402
from hlsgen.train.quantisers import a2q  # noqa: E402
from hlsgen.train.quantisers.a2q import A2q, a2q_budget  # noqa: E402
from hlsgen.train.quantisers.a2qplus import A2qPlus, A2qPlusQuantiser, a2qplus_budget, projected  # noqa: E402
from hlsgen.train.quantisers.bipolar import TwoBitBipolarQuantiser  # noqa: E402
from hlsgen.train.quantisers.denseshift import DenseShiftQuantiser, nearest_shifts  # noqa: E402
from hlsgen.train.quantisers.khot import KhotQuantiser  # noqa: E402
from hlsgen.train.quantisers.qfx import Qfx  # noqa: E402
from hlsgen.train.quantisers.quantiser import Source  # noqa: E402
from hlsgen.train.quantisers.selfcompress import SelfCompress  # noqa: E402
from hlsgen.train.quantisers.ternary import TernaryQuantiser  # noqa: E402


@pytest.mark.parametrize(
    ("digits", "share", "of_weights"), [(1, 0.06, 0.16), (2, 0.34, 0.62), (3, 0.81, 0.97)]
)
def test_khot_covers_as_many_codes_as_measured(
    digits: int, share: float, of_weights: float
) -> None:
    codes = np.arange(-127, 128)
    exact = WeightFormat(8, digits).nearest(codes) == codes
    assert exact.mean() == pytest.approx(share, abs=0.01)
    w = np.random.default_rng(0).normal(size=200_000)
    q = np.clip(np.round(w / np.abs(w).max() * 127), -127, 127).astype(int)
    assert exact[q + 127].mean() == pytest.approx(of_weights, abs=0.06)


def test_khot_is_the_nearest_sum() -> None:
    powers = [0, *(s << e for e in range(7) for s in (1, -1))]
    sums = sorted({a + b for a in powers for b in [*powers, 128, -128] if abs(a + b) <= 127})
    quantiser = KhotQuantiser(2, 8, (1,))
    for code, found in zip(range(-127, 128), quantiser.table.tolist(), strict=True):
        assert found in sums
        assert abs(found - code) == min(abs(s - code) for s in sums)


@pytest.mark.parametrize("bits", [3, 6, 8])
def test_qfx_starts_at_the_binary_point_of_least_error(bits: int) -> None:
    w = torch.from_numpy(np.random.default_rng(bits).normal(size=(4, 300)) * [[0.1], [1], [3], [9]])
    q = Qfx(bits).for_weights(w.float(), Source(8, True))
    high = 2 ** (bits - 1) - 1
    for row, point in zip(w.numpy(), q.point.detach().numpy().ravel(), strict=True):
        error = {
            f: float(((np.clip(np.round(row * 2.0**f), -high, high) / 2.0**f - row) ** 2).sum())
            for f in range(-8, 14)
        }
        assert error[int(point)] == pytest.approx(min(error.values()), rel=1e-5)


def worst_sums(codes: np.ndarray, source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest sum of each output over all inputs."""
    low = -(2 ** (source.bits - 1)) if source.signed else 0
    high = 2 ** (source.bits - source.signed) - 1
    plus, minus = np.maximum(codes, 0).sum(1), np.minimum(codes, 0).sum(1)
    return low * plus + high * minus, high * plus + low * minus


def codes_of(form: A2q, w: np.ndarray, source: Source) -> np.ndarray:
    weight = torch.from_numpy(w.astype(np.float32))
    q = form.for_weights(weight, source)
    with torch.no_grad():
        q.log_norm += 6.0  # far beyond the budget: the bound alone holds
        return np.rint((q.eval()(weight.double()) / q.step()).numpy()).astype(int)


@pytest.mark.parametrize("form", [A2q, A2qPlus])
@pytest.mark.parametrize("source", [Source(4, False), Source(8, False), Source(5, True)], ids=str)
def test_no_input_overflows_the_accumulator(form: type[A2q], source: Source) -> None:
    rng = np.random.default_rng(0)
    for accumulator, n in ((10, 7), (12, 33), (14, 64)):
        codes = codes_of(form(12, accumulator), rng.normal(size=(700, n)), source)
        low, high = worst_sums(codes, source)
        assert low.min() >= -(2 ** (accumulator - 1))
        assert high.max() <= 2 ** (accumulator - 1) - 1
        assert np.abs(codes).sum() > 0


@pytest.mark.parametrize("nearest", [False, True])
def test_only_rounding_to_nearest_overflows(nearest: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The share measured before on 20000 random channels of 4 to 63 weights was 0.443."""
    if nearest:
        monkeypatch.setattr(a2q, "trunc_through", torch.round)
    rng, source, flaws, count = np.random.default_rng(0), Source(4, False), 0, 0
    for n in range(4, 64):
        w = torch.from_numpy(rng.normal(size=(60, n)))
        q = A2qPlusQuantiser(A2qPlus(16, 10), w, a2qplus_budget(10, source)).eval()
        q.log_norm.data += 30.0
        with torch.no_grad():
            low, high = worst_sums(np.rint(q.codes(w, q.step()).numpy()), source)
        flaws += int(((high > 511) | (low < -511)).sum())
        count += len(w)
    assert flaws / count == (pytest.approx(0.443, abs=0.03) if nearest else 0)


def test_the_budget_of_a2qplus_is_twice_that_of_a2q() -> None:
    for bits, gain in ((4, 2.133), (8, 2.008)):
        source = Source(bits, False)
        assert a2qplus_budget(16, source) / a2q_budget(16, source) == pytest.approx(gain, abs=6e-4)


def test_projection_is_the_nearest_point_of_the_ball() -> None:
    rows = np.random.default_rng(2).normal(size=(5, 4))
    radius = np.array([0.5, 1.0, 2.0, 0.1, 50.0])
    got = projected(torch.from_numpy(rows), torch.from_numpy(radius)).numpy()
    for row, r, found in zip(rows, radius, got, strict=True):
        assert np.abs(found).sum() <= r + 1e-12
        inside = {"type": "ineq", "fun": lambda p, r=r: r - p[:4].sum() - p[4:].sum()}
        best = minimize(  # p = plus part, minus part: a smooth problem
            lambda p, row=row: ((p[:4] - p[4:] - row) ** 2).sum(), np.zeros(8),
            bounds=[(0, None)] * 8, constraints=[inside], method="SLSQP", tol=1e-14,
        )  # fmt: skip
        assert ((found - row) ** 2).sum() <= best.fun + 1e-6


@pytest.mark.parametrize(("bits", "error"), [(2, 0.157), (3, 0.0439)])
def test_denseshift_comes_as_near_to_a_gaussian_as_measured(bits: int, error: float) -> None:
    w = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 100_000)))
    q = DenseShiftQuantiser(bits, w).eval()
    with torch.no_grad():
        y, step = q(w), q.step()
    assert float(((y - w) ** 2).sum() / (w**2).sum()) == pytest.approx(error, rel=0.02)
    codes = np.unique(np.rint((y / step).numpy()))
    assert set(np.abs(codes)) == {2.0**k for k in range(1 << (bits - 1))}


def test_denseshift_counts_the_last_run_of_latents() -> None:
    _, places = nearest_shifts(torch.tensor([[1.0, 2.0, 4.0, 8.0]]), 3)
    q = DenseShiftQuantiser(3, torch.tensor([[1.0, -2.0, 4.0, -8.0]])).eval()
    q.size.data.fill_(1.0)
    q.latent.data = torch.tensor([[[1, 1, -1, 1.0]], [[-1, -1, 1, 1]], [[-1, 1, 1, 1]]])
    with torch.no_grad():
        assert q(torch.tensor([[1.0, -2.0, 0.0, -8.0]])).tolist() == [[1, -2, 4, -8]]
    assert places.max() <= 3


def test_ternary_matches_its_definition() -> None:
    w = torch.tensor([[1.0, -0.5, 0.25, -0.25], [0.5, 0.5, 0.5, 0.5]])
    q = TernaryQuantiser(0.5).eval()
    assert q(w.double()).tolist() == [[0.5, -0.5, 0.5, -0.5], [0.5] * 4]  # 0.25 = a/2 counts
    smaller = w * torch.tensor([1.0, 1.0, 0.9, 0.9])
    bias = q.bias(smaller)
    assert bias is not None
    assert bias.tolist() == pytest.approx([0.0, 0.0])
    one_sided = torch.tensor([[1.0, 1.0, 0.1, 0.2]])
    bias = q.bias(one_sided)
    assert bias is not None
    assert bias.tolist() == pytest.approx([0.15])


def test_two_bit_activations_round_their_tie_as_fracbnn() -> None:
    q = TwoBitBipolarQuantiser().eval()
    x = torch.tensor([-1.0, -0.6, 0.0, 0.1, 0.7, 5.0], dtype=torch.float64)
    assert q.codes(x, q.step().double()).tolist() == [-3, -1, 1, 1, 3, 3]


def test_selfcompress_drops_bits_and_outputs() -> None:
    w = torch.linspace(-1, 1, 64).reshape(4, 16)
    q = SelfCompress(4).for_weights(w, Source(8, True)).eval()
    q.width.data = torch.tensor([[0.0], [0.4], [2.0], [4.0]])
    y = q(w.double()) / q.step()
    assert not y[0].any()
    assert set(y[1].tolist()) <= {-1.0, 0.0}
    assert set(y[2].tolist()) <= {-2.0, -1.0, 0.0, 1.0}
    assert q.grid(w).bits == 4
    cost = SelfCompress(4, price=0.5).for_weights(w, Source(8, True)).penalty()
    assert cost is not None
    assert float(cost.detach()) == 0.5 * 4 * 64
