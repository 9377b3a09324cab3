"""Sharing of layers: whether one step can apply those of another again."""

from __future__ import annotations

from archspec.diagnostics.spelling import did_you_mean
from archspec.expansion.builder import Graph
from archspec.ir.owners import tensors
from archspec.ops import Op


def unshared(graph: Graph, name: str, owner: str) -> tuple[str, str, str] | None:
    """Why a step cannot have the layers of the one that is called so: code, message, help; None where it can."""
    call = next((call for call in graph.calls if call.name == owner), None)
    if graph.positional:
        return "AS305", "a step of a chain shares no layers", "share them among steps of the list around the chain"
    if "." in name:
        return (
            "AS106",
            f"`{name}` has the layers of `{owner}` and no place in a container",
            "give it a name in one part",
        )
    if owner not in graph.written or (call is None and graph.values.get(owner) is not None):
        known = did_you_mean(owner, graph.written)
        return (
            "AS306",
            f"there is no step `{owner}` before this one",
            known or "name a step that comes before, in the same list",
        )
    if call is None:  # it has a mistake, which is said there
        return "AS306", f"the step `{owner}` has an error", "fix that first"
    if call.when is not None:
        return "AS305", f"`{owner}` has a `when`, and is not always there", "share the layers of a step without one"
    if not tensors(call) or (isinstance(call.target, Op) and call.target.holds_tensor):
        return (
            "AS305",
            f"`{owner}` has no layers with parameters to share",
            "apply the operation again by its own name",
        )
    return None
