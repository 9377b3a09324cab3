"""The options of the command line, made of the commands themselves: what `--help` prints of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from archspec_cli.main import app
from website.markdown import fenced, table

INTRODUCTION = """# Options of commands

Every command with its arguments and options, as `archspec COMMAND --help` prints them. [Commands](commands.md) shows them in
everyday use.
"""


def pages() -> Iterator[tuple[str, str]]:
    """The one page, by its path."""
    root = typer.main.get_command(app)
    context = root.context_class(root, info_name="archspec")
    yield "docs/options.md", "\n".join([INTRODUCTION, *commands(root, context, 2)])


def commands(group: Any, context: Any, level: int) -> Iterator[str]:
    """A section for each command of a group, and for those below it."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        below = command.context_class(command, info_name=name, parent=context)
        yield section(command, below, level)
        if hasattr(command, "list_commands"):
            yield from commands(command, below, level + 1)


def section(command: Any, context: Any, level: int) -> str:
    """What a command does, examples of it, and its arguments and options."""
    about, *examples = re.split(r"Examples?:", command.help or "", maxsplit=1)
    usage = " ".join(command.collect_usage_pieces(context))
    rows = [(f"`{record[0]}`", record[1]) for param in command.get_params(context)
            if (record := help_of(param, context)) and "--help" not in param.opts]  # fmt: skip
    written = [
        f"{'#' * level} archspec {context.command_path.removeprefix('archspec ')}\n",
        "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", about.strip())) + "\n",
        fenced("text", f"archspec {context.command_path.removeprefix('archspec ')} {usage}"),
    ]
    if examples:
        written.append(fenced("text", "\n".join(" ".join(line.split()) for line in examples[0].split("·"))))
    if rows:
        written.append(table(("argument or option", "what it says"), rows))
    return "\n".join(written)


def help_of(param: Any, context: Any) -> Any:
    """How a parameter is written and what it says; None of one that is hidden."""
    return None if getattr(param, "hidden", False) else param.get_help_record(context)
