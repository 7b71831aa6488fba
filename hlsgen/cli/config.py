"""`--config FILE.toml`: options of a command from a file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hlsgen.errors import OptionError, reason_of

_FLAG = "--config"


def with_config(arguments: Sequence[str]) -> list[str]:
    """The arguments with the options of the file in place of `--config FILE`.

    1. A key is an option without its dashes: `target-fps = 20000`, `io = "stream"`.
    2. true and false are a flag and its `--no-` form; a list repeats its option.
    3. A table names layers or inputs: `[arithmetic]` with `conv1 = "dsp"` is `conv1=dsp` there, its
       key "" or "all" stands for all; two numbers or more are written with x, as in 1x3x32x32.
    4. What the command line says itself wins; there tables and lists are not mixed.
    """
    rest, files = _split(arguments)
    said = {a.partition("=")[0] for a in rest}
    made = [
        token
        for path in files
        for key, value in _read(path).items()
        if not {f"--{key}", f"--no-{key}"} & said
        for token in _tokens(path, key, value)
    ]
    return [*rest, *made]


def _split(arguments: Sequence[str]) -> tuple[list[str], list[Path]]:
    rest: list[str] = []
    files: list[Path] = []
    given = iter(arguments)
    for argument in given:
        name, equals, value = argument.partition("=")
        if name != _FLAG:
            rest.append(argument)
            continue
        path = value if equals else next(given, None)
        if not path:
            raise OptionError(f"{_FLAG} needs a TOML file")
        files.append(Path(path))
    return rest, files


def _read(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{_FLAG} {path}: {reason_of(error)}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"{_FLAG} {path}: no TOML file: {error}") from error
    return {key.replace("_", "-"): value for key, value in found.items()}


def _tokens(path: Path, key: str, value: Any) -> Iterator[str]:
    match value:
        case bool():
            yield f"--{key}" if value else f"--no-{key}"
        case str() | int() | float():
            yield f"--{key}={value}"
        case list():
            for item in value:  # pyright: ignore[reportUnknownVariableType]
                yield from _tokens(path, key, item)
        case dict():
            for name, item in value.items():  # pyright: ignore[reportUnknownVariableType]
                text = "x".join(map(str, item)) if isinstance(item, list) else str(item)  # pyright: ignore[reportUnknownArgumentType]
                yield f"--{key}={text}" if name in ("", "all") else f"--{key}={name}={text}"
        case _:
            raise OptionError(f"{_FLAG} {path}: {key} = {value!r} is no option's value")
