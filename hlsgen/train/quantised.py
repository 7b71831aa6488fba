"""A quantised network: what `quantise` makes, `fit` trains and `export` writes."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from hlsgen.train.quantisers.quantiser import Quantiser
from hlsgen.train.tracing import modules_of


class Quantised(nn.Module):
    """The network with its quantisers, called as the float one.

    In training mode it computes in float32 with straight-through gradients. In evaluation mode it
    computes in float64, where every sum of products of codes is exact, and returns float32: the
    integers of the exported model, on every device.
    """

    def __init__(self, body: fx.GraphModule) -> None:
        super().__init__()
        self.body = body

    def forward(self, *inputs: Tensor) -> Any:
        """What the network returns."""
        if self.training:
            return self.body(*inputs)
        found = self.body(*[x.to(torch.float64) for x in inputs])
        if isinstance(found, Tensor):
            return found.to(torch.float32)
        return tuple(cast("Tensor", y).to(torch.float32) for y in found)

    def quantisers(self) -> dict[str, Quantiser]:
        """All quantisers by name, without `body.`."""
        named = modules_of(self.body).items()
        return {name: module for name, module in named if isinstance(module, Quantiser)}

    def penalty(self) -> Tensor | None:
        """What the quantisers add to the loss, None where none does."""
        parts = [q.penalty() for q in self.quantisers().values()]
        found = [part for part in parts if part is not None]
        return torch.stack(found).sum() if found else None
