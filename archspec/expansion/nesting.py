"""How blocks stand in each other: none in itself, and none in more than a few dozen others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from archspec.diagnostics import Related
from archspec.expansion.declarations import Sort
from archspec.expansion.recorder import Recorder
from archspec.expansion.uses import Use
from archspec.ir import Block, parts

MAX_NESTED = 32  # blocks inside of blocks; frameworks build, move and save modules level by level as well


class Nesting:
    """The blocks and chains around the place that is being expanded, from the outermost on."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.around: list[tuple[Sort, str]] = []
        self.levels: dict[Block, int] = {}

    @contextmanager
    def inside(self, sort: Sort, use: Use, where: str | None) -> Iterator[None]:
        """Be inside of a block, which stands under the name `where`."""
        self.around.append((sort, use.name))
        as_ = f", as `{where}`" if where else ""
        self.recorder.uses.append((Related(f"`{use.name}` is used here{as_}", use.given.span), use.given))
        yield
        self.around.pop()
        self.recorder.uses.pop()

    @contextmanager
    def inside_chain(self, name: str) -> Iterator[None]:
        """Be inside of a chain of steps."""
        self.around.append(("blocks", f"{name} "))  # no block is called so
        yield
        self.around.pop()

    def admits(self, sort: Sort, use: Use) -> bool:
        """Whether a block may stand here; it is recorded where not."""
        if (sort, use.name) in self.around:
            circle = " > ".join(name for _, name in [*self.around, (sort, use.name)])
            message = f"`{use.name}` would contain itself: {circle}"
            self.recorder.add("AS302", message, use.given.span, "use another block here, or an operation")
            return False
        return self.has_room(use, 1)

    def has_room_for(self, use: Use, block: Block) -> bool:
        """Whether what is inside of a block may stand in it here, where it has been entered; it is recorded where not."""
        return self.has_room(use, self._levels(block))

    def has_room(self, use: Use, levels: int) -> bool:
        """Whether so many more levels may stand here; it is recorded where not."""
        if len(self.around) + levels <= MAX_NESTED:
            return True
        (_, outermost), *_ = self.around
        message = (
            f"`{use.name}` is nested in more than {MAX_NESTED} blocks, of which `{outermost}` is the outermost"
        )
        help_ = "let a block hold the steps of the one that it uses, or put one after the other"
        self.recorder.problems.add("AS005", message, use.given.span, help_)
        return False

    def _levels(self, block: Block) -> int:
        """How many levels of blocks there are inside of one."""
        if block not in self.levels:
            self.levels[block] = max((1 + self._levels(inner) for inner in parts(block)), default=0)
        return self.levels[block]
