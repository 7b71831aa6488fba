"""The command line as a user meets it, in this process."""

from __future__ import annotations

import pytest

from hlsgen.cli import main


def run(*arguments: object) -> int:
    """Exit status of the command line."""
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return int(end.value.code or 0)


def refused(capsys: pytest.CaptureFixture[str], status: int, *arguments: object) -> str:
    """The one line that a refused command prints."""
    assert run(*arguments) == status
    text = capsys.readouterr().err.strip()
    assert text.startswith("hlsgen: error: ")
    assert "\n" not in text
    assert "Traceback" not in text
    return text
