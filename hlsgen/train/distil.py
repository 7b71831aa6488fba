"""Learning from the float network instead of from labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody calls it
from torch import Tensor, nn

from hlsgen.errors import OptionError


@dataclass(frozen=True, slots=True)
class Distillation:
    """T^2 KL(softmax(teacher / T), softmax(output / T)): a loss whose targets are scores.

    Errors: OptionError for a temperature that is not above zero.
    Source: "Distilling the Knowledge in a Neural Network", arXiv:1503.02531.
    """

    temperature: float = 4.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise OptionError(f"the temperature must be above 0, got {self.temperature}")

    def __call__(self, output: Tensor, teacher: Tensor) -> Tensor:
        """The mean over the batch."""
        ours, theirs = (F.log_softmax(s / self.temperature, 1) for s in (output, teacher))
        loss = F.kl_div(ours, theirs, log_target=True, reduction="batchmean")
        return loss * self.temperature**2


def scores_of(teacher: nn.Module, x: Tensor, batch: int = 1000) -> Tensor:
    """What `teacher` returns in evaluation mode, without gradients, on the device of `x`."""
    training = teacher.training
    teacher.eval()
    with torch.no_grad():
        parts = cast("Sequence[Tensor]", x.split(batch))
        found = torch.cat([teacher(part) for part in parts])
    teacher.train(training)
    return found
