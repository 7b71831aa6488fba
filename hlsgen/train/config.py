"""What a user chooses: quantisers for all layers, others for some by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from hlsgen.errors import OptionError
from hlsgen.train.quantisers.qfx import Qfx
from hlsgen.train.quantisers.quantiser import ActivationFormat, WeightFormat

_FEWEST, _MOST = 2, 16


@dataclass(frozen=True, slots=True)
class Override:
    """What is different for a layer; None leaves what `Config` says."""

    weights: WeightFormat | None = None
    activations: ActivationFormat | None = None
    batch_norm: int | None = None
    bias: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """How a network is quantised; the defaults are 8-bit learned fixed point everywhere.

    Args:
        weights: of linear layers and convolutions.
        activations: of inputs, activations, sums, pools; what goes into a layer of weights.
        batch_norm: bits of the factors of batch norm, one binary point a channel; None is as wide
            as the activations.
        bias: bits of biases and of the offsets of batch norm.
        output: whether what the network returns is quantised as well; else it is the exact sums.
        overrides: by the name of a layer (`features.0`), of a value between layers as
            `torch.fx` calls it (`add_1`) or of an input; `*`, `?` and `[]` match as in file names,
            later patterns go before earlier ones.

    Errors: OptionError for bits out of range.
    """

    weights: WeightFormat = field(default_factory=Qfx)
    activations: ActivationFormat = field(default_factory=Qfx)
    batch_norm: int | None = None
    bias: int = 16
    output: bool = False
    overrides: Mapping[str, Override] = field(default_factory=dict[str, Override])

    def __post_init__(self) -> None:
        for name in ("batch_norm", "bias"):
            bits = getattr(self, name)
            if bits is not None and not _FEWEST <= bits <= 2 * _MOST:
                raise OptionError(f"{name} must be {_FEWEST} to {2 * _MOST} bits, got {bits}")

    def of(self, name: str) -> Config:
        """The choices for the layer or value `name`."""
        made = self
        for pattern, other in self.overrides.items():
            if fnmatchcase(name, pattern):
                made = replace(
                    made,
                    weights=other.weights or made.weights,
                    activations=other.activations or made.activations,
                    batch_norm=other.batch_norm or made.batch_norm,
                    bias=other.bias or made.bias,
                )
        return made

    def check_names(self, names: Iterable[str]) -> None:
        """Whether every pattern is of something.

        Errors: OptionError naming the pattern and what there is.
        """
        known = sorted(names)
        for pattern in self.overrides:
            if not any(fnmatchcase(name, pattern) for name in known):
                raise OptionError(f"override '{pattern}' matches none of {', '.join(known)}")

    @property
    def batch_norm_bits(self) -> int:
        """Bits of the factors of batch norm."""
        return self.activations.bits if self.batch_norm is None else self.batch_norm
