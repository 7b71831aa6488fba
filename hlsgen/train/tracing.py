"""A module as a graph of nodes that know their shapes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError

from hlsgen.errors import Loc, Unsupported


class _Shapes(fx.Interpreter):
    """Runs a network and notes the shape of every value and of its first source."""

    def run_node(self, n: fx.Node) -> Any:
        found = super().run_node(n)
        n.meta["shape"] = tuple(found.shape) if isinstance(found, Tensor) else ()
        sources = [s.meta.get("shape", ()) for s in n.all_input_nodes]
        n.meta["source_shape"] = sources[0] if sources else ()
        return found


def modules_of(module: nn.Module) -> dict[str, nn.Module]:
    """All modules in it by name."""
    return dict(cast("Iterable[tuple[str, nn.Module]]", module.named_modules()))


def trace(module: nn.Module, examples: tuple[Tensor, ...]) -> fx.GraphModule:
    """The graph of `module`, with the shapes that it has for `examples`.

    Errors: Unsupported where what it does depends on the values it gets.
    """
    module.eval()
    try:
        body = fx.symbolic_trace(module)
    except (TraceError, TypeError) as error:
        raise Unsupported(
            f"its forward cannot be traced ({error}); keep decisions out of it",
            Loc(type(module).__name__),
        ) from error
    with torch.no_grad():
        _Shapes(body).run(*examples)
    return body
