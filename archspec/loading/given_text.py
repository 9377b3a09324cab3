"""Specs that are given as YAML text, or as mappings of Python's, in place of a path or a name."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from archspec.diagnostics import Source, Span
from archspec.syntax.nodes import node_of
from archspec.syntax.scalars import resolve_scalar

TEXT = "<text>"
"""What messages call a spec that has no file."""
PLACE = Path("net.yaml")
"""Where it stands: what it extends is looked for in the working folder, and its net is `net` where it says no name."""


def is_text(spec: str) -> bool:
    """Whether this is the text of a spec: several lines, or a mapping of YAML on one, and no file that is called so."""
    return ("\n" in spec or spec.lstrip().startswith("{")) and not os.path.isfile(spec)


def as_text(spec: Mapping[str, object]) -> str:
    """A mapping as the YAML that messages show.

    Raises TypeError for values that YAML has no words for, for one that contains itself, and beyond the limits of a file.
    """
    plain = node_of(spec, Span(Source(TEXT, "", virtual=True))).plain()
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _Dumper(yaml.SafeDumper):
    """Quotes text that the rules of specs would read as another value; those of YAML 1.1 differ."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value that stands twice twice: specs have no aliases."""
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(resolve_scalar(text), str) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _number(dumper: _Dumper, number: float) -> yaml.ScalarNode:
    if not math.isfinite(number):
        return dumper.represent_float(number)
    # with no tag, also where the rules of YAML 1.1 take it for text, as they do `1e-05`
    tag: str = dumper.resolve(yaml.ScalarNode, repr(number), (True, False))  # type: ignore[no-untyped-call]
    return dumper.represent_scalar(tag, repr(number))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _number)
