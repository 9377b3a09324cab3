"""What can go wrong apart from a spec's mistakes, which are diagnostics."""

from __future__ import annotations


class WeightsError(Exception):
    """Weights that cannot be read, do not fit the net, or cannot be written; `help` says what to do.

    Where they do not fit, the message lists every tensor that differs.
    """

    def __init__(self, message: str, help: str | None = None, exit_code: int = 1) -> None:
        super().__init__(message)
        self.help = help
        self.exit_code = exit_code  # of the command that wanted them
