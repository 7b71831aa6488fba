"""Quantisation-aware training on scikit-learn's digits, as the two digits examples share it.

A network is trained in float first, its quantisers then take their ranges from the training
images, and it is trained on with the quantisers on. Held-out images are looked at once, at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

HELD_OUT = 360
SPLIT_SEED = 0


@dataclass(frozen=True, slots=True)
class Digits:
    """8x8 images, pixel values 0..16 as float32 of shape (n, 64), and their labels."""

    x_train: NDArray[np.float32]
    x_test: NDArray[np.float32]
    y_train: NDArray[np.int64]
    y_test: NDArray[np.int64]


def load_split() -> Digits:
    """The 1797 digits of scikit-learn, 360 of them held out, stratified by label."""
    x, y = cast("tuple[Any, Any]", load_digits(return_X_y=True))
    parts: list[Any] = train_test_split(
        x.astype(np.float32),
        y.astype(np.int64),
        test_size=HELD_OUT,
        stratify=y,
        random_state=SPLIT_SEED,
    )
    return Digits(*parts)


def save_test_data(path: Path, name: str, x: NDArray[np.float32], y: NDArray[np.int64]) -> None:
    """Write the held-out images under the name of the network's input, and `labels`.

    Shapes: `x` is (samples, *shape of the input with batch 1).
    """
    arrays: dict[str, Any] = {name: x, "labels": y}
    np.savez_compressed(path, **arrays)


def round_ste(x: Tensor) -> Tensor:
    """round(x), ties to even, with the gradient of x (straight-through)."""
    return x + (x.round() - x).detach()


class Quantizer(nn.Module):
    """x -> scale * (code - zero_point), code = clip(round(x / scale) + zero_point, lo, hi).

    The scale is learned through its logarithm (LSQ, arXiv:1902.08153), which is rounded where it
    has to be a power of two (TQT, arXiv:1903.08066). The zero point is fixed by calibration.
    """

    log2_scale: Tensor
    zero_point: Tensor

    def __init__(
        self, lo: int, hi: int, *, channels: int = 0, ndim: int = 1, power_of_two: bool = False
    ) -> None:
        """Set the code range.

        Args:
            lo: the least code.
            hi: the greatest code.
            channels: one scale for each entry of axis 0, or 0 for a single scale.
            ndim: the rank of a tensor quantised by channel.
            power_of_two: whether every scale is a power of two.
        """
        super().__init__()
        self.lo, self.hi, self.power_of_two = lo, hi, power_of_two
        self.shape = (channels, *[1] * (ndim - 1)) if channels else ()
        self.log2_scale = nn.Parameter(torch.zeros(self.shape))
        self.register_buffer("zero_point", torch.zeros(()))
        self.on = False
        self.calibrated = False

    @property
    def scale(self) -> Tensor:
        """The step between two codes."""
        return torch.exp2(round_ste(self.log2_scale) if self.power_of_two else self.log2_scale)

    def codes(self, x: Tensor) -> Tensor:
        """The integers that stand for `x`, as floats."""
        return torch.clamp(
            round_ste(x / self.scale) + self.zero_point, float(self.lo), float(self.hi)
        )

    def forward(self, x: Tensor) -> Tensor:
        """`x` itself while the quantiser is off, else the nearest value that it can hold."""
        if not self.on:
            return x
        if not self.calibrated:
            self.calibrate(x.detach())
        return (self.codes(x) - self.zero_point) * self.scale

    def calibrate(self, x: Tensor) -> None:
        """Make [min(x, 0), max(x, 0)] fit; signed codes keep zero point 0."""
        top = (x.flatten(1).amax(1).reshape(self.shape) if self.shape else x.max()).clamp(min=0)
        low = (x.flatten(1).amin(1).reshape(self.shape) if self.shape else x.min()).clamp(max=0)
        if self.lo < 0:
            step = torch.maximum(top, -low) / self.hi
        else:
            step = (top - low) / self.hi
            self.zero_point.copy_(torch.round(-low / step))
        self.log2_scale.data.copy_(torch.log2(step.clamp(min=2.0**-20)))
        self.calibrated = True


def fix_scale(quantizer: Quantizer, scale: float) -> Quantizer:
    """The quantiser with a scale given beforehand, zero point 0, not trained."""
    quantizer.log2_scale.data.fill_(float(np.log2(scale)))
    quantizer.log2_scale.requires_grad_(False)
    quantizer.calibrated = True
    return quantizer


def bias_codes(bias: Tensor, scale: Tensor, bits: int) -> Tensor:
    """The bias as signed integers on the grid of the sum that it joins, as floats."""
    half = 2.0 ** (bits - 1)
    return torch.clamp(round_ste(bias / scale), -half, half - 1)


def seed_everything(seed: int) -> None:
    """The same file on each run: one thread and one seed (bit for bit on the same CPU type)."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)


def fit(model: nn.Module, x: Tensor, y: Tensor, *, epochs: int, lr: float) -> None:
    """Adam under a cosine schedule; scales learn ten times slower than weights."""
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(
        [
            {"params": [p for n, p in named if not n.endswith("log2_scale")], "lr": lr},
            {"params": [p for n, p in named if n.endswith("log2_scale")], "lr": lr / 10},
        ]
    )
    batch = 32
    steps = epochs * -(-len(x) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for _ in range(epochs):
        for pick in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[pick]), y[pick]).backward()
            optimizer.step()
            schedule.step()


def train_quantised(
    model: nn.Module, x: Tensor, y: Tensor, *, float_epochs: int, quantised_epochs: int, lr: float
) -> None:
    """Train in float, calibrate on all training images, train on with the quantisers on."""
    fit(model, x, y, epochs=float_epochs, lr=lr)
    for module in model.modules():
        if isinstance(module, Quantizer):
            module.on = True
    with torch.no_grad():
        model(x)
    fit(model, x, y, epochs=quantised_epochs, lr=lr / 2)
    model.eval()


def predict(model: nn.Module, x: Tensor) -> NDArray[np.float32]:
    """The model's output on `x`."""
    with torch.no_grad():
        return cast("Tensor", model(x)).numpy()


def accuracy(scores: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """The share of samples whose greatest score is at the label; scores are (samples, 10)."""
    return float(np.mean(scores.argmax(axis=1) == labels))
