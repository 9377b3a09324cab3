"""What a user can get wrong in a run: one message, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from archspec_runtime.console import printable

SMALLER = "make batch_size or input.size smaller"
"""What helps where memory runs out."""


class RunError(Exception):
    """A run cannot go on. `hint` says what to do; `exit_code` is the process's.

    `rows` are lines below the message; it, and each of them, is one line, whatever names of files or classes are in it.
    """

    def __init__(
        self, message: str, hint: str | None = None, exit_code: int = 1, *, rows: Iterable[str] = ()
    ) -> None:
        self.message = "\n  ".join(map(printable, [message, *rows]))
        super().__init__(self.message)
        self.hint = printable(hint) if hint else None
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}\n  help: {self.hint}" if self.hint else self.message


def no_device(name: str, available: Iterable[str]) -> RunError:
    """What is raised where there is no device of a name, and which there are."""
    return RunError(f"there is no device {name!r}", f"here are: {', '.join(available)}; see `archspec doctor`", 2)


class DataError(RunError):
    """Images are missing, damaged, or not those that the net takes."""


class CheckpointError(RunError):
    """A checkpoint is damaged, or of another net or recipe."""


class DamagedError(CheckpointError):
    """A file of a checkpoint is missing, or does not hold what it should."""


class UnfitError(DamagedError):
    """The tensors of a checkpoint are not those of the net, or of the optimizer, that they are read for."""


class OtherNetError(CheckpointError):
    """A checkpoint, which lies at `path`, is of another net."""

    def __init__(self, path: Path) -> None:
        help_ = "give the run of this spec, or start anew in another --out"
        super().__init__(f"{path} is of another net", help_)
        self.path = path


class FailedElsewhere(RunError):  # noqa: N818 (nothing that a user sees)
    """Another process of the run has failed and says why."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("another process of this run has failed", exit_code=exit_code)
