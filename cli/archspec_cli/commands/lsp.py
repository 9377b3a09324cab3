"""`archspec lsp`."""

from __future__ import annotations

from archspec_cli.common import Include
from archspec_cli.console import fail


def lsp(include: Include = None) -> None:
    """Serve an editor by the language server protocol on the standard streams: errors, shapes, costs, completion, renaming.

    Editors start it: docs/editors.md says how, for VS Code, Neovim, Helix and Emacs. It needs the extra `lsp`.

    Example: archspec lsp
    """
    try:
        from archspec_lsp.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        from archspec.backends.extras import install_command

        fail(f"the language server needs {error.name}, which is not installed", install_command("lsp"), 1)
    serve([path.resolve() for path in include or ()])
