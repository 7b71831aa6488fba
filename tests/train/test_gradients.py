"""Gradients against finite differences of the function whose roundings are held where they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="hlsgen.train needs torch: pip install 'hlsgen[train]'")

from torch import nn  # noqa: E402

from hlsgen.train.precision_gate import GatedProduct  # noqa: E402
from hlsgen.train.quantisers.a2q import A2q, A2qQuantiser  # noqa: E402
from hlsgen.train.quantisers.a2qplus import A2qPlusQuantiser  # noqa: E402
from hlsgen.train.quantisers.bipolar import Bipolar  # noqa: E402
from hlsgen.train.quantisers.denseshift import DenseShiftQuantiser  # noqa: E402
from hlsgen.train.quantisers.khot import KhotQuantiser  # noqa: E402
from hlsgen.train.quantisers.lsq import LsqQuantiser  # noqa: E402
from hlsgen.train.quantisers.qfx import QfxQuantiser  # noqa: E402
from hlsgen.train.quantisers.quantiser import Quantiser, Source  # noqa: E402
from hlsgen.train.quantisers.selfcompress import SelfCompress, SelfCompressQuantiser  # noqa: E402
from hlsgen.train.quantisers.ternary import TernaryQuantiser  # noqa: E402

Array = np.ndarray
RNG = np.random.default_rng(1)
X = RNG.normal(size=(3, 40))
MIX = RNG.normal(size=X.shape)  # so that no gradients cancel


def differences(f: Callable[[Array], float], at: Array) -> Array:
    """The slope of f in each element, by central differences."""
    slopes = np.empty_like(at)
    for place in np.ndindex(at.shape):
        moved = [at.copy(), at.copy()]
        moved[0][place] += 1e-6
        moved[1][place] -= 1e-6
        slopes[place] = (f(moved[0]) - f(moved[1])) / 2e-6
    return slopes


def within(real: Array, rest: Array, q: Quantiser) -> Array:
    """The codes real + rest, those beyond the range at its ends; at the ends nothing is cut."""
    whole = np.rint(real + rest)
    return np.where(
        (whole >= q.low) & (whole <= q.high), real + rest, np.clip(whole, q.low, q.high)
    )


def trained(quantiser: Quantiser, parameter: str, x: Array = X) -> tuple[Array, Array, Array]:
    """Values of a parameter and the gradients of sum(MIX * y), in it and in x."""
    quantiser.double().train()
    at = torch.tensor(x, requires_grad=True)
    (quantiser(at) * torch.tensor(MIX)).sum().backward()
    own = dict(quantiser.named_parameters())[parameter]
    assert own.grad is not None
    assert at.grad is not None
    return own.detach().numpy(), own.grad.numpy(), at.grad.numpy()


def near(got: Array, want: Array) -> None:
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)
    assert np.abs(want).max() > 0


@pytest.mark.parametrize("channels", [(), (3, 1)])
@pytest.mark.parametrize("signed", [True, False])
def test_qfx(channels: tuple[int, ...], signed: bool) -> None:
    q = QfxQuantiser(3, signed=signed, narrow=False, shape=channels)
    q.point.data += torch.tensor([[1.2], [1.7], [0.6]]) if channels else 1.2
    point, d_point, d_x = trained(q, "point")
    held = np.round(point) - point
    rest = np.round(X * 2.0 ** np.round(point)) - X * 2.0 ** np.round(point)

    def y(x: Array, p: Array) -> float:
        scale = 2.0 ** (p + held)
        return float((within(x * scale, rest, q) / scale * MIX).sum())

    near(d_x, differences(lambda x: y(x, point), X))
    share = X.size / point.size * q.high
    near(d_point, differences(lambda p: y(X, p), point) / share**0.5)


def test_khot_has_the_gradients_of_qfx_with_its_own_values() -> None:
    plain, khot = (
        QfxQuantiser(6, signed=True, narrow=True, shape=(3, 1)),
        KhotQuantiser(1, 6, (3, 1)),
    )
    for q in (plain, khot):
        q.point.data += 3
    _, _, d_plain = trained(plain, "point")
    _, d_point, d_x = trained(khot, "point")
    assert np.array_equal(d_x, d_plain)
    codes = khot.codes(torch.tensor(X), khot.step()).detach().numpy()
    inside = np.abs(np.round(X * 8)) <= 31
    held = np.where(inside, X * 8 - codes, -codes) / 8 * np.log(2)  # of y = q 2^-f by hand
    near(d_point, (held * MIX).sum(1, keepdims=True) / (40 * 31) ** 0.5)


def test_lsq() -> None:
    q = LsqQuantiser(3, signed=True, narrow=False, shape=(3, 1))
    q.size.data = torch.tensor([[0.31], [0.52], [0.77]], dtype=torch.float64)
    size, d_size, d_x = trained(q, "size")
    short = q.step().detach().numpy()
    rest = np.round(X / short) - X / short

    def y(x: Array, s: Array) -> float:
        step = s + (short - size)
        return float((within(x / step, rest, q) * step * MIX).sum())

    near(d_x, differences(lambda x: y(x, size), X))
    near(d_size, differences(lambda s: y(X, s), size) / (40 * 3) ** 0.5)


@pytest.mark.parametrize(
    ("kind", "budget"), [(A2qQuantiser, 20.0), (A2qPlusQuantiser, 20.0), (A2qQuantiser, 1e9)]
)
def test_a2q(kind: type[A2qQuantiser], budget: float) -> None:
    q = kind(A2q(6, 10), torch.tensor(X), budget)
    for parameter in ("log_norm", "log_size"):
        q.zero_grad()
        _, slope, d_x = trained(q, parameter)
        numbers = {k: p.detach().numpy().copy() for k, p in q.named_parameters()}
        exact = 2.0 ** numbers["log_size"]
        held = q.step().detach().numpy() - exact

        def codes(x: Array, **other: Array) -> tuple[Array, Array]:
            n = {**numbers, **other}  # noqa: B023 - used before the loop goes on
            step = 2.0 ** n["log_size"] + held  # noqa: B023
            v = x - x.mean(1, keepdims=True) if kind is A2qPlusQuantiser else x
            g = np.minimum(2.0 ** n["log_norm"] / step, budget)
            return v * g / np.abs(v).sum(1, keepdims=True), step

        rest = np.trunc(codes(X)[0]) - codes(X)[0]

        def y(x: Array, **other: Array) -> float:
            q_real, step = codes(x, **other)
            return float((within(q_real, rest, q) * step * MIX).sum())  # noqa: B023

        near(d_x, differences(y, X))
        want = differences(lambda n: y(X, **{parameter: n}), numbers[parameter])  # noqa: B023
        np.testing.assert_allclose(slope, want, rtol=1e-5, atol=1e-7)


def test_selfcompress() -> None:
    q = SelfCompressQuantiser(SelfCompress(4), torch.tensor(X))
    q.width.data = torch.tensor([[2.3], [1.4], [3.1]], dtype=torch.float64)
    width, d_width, d_x = trained(q, "width")
    exponent = np.round(q.exponent.detach().numpy())

    def bounded(x: Array, b: Array) -> Array:
        return np.clip(x * 2.0**-exponent, -(2.0 ** (b - 1)), 2.0 ** (b - 1) - 1)

    rest = np.round(bounded(X, width)) - bounded(X, width)

    def y(x: Array, b: Array) -> float:
        return float(((bounded(x, b) + rest) * 2.0**exponent * MIX).sum())

    near(d_x, differences(lambda x: y(x, width), X))
    near(d_width, differences(lambda b: y(X, b), width))


def test_denseshift() -> None:
    q = DenseShiftQuantiser(3, torch.tensor(X))
    latent, d_latent, d_x = trained(q, "latent")
    step, sign = q.step().detach().numpy(), np.where(X >= 0, 1.0, -1.0)
    rest = (latent > 0) - latent

    def y(x: Array, t: Array) -> float:
        total = np.zeros_like(X)
        for k in range(3):
            total = (total + 1) * (t[k] + rest[k])
        return float((step * (x + sign - X) * np.sqrt(total + 1) * MIX).sum())

    near(d_x, differences(lambda x: y(x, latent), X))
    near(d_latent, differences(lambda t: y(X, t), latent))


def test_ternary() -> None:
    q, w = TernaryQuantiser(0.01), torch.tensor(X, requires_grad=True)
    q.double().train()
    bias = q.bias(w)
    assert bias is not None
    ((q(w) * torch.tensor(MIX)).sum() + (bias * torch.tensor([1.0, -2.0, 3.0])).sum()).backward()
    dead = np.abs(X) < np.abs(X).mean(1, keepdims=True) / 2
    assert w.grad is not None
    near(w.grad.numpy(), MIX + 0.01 * dead * np.array([[1.0], [-2.0], [3.0]]))


def test_precision_gate() -> None:
    torch.manual_seed(3)
    inner = nn.Linear(6, 4, bias=False).double()
    weights = Bipolar().for_weights(inner.weight, Source(8, True))
    layer = GatedProduct(inner, weights, None).double().train()
    layer.input_quantiser.calibrating = False
    layer.threshold.data += torch.tensor([-0.3, 0.1, 0.4, 0.2])
    x = torch.randn(5, 6, dtype=torch.float64)
    mix = torch.randn(5, 4, dtype=torch.float64)
    (layer(x) * mix).sum().backward()
    s = layer.input_quantiser.step().detach().numpy()
    w = layer.weight(torch.float64).detach().numpy()
    two_bits = 2 * np.clip(np.round((x.numpy() + 3 * s) / (2 * s)), 0, 3) - 3
    high = np.where(two_bits > 0, 2, -2) * s
    most, rest = high @ w.T, (two_bits * s - high) @ w.T
    delta = layer.threshold.detach().numpy()
    np.testing.assert_allclose(
        layer(x).detach().numpy(), most + np.where(most > delta, rest, 0), rtol=1e-12
    )

    def y(t: Array) -> float:
        gate = 1 / (1 + np.exp(-5 * (most - t)))
        return float(((most + gate * rest) * mix.numpy()).sum())

    assert layer.threshold.grad is not None
    near(layer.threshold.grad.numpy(), differences(y, delta))
