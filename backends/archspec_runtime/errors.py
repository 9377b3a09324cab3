"""What a user can get wrong in a run: one message, and how to mend it."""

from __future__ import annotations


class RunError(Exception):
    """A run cannot go on. `hint` says what to do; `exit_code` is the process's."""

    def __init__(self, message: str, hint: str | None = None, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}\n  help: {self.hint}" if self.hint else self.message


class DataError(RunError):
    """Images are missing, damaged, or not those that the net takes."""


class CheckpointError(RunError):
    """A checkpoint is damaged, or of another net or recipe."""
