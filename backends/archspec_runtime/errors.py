"""What a run can refuse to do, as exceptions that a person can act on.

Whatever the user of a trainer can get wrong raises `RunError` or a subclass: the message names the file or
the setting and what was expected, the hint says what to do. The command line prints both and exits.
"""

from __future__ import annotations


class RunError(Exception):
    """A run cannot start or go on, for a reason that its user can mend.

    `message` says what is wrong and where, `hint` what to do about it, `exit_code` what the process returns.
    """

    def __init__(self, message: str, hint: str | None = None, exit_code: int = 1) -> None:
        super().__init__(message, hint, exit_code)  # all three, so that the error survives pickling
        self.message = message
        self.hint = hint
        self.exit_code = exit_code

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  help: {self.hint}"


class DataError(RunError):
    """The data set is missing, damaged, of another layout, or does not fit the network."""


class CheckpointError(RunError):
    """A checkpoint is damaged, foreign, or of another run."""
