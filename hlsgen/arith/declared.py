"""Number formats as a user declares them for a network input: uint8, int5, fixed<16,6>."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from hlsgen.arith.format import IntFormat
from hlsgen.errors import OptionError

_FIXED = re.compile(r"(?:ap_)?(u?)fixed<\s*(\d+)\s*,\s*(-?\d+)\s*>")
_INT = re.compile(r"(?:ap_)?(u?)int<?(\d+)>?")


@dataclass(frozen=True, slots=True)
class Declared:
    """value = code * 2**-frac, codes of `codes`; real inputs are rounded half up and saturated.

    Source: AMD UG1399, ap_fixed<W,I,AP_RND,AP_SAT>.
    """

    codes: IntFormat
    frac: int

    @property
    def unit(self) -> Fraction:
        return Fraction(2) ** -self.frac

    def __str__(self) -> str:
        if self.frac == 0:
            return str(self.codes)
        sign = "" if self.codes.signed else "u"
        return f"{sign}fixed<{self.codes.width},{self.codes.width - self.frac}>"


def parse_format(text: str) -> Declared:
    """uint8, int5, fixed<16,6> (16 bits, 6 of them integer), ufixed<8,0>."""
    spelled = text.strip().lower()
    if match := _INT.fullmatch(spelled):
        width, frac = int(match[2]), 0
    elif match := _FIXED.fullmatch(spelled):
        width, frac = int(match[2]), int(match[2]) - int(match[3])
    else:
        raise OptionError(
            f"no number format '{text}'; known are intN, uintN, fixed<W,I>, ufixed<W,I> "
            "(W bits in all, I before the point)"
        )
    if not 1 <= width <= 64:
        raise OptionError(f"format '{text}': the width must be 1 to 64 bits")
    return Declared(IntFormat(width, match[1] == ""), frac)
