"""`archspec lsp`."""

from __future__ import annotations

from archspec_cli.common import Include


def lsp(include: Include = None) -> None:
    """Serve an editor by the language server protocol on the standard streams: errors, shapes, costs, completion, renaming.

    Editors start it: docs/editors.md says how, for VS Code, Neovim, Helix and Emacs. It needs the extra `lsp`.

    Example: archspec lsp
    """
    from archspec_lsp.server import serve

    serve([path.resolve() for path in include or ()])
