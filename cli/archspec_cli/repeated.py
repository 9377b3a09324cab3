"""Options that are given twice, of which the last counts: said, since the first then has no effect."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from typer.core import TyperCommand

from archspec_cli.console import say


class Command(TyperCommand):
    """A command that says which of its options were given twice."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Click does; of an option that takes one value and has several, the last counts."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        counts = Counter(param.name for param in order if param.param_type_name == "option" and _takes_one(param))
        left = super().parse_args(ctx, args)
        for param in self.get_params(ctx):
            if counts[param.name] > 1:
                say_replaced(f"{param.opts[0]} is given {_times(counts[param.name])}; the last counts")
        return left


def say_replaced(what: str) -> None:
    """Warn of an option that another one replaces; of the processes of a run, one does."""
    if os.environ.get("RANK", "0") == "0":
        say(f"warning: {what}")


def _takes_one(param: Any) -> bool:
    return not (param.multiple or param.is_flag or param.count)


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"
