"""The state of a training in one file."""

from __future__ import annotations

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from hlsgen.errors import OptionError, reason_of

if TYPE_CHECKING:
    from hlsgen.train.fit import Training

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where it lies, and the training that it belongs to."""

    path: Path
    training: Training

    def resume(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> list[float]:
        """Set both to the state in the file; the losses so far, none where there is no file.

        Errors: OptionError where the file is none of this training and network.
        """
        if not self.path.exists():
            return []
        device = next(network.parameters()).device
        try:
            state: dict[str, Any] = torch.load(self.path, map_location=device, weights_only=True)
            known = state["format"] == _FORMAT and state["training"] == asdict(self.training)
            if known:
                network.load_state_dict(state["network"])
                optimiser.load_state_dict(state["optimiser"])
                return list(state["losses"])
        except (
            RuntimeError,
            KeyError,
            TypeError,
            EOFError,
            ValueError,
            pickle.UnpicklingError,
        ) as error:
            first = str(error).strip().splitlines()
            raise OptionError(
                f"{self.path} is no checkpoint of this network: {first[0] if first else error!r}"
            ) from error
        raise OptionError(
            f"{self.path} is of another training, {state['training']}; give another file"
        )

    def save(
        self, network: nn.Module, optimiser: torch.optim.Optimizer, losses: list[float]
    ) -> None:
        """Write the state, whole or not at all.

        Errors: OptionError where the file cannot be written.
        """
        state = {
            "format": _FORMAT,
            "training": asdict(self.training),
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "losses": losses,
        }
        temporary = self.path.with_name(f".{self.path.name}.part")
        try:
            torch.save(state, temporary)
            temporary.replace(self.path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise OptionError(f"cannot write {self.path}: {reason_of(error)}") from error
