"""`archspec explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from archspec_cli.console import fail, tell_text


def explain(
    code: Annotated[str, typer.Argument(help="The code of a diagnostic, such as AS405.", show_default=False)],
) -> None:
    """Print the page of a diagnostic: what it means, an example, and how to mend it.

    Example: archspec explain AS405
    """
    from archspec.diagnostics.codes import CODES, page
    from archspec.diagnostics.spelling import did_you_mean

    wanted = f"AS{code}" if code.isdigit() else code.upper()
    if wanted not in CODES:
        fail(
            f"there is no diagnostic {code!r}",
            did_you_mean(wanted, CODES) or f"they go from {min(CODES)} to {max(CODES)}",
        )
    tell_text(page(wanted))
