"""What a report says of correctness: the verification of the build, the proof, changed files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from hlsgen.build.project import Project
from hlsgen.emit.hls import Design
from hlsgen.emit.jinja import comment
from hlsgen.emit.manifest import proof
from hlsgen.errors import OptionError, reason_of
from hlsgen.report.facts import Digest, EngineResult, Layer, Proof, Verified


def read_json(path: Path) -> dict[str, Any]:
    """An object that hlsgen wrote. Errors: OptionError where it is not there or not whole."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"cannot read {path}: {reason_of(error)}; build again") from error
    except ValueError as error:
        raise OptionError(f"{path} is not whole JSON: build again") from error
    if not isinstance(found, dict):
        raise OptionError(f"{path} holds no object: build again")
    return cast("dict[str, Any]", found)


def verified(content: Mapping[str, Any], folder: Path) -> Verified:
    """The verdict of the build, read from its project.json."""
    found: Mapping[str, Any] = content.get("verification", {})
    engines = tuple(_engine(name, e) for name, e in found.get("engines", {}).items())
    wrong = sum(e.wrong for e in engines)
    seconds = found.get("seconds")
    if wrong:
        total = sum(e.elements for e in engines)
        why = f"{wrong:,} of {total:,} output elements differ from the model without explanation"
        return Verified("wrong", why, engines, seconds)
    if content.get("verified") is True and engines:
        names = " and ".join(e.name for e in engines)
        why = f"every output element of {names} is the model's own, or explained by float32"
        return Verified("verified", why, engines, seconds)
    why = (
        f"csim was not run (--no-csim); to run it: hlsgen verify {folder} --engine csim"
        if engines
        else "project.json holds no verification: build again"
    )
    return Verified("unverified", why, engines, seconds)


def _engine(name: str, found: Mapping[str, Any]) -> EngineResult:
    first = found.get("first_wrong")
    text = (
        ""
        if first is None
        else f"output {first['output']} at {first['index']}: got {first['got']}, "
        f"want {first['want']}, {first['location']}"
    )
    return EngineResult(
        name,
        found["elements"],
        found["equal"],
        found["explained"],
        found.get("approximated", 0),
        found["wrong"],
        text,
    )


def proven(
    project: Project, design: Design, layers: Sequence[Layer], sources: Mapping[str, str | bytes]
) -> Proof:
    """The proof in the folder against the one that follows from the folder's own model now.

    `sources` are the texts that the project must hold, by their path.
    """
    kept = read_json(project.folder / "proof.json")
    now = proof(project.network, design)
    old = [_without_place(entry) for entry in kept.get("layers", ())]
    new = [_without_place(entry) for entry in now["layers"]]
    differing = [layer.name for k, layer in enumerate(layers) if old[k : k + 1] != new[k : k + 1]]
    stairs = [layer.staircase for layer in layers if layer.staircase is not None]
    return Proof(
        values=sum(len(layer.outputs) for layer in layers) + len(project.network.graph.inputs),
        adders=sum(layer.sums.adders for layer in layers if layer.sums is not None),
        staircases=len(stairs),
        functions=sum(s.functions for s in stairs),
        steps=sum(s.steps for s in stairs),
        differing_layers=tuple(differing),
        changed_files=_changed(project, sources),
        compared_files=len(sources),
    )


def _without_place(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without its ONNX place, which names the file as it was called."""
    return {key: value for key, value in entry.items() if key != "for"}


def _changed(project: Project, sources: Mapping[str, str | bytes]) -> tuple[str, ...]:
    """Files that are not what hlsgen writes now; comments may name another model file."""
    recorded = read_json(project.folder / "project.json")["model"]["file"]
    names = [comment(f"{file}:").encode() for file in (project.network.model.file, recorded)]

    def neutral(text: str | bytes) -> bytes:
        data = text.encode() if isinstance(text, str) else text
        return data.replace(names[1], names[0])

    return tuple(
        name
        for name, text in sources.items()
        if _bytes(project.folder / name) is None
        or neutral(_bytes(project.folder / name) or b"") != neutral(text)
    )


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def digests(folder: Path) -> tuple[Digest, ...]:
    """SHA-256 of the model, the proof, and all sources together."""
    found = [
        Digest(name, hashlib.sha256(data).hexdigest())
        for name in ("model.onnx", "project.json", "proof.json")
        if (data := _bytes(folder / name)) is not None
    ]
    for name in ("src", "rtl"):
        files = sorted(p for p in (folder / name).rglob("*") if p.is_file())
        if files:
            total = hashlib.sha256()
            for path in files:
                total.update(f"{path.relative_to(folder).as_posix()}\0".encode())
                total.update(hashlib.sha256(path.read_bytes()).digest())
            found.append(Digest(f"{name}/ ({len(files)} files)", total.hexdigest()))
    return tuple(found)
