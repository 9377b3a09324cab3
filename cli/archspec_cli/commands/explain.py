"""`archspec explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from archspec_cli.console import fail, tell_text


def explain(
    code: Annotated[
        str,
        typer.Argument(
            help="The code of a diagnostic, an operation, a block, or a key: AS405, conv, bottleneck, train.lr.",
            show_default=False,
        ),
    ],
) -> None:
    """Print the page of a diagnostic: what it means, an example, and how to fix it; or what an operation, a block or a key is.

    Examples: archspec explain AS405 · archspec explain conv · archspec explain bottleneck · archspec explain train.lr
    """
    from archspec.ops import OPS

    if code in OPS:
        from archspec.ops.reference import operation_text

        tell_text(operation_text(code, OPS[code]))
        return
    from archspec.loading import zoo

    if (path := zoo.library().get(code)) is not None:
        tell_text(zoo.block_text(code, path))
        return
    from archspec.language import keys

    if (key := keys.find(code)) is not None:
        tell_text(keys.key_text(code, key))
        return
    from archspec.diagnostics.codes import CODES, page
    from archspec.diagnostics.spelling import did_you_mean

    wanted = f"AS{code}" if code.isdigit() else code.upper()
    if wanted not in CODES:
        group = [known for known in CODES if wanted[:3] == known[:3]]
        meant = did_you_mean(code, keys.paths() if "." in code else [*OPS, *zoo.library()])
        outer = code.partition(".")[0]
        if meant is None and outer != code and (outer in OPS or outer in zoo.library()):
            meant = f"`archspec explain {outer}` says what it takes"
        coded = wanted.startswith("AS") and wanted[2:].isdigit()
        all_ = meant or (
            f"they go from {min(CODES)} to {max(CODES)}" if coded else "such as AS405, conv, bottleneck or train.lr"
        )
        help_ = f"{all_}, here from {group[0]} to {group[-1]}" if group else all_
        fail(f"there is no diagnostic, operation, block or key {code!r}", help_)
    tell_text(page(wanted))
