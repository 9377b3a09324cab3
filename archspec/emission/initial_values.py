"""Which parameters start from something of their own."""

from __future__ import annotations

from archspec.emission.outline import BlockClass
from archspec.ops import Op


def last_norm(cls: BlockClass) -> str | None:
    """The last normalization of the branch that a block merges with its shortcut, where it has parameters."""
    if cls.example.branch is None:
        return None
    names = [m.call.name for m in cls.members]
    branch = cls.members[: names.index(cls.example.branch) + 1]
    norms = [m.call for m in branch if isinstance(m.call.target, Op) and m.call.target.is_norm]
    if not norms:
        return None
    target = norms[-1].target
    assert isinstance(target, Op)
    return (norms[-1].owner or norms[-1].name) if target.parameters(*norms[-1].input_shapes) else None
