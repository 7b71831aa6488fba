"""Quantisers as files spell them: "quantized_bits(6,0,alpha=1)", or a class name and its config."""

from __future__ import annotations

import ast
import difflib
import inspect
from typing import Any

import numpy as np

from hlsgen.errors import ModelError, Unsupported
from hlsgen.keras.architecture import class_name
from hlsgen.keras.entries import is_list, is_object
from hlsgen.keras.quantisers.curves import QuantizedSigmoid, QuantizedTanh, QuantizedUlaw
from hlsgen.keras.quantisers.fixed import QuantizedBits, QuantizedHswish, QuantizedLinear
from hlsgen.keras.quantisers.powers import QuantizedPo2, QuantizedReluPo2
from hlsgen.keras.quantisers.quantiser import Quantiser
from hlsgen.keras.quantisers.relu import QuantizedRelu
from hlsgen.keras.quantisers.signs import (
    Bernoulli,
    Binary,
    StochasticBinary,
    StochasticTernary,
    Ternary,
)

QUANTISERS: dict[str, type[Quantiser]] = {
    kind.NAME: kind
    for kind in (
        *(QuantizedBits, QuantizedLinear, QuantizedHswish, QuantizedRelu, QuantizedTanh),
        *(QuantizedSigmoid, QuantizedUlaw, QuantizedPo2, QuantizedReluPo2, Binary),
        *(StochasticBinary, Ternary, StochasticTernary, Bernoulli),
    )
}


def spelled(said: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Name, positional and named arguments of what a file says; nothing is evaluated.

    Errors: ModelError for what is neither a name nor a call with constants.
    """
    if is_object(said):
        config: Any = said.get("config") or {}
        if "class_name" not in said or not is_object(config):
            raise ModelError(f"no quantiser: {said}")
        options = {key: _plain(value) for key, value in config.items()}
        return class_name(said["class_name"]), (), options
    found = _call(str(said).strip())
    if found is None:
        raise ModelError(f"no quantiser: '{said}'; needed is NAME(numbers, key=value)")
    return found


def _call(text: str) -> tuple[str, tuple[Any, ...], dict[str, Any]] | None:
    """A name, or a call of a name with constants, in Python's syntax."""
    try:
        match ast.parse(text, mode="eval").body:
            case ast.Name(name):
                return name, (), {}
            case ast.Call(ast.Name(name), arguments, keywords):
                given = tuple(ast.literal_eval(item) for item in arguments)
                return name, given, {str(k.arg): ast.literal_eval(k.value) for k in keywords}
            case _:
                return None
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return None


def _plain(value: Any) -> Any:
    """Arrays as Keras serialises them, as arrays."""
    if is_object(value) and "value" in value.get("config", {}):
        value = value["config"]["value"]
    return np.asarray(value, np.float32) if is_list(value) else value


def quantiser(said: Any) -> Quantiser:
    """The quantiser that a file says.

    Errors: Unsupported for one that is not known; ModelError for wrong arguments.
    """
    name, given, options = spelled(said)
    if name not in QUANTISERS:
        near = difflib.get_close_matches(name, sorted(QUANTISERS), n=1)
        hint = f"; the nearest known one is {near[0]}" if near else ""
        raise Unsupported(f"unknown quantiser {name}{hint} (hlsgen.keras.QUANTISERS takes more)")
    options = {key: item for key, item in options.items() if key not in ("name", "dtype")}
    kind = QUANTISERS[name]
    try:
        inspect.signature(kind).bind(*given, **options)
    except TypeError as error:
        raise ModelError(f"{name}: {error}") from None
    try:
        made = kind(*given, **options)
        made.check()
    except (TypeError, ValueError, OverflowError, ArithmeticError) as error:
        raise ModelError(f"{name}: its arguments are not numbers as needed ({error})") from None
    return made
