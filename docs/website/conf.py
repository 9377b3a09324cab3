"""How Sphinx builds the site of what `python -m website` has gathered."""

from __future__ import annotations

import inspect
from typing import Any

from archspec import __version__

project = "archspec"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "sphinx_design"]

myst_enable_extensions = ["attrs_inline", "colon_fence"]
suppress_warnings = ["misc.highlighting_failure"]  # colours alone
myst_heading_anchors = 6  # as GitHub gives them, so that links work in both

default_role = "literal"  # docstrings have `names` in single backticks
smartquotes = False  # which would make a dash of `--` in an option
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = "archspec"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
highlight_language = "text"
pygments_style, pygments_dark_style = "friendly", "github-dark"


def shorten(
    _app: Any, _what: str, _name: str, of: Any, _options: Any, signature: str | None, returns: str | None
) -> Any:
    """A signature without defaults that take lines to print."""
    if signature is not None:
        for default in (repr(param.default) for param in inspect.signature(of).parameters.values()):
            signature = signature.replace(default, "...") if len(default) > 40 else signature
    return signature, returns


def load_late(_app: Any, _page: str, _template: str, context: dict[str, Any], _doctree: Any) -> None:
    """Pictures that are loaded where they are seen: of both colours one, and of the gallery those on the screen."""
    if "body" in context:
        context["body"] = context["body"].replace("<img ", '<img loading="lazy" ')


def setup(app: Any) -> None:
    """What Sphinx calls at its start."""
    app.connect("autodoc-process-signature", shorten)
    app.connect("html-page-context", load_late)
