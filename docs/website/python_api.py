"""The reference of what `import archspec` offers, made of the docstrings by Sphinx."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import archspec
from website.markdown import fenced

GROUPS: Mapping[str, Sequence[str]] = {
    "Load and check": ["archspec.load", "archspec.check"],
    "Networks": ["archspec.Network", "archspec.Program", "archspec.Cost", "archspec.Row", "archspec.ir.GraphBuilder"],
    "Code and models": ["archspec.emit", "archspec.emission.own_build.FolderFiles", "archspec.build"],
    "Models of others": ["archspec.import_model", "archspec.importing.Imported",
                         "archspec.port", "archspec.porting.port.Ported"],
    "Weights": ["archspec.convert"],
    "Predictions": ["archspec.predict", "archspec.backends.Prediction"],
    "Mistakes": ["archspec.SpecError", "archspec.ModelError", "archspec.WeightsError",
                 "archspec.Diagnostic", "archspec.Fix", "archspec.Edit"],
    "Backends": ["archspec.backends.Backend", "archspec.backends.Builder", "archspec.backends.Trainer",
                 "archspec.backends.Predictor", "archspec.backends.Examiner", "archspec.backends.WeightsFormat"],
}  # fmt: skip
"""What stands on the page; `archspec.__version__` needs no words."""


def pages() -> Iterator[tuple[str, str]]:
    """The one page, by its path."""
    first, _, example = (archspec.__doc__ or "").removeprefix("archspec: ").partition("\n\n")
    sections = [f"## {title}\n\n{''.join(map(entry, names))}" for title, names in GROUPS.items()]
    introduction = f"# Python\n\n{first[:1].upper()}{first[1:]}\n\n{fenced('python', example)}"
    yield "docs/python.md", "\n".join([introduction, *sections])


def entry(name: str) -> str:
    """The directive that takes what a class or function says of itself."""
    found = resolved(name)
    kind = "autoexception" if isinstance(found, type) and issubclass(found, Exception) else "autoclass"
    options = "   :members:\n" if isinstance(found, type) else ""
    directive = kind if isinstance(found, type) else "autofunction"
    return fenced("{eval-rst}", f".. {directive}:: {name}\n{options}") + "\n"


def resolved(name: str) -> object:
    """What a dotted name stands for."""
    from pydoc import locate

    found = locate(name)
    assert found is not None, f"there is no {name}"
    return found
