"""The command line: `commands` holds the verbs, `parameters` their options."""

from hlsgen.cli.commands import main

__all__ = ["main"]
