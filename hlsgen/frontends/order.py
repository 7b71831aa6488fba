"""Which nodes of a file matter, and in which order they can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hlsgen.errors import Loc, ModelError


def needed(graph: Any, makers: Mapping[str, Any], stop: Iterable[str]) -> set[str]:
    """All values that some output depends on; nothing behind a value of `stop`."""
    stopped = frozenset(stop)
    todo = [item.name for item in graph.output]
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        node = makers.get(name)
        if node is not None and name not in stopped:
            todo.extend(item for item in node.input if item)
            todo.extend(item for attribute in node.attribute for item in _captured(attribute))
    return found


def _captured(attribute: Any) -> list[str]:
    """Names that the graphs inside of an attribute read."""
    graphs = [attribute.g, *attribute.graphs]
    return [name for graph in graphs for node in graph.node for name in node.input if name]


def in_order(nodes: list[Any], known: set[str], loc: Callable[[Any], Loc]) -> list[Any]:
    """The nodes so that each stands behind the ones it reads from; file order where possible."""
    made = {name for node in nodes for name in node.output if name}
    for node in nodes:
        for name in filter(None, node.input):
            if name not in known and name not in made:
                raise ModelError(
                    f"input '{name}' is made by no node and is neither an input nor an "
                    "initializer of the file",
                    loc(node),
                )
    have, result, waiting = set(known), list[Any](), nodes
    while waiting:
        later: list[Any] = []
        for node in waiting:
            if all(name in have for name in node.input if name):
                have.update(node.output)
                result.append(node)
            else:
                later.append(node)
        if len(later) == len(waiting):
            raise ModelError("the graph has a cycle through this node", loc(_on_cycle(later)))
        waiting = later
    return result


def _on_cycle(nodes: list[Any]) -> Any:
    """A node that really lies on a cycle, not only behind one."""
    makers = {name: node for node in nodes for name in node.output}
    node, seen = nodes[0], set[int]()
    while id(node) not in seen:
        seen.add(id(node))
        node = next(makers[name] for name in node.input if name in makers)
    return node
