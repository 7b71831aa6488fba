"""The session of docs/training.md does what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="hlsgen.train needs torch: pip install 'hlsgen[train]'")

from nets import lowered_outputs, returned  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


def test_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    text = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    names: dict[str, object] = {}
    exec(text.replace("epochs=10", "epochs=2"), names)
    quantised, batches = names["quantised"], names["batches"]
    x, y = batches.x[:200], batches.y[:200]  # type: ignore[attr-defined]
    want = returned(quantised, x)  # type: ignore[arg-type]
    assert np.array_equal(lowered_outputs(tmp_path / "digits.onnx", "input_1", x), want)
    assert (want.argmax(1) == y.numpy()).mean() > 0.8
