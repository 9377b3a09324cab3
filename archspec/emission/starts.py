"""Which parameters start from something of their own."""

from __future__ import annotations

from archspec.ops import BatchNorm, GroupNorm, LayerNorm
from archspec.outline import BlockClass

NORMS = (BatchNorm, GroupNorm, LayerNorm)


def last_norm(cls: BlockClass) -> str | None:
    """The last normalization of the branch that a block merges with its shortcut, where it has parameters."""
    if cls.example.branch is None:
        return None
    names = [m.call.name for m in cls.members]
    branch = cls.members[: names.index(cls.example.branch) + 1]
    norms = [(m.call.name, m.call.target) for m in branch if isinstance(m.call.target, NORMS)]
    return norms[-1][0] if norms and norms[-1][1].affine else None
