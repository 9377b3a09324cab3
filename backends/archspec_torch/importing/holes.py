"""Holes: operations that a spec has no words for, with what they take and give, so that what follows them is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from archspec.ops import ShapeError, typed
from archspec_torch.importing.arrangements import Arranged
from archspec_torch.importing.built import Built
from archspec_torch.importing.operations import RefusedError


@dataclass(frozen=True, slots=True)
class Hole:
    """What was refused, as it is told and what it has in common with others, and the values that go in."""

    why: tuple[str, str]
    told: str
    inputs: tuple[Any, ...]


@dataclass
class Holes:
    """The holes of a model; what is refused in the same line for the same reason has one name wherever it stands."""

    reasons: dict[str, str] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    within: dict[Any, Hole] = field(
        default_factory=dict
    )  # nodes inside of a hole, whose values are none of a sample

    def begin(self, built: Built, node: Any, inputs: list[Any], why: tuple[str, str], told: str) -> str | None:
        """The value of a node that was refused; None where that is inside of the hole."""
        return self._end(built, node, Hole(why, told, tuple(inputs)))

    def go_on(self, built: Built, node: Any, inputs: list[Any]) -> str | None:
        """The value of a node that takes what is inside of a hole; None where its own is inside as well."""
        holes = [self.within[one] for one in node.all_input_nodes if one in self.within]
        if not holes:
            return None
        taken = dict.fromkeys([*(one for hole in holes for one in hole.inputs), *inputs])
        return self._end(built, node, Hole(holes[0].why, holes[0].told, tuple(taken)))

    def _end(self, built: Built, node: Any, hole: Hole) -> str | None:
        result = self._stand_in(built, node, hole)
        if result is None:
            self.within[node] = hole
        return result

    def _stand_in(self, built: Built, node: Any, hole: Hole) -> str | None:
        value = node.meta.get("val")
        sizes = tuple(getattr(value, "shape", ()))
        if (
            getattr(value, "dtype", None) is None
            or not value.dtype.is_floating_point
            or sizes[:1] != (built.batch,)
        ):
            return None
        try:
            taken = [built.value(node, one) for one in hole.inputs if isinstance(one, (str, Arranged))]
            shape = typed(sizes[1:])
        except (RefusedError, ShapeError, ValueError):
            return None
        if not taken or not 2 <= len(sizes) <= 4:  # else it is no map, no tokens and no vector of a sample
            return None
        name = self.names.setdefault(hole.why, f"hole{len(self.names) + 1}")
        self.reasons.setdefault(name, hole.told)
        return built.hole(node, name, taken, shape)
