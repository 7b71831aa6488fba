"""Small modules with every kind of layer, and what hlsgen makes of their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import hlsgen
from hlsgen.sim.run import feeds_of
from hlsgen.train import Quantised, export


class Residual(nn.Module):
    """Convolution, batch norm, pooling, skip path, depthwise, mean, concat, dense."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2, self.norm2 = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.depthwise = nn.Conv2d(4, 4, 3, groups=4)
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.relu(self.norm2(self.conv2(x)) + x)
        pooled = F.adaptive_avg_pool2d(x, 1).flatten(1)
        x = F.leaky_relu(self.depthwise(x))
        return self.fc(torch.cat([pooled, x.view(x.size(0), -1)], 1))


class Signal(nn.Module):
    """One-dimensional layers, a mean of three, curved functions."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(2, 4, 3, padding="same"), nn.BatchNorm1d(4), nn.Hardswish(),
            nn.AvgPool1d(3), nn.Dropout(0.5), nn.Conv1d(4, 4, 1), nn.SiLU(),
        )  # fmt: skip
        self.head = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.head(self.body(x).flatten(1)))


def settled(module: nn.Module, x: Tensor) -> nn.Module:
    """`module` with running statistics of `x`, in evaluation mode."""
    module.train()
    with torch.no_grad():
        for _ in range(3):
            module(x)
    return module.eval()


def residual() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    x = torch.rand(24, 1, 6, 6)
    return settled(Residual(), x), x


def signal() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(24, 2, 9)
    return settled(Signal(), x), x


def returned(network: nn.Module, x: Tensor) -> np.ndarray:
    with torch.no_grad():
        return network.eval()(x).numpy()


def integers(network: Quantised, x: Tensor, path: Path) -> np.ndarray:
    """What the integer graph of the exported file returns for the same inputs."""
    export(network, path)
    return lowered_outputs(path, "x", x)


def lowered_outputs(path: Path, name: str, x: Tensor) -> np.ndarray:
    lowered = hlsgen.lower(hlsgen.load(path))
    (y,) = hlsgen.simulate(lowered, feeds_of(lowered, {name: x.numpy()[:, None]})).values()
    return y[:, 0]
