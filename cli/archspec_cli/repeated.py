"""What all commands look at on their line: options that are given twice, and names to write to that not everything can write."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from typing import Any

from typer.core import TyperCommand

from archspec_cli.console import fail, say

WRITTEN = ("out", "target")
"""The parameters of all commands that name what is written."""


class Command(TyperCommand):
    """A command that says which of its options were given twice, and refuses to write to a name that is not UTF-8."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Click does; of an option that takes one value and has several, the last counts."""
        _check_sets(args)
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        counts = Counter(param.name for param in order if param.param_type_name == "option" and _takes_one(param))
        left = super().parse_args(ctx, args)
        for param in self.get_params(ctx):
            if counts[param.name] > 1:
                say_replaced(f"{param.opts[0]} is given {_times(counts[param.name])}; the last counts")
        for name in WRITTEN:
            check_utf8(ctx.params.get(name))
        return left


def _check_sets(args: list[str]) -> None:
    """End where a value stands behind the key of `--set`, and not in one word with it."""
    for option, key, value in zip(args, args[1:], args[2:], strict=False):
        if option == "--set" and "=" not in key and not value.startswith("-"):
            fail(f"--set takes KEY=VALUE in one word, not {key!r}", f"write --set {shlex.quote(f'{key}={value}')}")


def check_utf8(path: object) -> None:
    """End where a name to write to is not UTF-8: some libraries that write and read weights take no other."""
    try:
        os.fsencode(
            str(path)
        ).decode()  # as bytes: a locale that is not UTF-8 reads every such name as something else
    except UnicodeError:
        fail(
            f"the name {path} is not UTF-8, and not everything that is written there could be read",
            "give another name",
        )


def say_replaced(what: str) -> None:
    """Warn of an option that another one replaces; of the processes of a run, one does."""
    if os.environ.get("RANK", "0") == "0":
        say(f"warning: {what}")


def _takes_one(param: Any) -> bool:
    return not (param.multiple or param.is_flag or param.count)


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"
