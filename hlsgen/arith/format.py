"""Integer formats: what a wire holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IntFormat:
    """The integers of `width` bits, two's complement if `signed`.

    Source: AMD UG1399, ap_int<W> and ap_uint<W>.
    """

    width: int
    signed: bool

    @property
    def lo(self) -> int:
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def hi(self) -> int:
        return (1 << (self.width - self.signed)) - 1

    @property
    def cpp(self) -> str:
        """The C++ type."""
        return f"ap_{'' if self.signed else 'u'}int<{self.width}>"

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}int{self.width}"

    @classmethod
    def of_range(cls, lo: int, hi: int) -> IntFormat:
        """The narrowest format that holds every integer of [lo, hi]; one bit at least."""
        lo, hi = int(lo), int(hi)
        if lo >= 0:
            return cls(max(1, hi.bit_length()), False)
        return cls(max((-lo - 1).bit_length(), max(hi, 0).bit_length()) + 1, True)
