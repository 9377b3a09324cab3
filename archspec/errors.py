"""What can go wrong apart from a spec's mistakes, which are diagnostics."""

from __future__ import annotations

from collections.abc import Iterable

from archspec.diagnostics.printable import printable


class WeightsError(Exception):
    """Weights that cannot be read, do not fit the net, or cannot be written; `help` says what to do.

    Where they do not fit, `rows` list the tensors that differ, below the message; it, and each of them, is one line.
    """

    def __init__(
        self, message: str, help: str | None = None, exit_code: int = 1, *, rows: Iterable[str] = ()
    ) -> None:
        super().__init__("\n  ".join(map(printable, [message, *rows])))
        self.help = printable(help) if help else None
        self.exit_code = exit_code  # of the command that wanted them


class ModelError(Exception):
    """A model that cannot be imported; `help` says what to do, `rows` list each operation that has no words in a spec.

    `partial` is the spec with holes in their places, where the rest of the model has one.
    """

    exit_code = 1

    def __init__(
        self, message: str, help: str | None = None, *, rows: Iterable[str] = (), partial: str | None = None
    ) -> None:
        super().__init__("\n  ".join(map(printable, [message, *rows])))
        self.help = printable(help) if help else None
        self.partial = partial
