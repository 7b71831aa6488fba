"""A plain training loop: seeded, resumed from checkpoints to the same bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody calls it
from torch import Tensor, nn

from hlsgen.errors import OptionError
from hlsgen.train.checkpoint import Checkpoint
from hlsgen.train.quantised import Quantised
from hlsgen.train.quantisers.quantiser import Quantiser

Loss = Callable[[Tensor, Tensor], Tensor]
Observe = Callable[[int, int, float], None]


@dataclass(frozen=True, slots=True)
class Training:
    """How a network is trained: Adam, its rate falling to zero along half a cosine.

    Args:
        epochs: passes over the data.
        learning_rate: the first one, of weights.
        quantiser_rate: the rate of the quantisers' own parameters over that of the weights.
        settle: the share of all epochs after which the quantisers' own parameters rest.
        weight_decay: of weights, decoupled.
        seed: of the order of samples and of dropout.

    Errors: OptionError for numbers that make no training.
    """

    epochs: int = 10
    learning_rate: float = 1e-3
    quantiser_rate: float = 1.0
    settle: float = 0.5
    weight_decay: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or not self.learning_rate > 0:
            raise OptionError(
                "training needs at least one epoch and a learning rate above 0, got "
                f"{self.epochs} and {self.learning_rate}"
            )
        if not 0 <= self.settle <= 1:
            raise OptionError(f"settle is a share of the epochs, 0 to 1, got {self.settle}")


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """Samples in batches, in another order each time; the tensors may lie on any device."""

    x: Tensor
    y: Tensor
    size: int = 32

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise OptionError(f"{len(self.x)} samples and {len(self.y)} labels")

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.x)).to(self.x.device)
        for pick in cast("Sequence[Tensor]", order.split(self.size)):
            yield self.x[pick], self.y[pick]


def quiet(epoch: int, epochs: int, loss: float) -> None:
    """No progress shown."""


def fit(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    training: Training | None = None,
    *,
    loss: Loss = F.cross_entropy,
    checkpoint: Path | str | None = None,
    observe: Observe = quiet,
) -> list[float]:
    """Train `network`, float or quantised; the mean loss of each epoch.

    Args:
        network: trained in place, on the device where its parameters lie.
        batches: inputs and targets; iterated once an epoch after torch was seeded for it, so a
            DataLoader that shuffles gives each epoch the same order in every run.
        training: rates and length.
        loss: of outputs and targets; what the quantisers ask for (`penalty`) is added.
        checkpoint: a file written after each epoch. If it is there, training goes on from it and
            ends with the same bits as without a break.
        observe: called after each epoch with its number, their count and the mean loss.

    Errors: OptionError where the checkpoint is of another network or training, or the loss is NaN.
    """
    training = Training() if training is None else training
    optimiser = _optimiser(network, training)
    file = None if checkpoint is None else Checkpoint(Path(checkpoint), training)
    losses = [] if file is None else file.resume(network, optimiser)
    network.train()
    for epoch in range(len(losses), training.epochs):
        torch.manual_seed(training.seed * 1_000_003 + epoch)
        mean = _epoch(network, batches, optimiser, training, epoch, loss)
        if not math.isfinite(mean):
            raise OptionError(f"the loss of epoch {epoch + 1} is {mean}; lower the learning rate")
        losses.append(mean)
        if file is not None:
            file.save(network, optimiser, losses)
        observe(epoch + 1, training.epochs, mean)
    network.eval()
    return losses


def _epoch(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimiser: torch.optim.Optimizer,
    training: Training,
    epoch: int,
    loss: Loss,
) -> float:
    device = next(network.parameters()).device
    total, count = torch.zeros((), device=device), 0
    _set_rates(optimiser, training, epoch)
    for x, y in batches:
        optimiser.zero_grad()
        value = loss(network(x.to(device)), y.to(device))
        extra = network.penalty() if isinstance(network, Quantised) else None
        (value if extra is None else value + extra).backward()
        optimiser.step()
        total += value.detach()
        count += 1
    return float(total) / max(count, 1)


def _optimiser(network: nn.Module, training: Training) -> torch.optim.Optimizer:
    """Two groups: weights, and the quantisers' own parameters, which do not decay."""
    modules = [m for m in network.modules() if isinstance(m, Quantiser)]
    own = {id(p) for m in modules for p in m.parameters()}
    weights = [p for p in network.parameters() if id(p) not in own]
    quantisers = [p for p in network.parameters() if id(p) in own]
    return torch.optim.AdamW(
        [
            {"params": weights, "weight_decay": training.weight_decay},
            {"params": quantisers, "weight_decay": 0.0},
        ],
        lr=training.learning_rate,
    )


def _set_rates(optimiser: torch.optim.Optimizer, training: Training, epoch: int) -> None:
    rate = training.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / training.epochs))
    settled = epoch >= training.settle * training.epochs
    factors = (1.0, 0.0 if settled else training.quantiser_rate)
    for group, factor in zip(optimiser.param_groups, factors, strict=True):
        group["lr"] = rate * factor
