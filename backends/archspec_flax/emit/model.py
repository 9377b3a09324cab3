"""`model.py`: the classes of a net, and `layers.py` beside it: what they use and Flax has not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from archspec.backends import SourceMap
from archspec.emission.class_body import ClassText
from archspec.emission.import_source import LAYERS, MODEL
from archspec.emission.literals import import_lines
from archspec.emission.model import class_layout, code, header, model_classes, templates, used
from archspec.emission.outline import Outline, outline
from archspec.emission.source_map import source_map
from archspec.ir.network import Network
from archspec.version import __version__
from archspec_flax.emit.dialect import FlaxDialect
from archspec_flax.emit.helpers import IMPORTED, NAMES, definitions, differs

TEMPLATES = templates(Path(__file__).parent.parent / "templates")


def model_files(net: Network) -> dict[str, str]:
    """The texts of `model.py` and, where it uses what Flax has not, of `layers.py`."""
    return _written(net)[0]


def model_map(net: Network) -> SourceMap:
    """The text of `model.py` with the steps of its lines."""
    files, outline, classes = _written(net)
    return source_map(files[MODEL], net.root, outline, classes)


def _written(net: Network) -> tuple[dict[str, str], Outline, list[ClassText]]:
    init = net.init

    def name(helper: str) -> str:
        if helper not in NAMES:
            return helper
        own = f"{helper}Layer" if helper == net.class_name else helper
        return own if differs(init, helper) else f"nnx.{helper}"

    classes = outline(net, reserved=(*NAMES, *IMPORTED))
    dialect = FlaxDialect(net, classes, name)
    written = model_classes(net, classes, dialect)
    # a net called as a helper is keeps its name, and the helper gives way
    helpers = {
        name(helper): re.sub(rf"(?<![\w.]){net.class_name}\b", f"{net.class_name}Layer", text)
        for helper, text in definitions(
            init, dialect.batch_norm_options, biased=dialect.biased, masked="mask=" in code(written)
        ).items()
        if differs(init, helper)
    }
    own = used(helpers, code(written))
    layers = {name: text for name in own if (text := helpers[name]).startswith(("def ", "class "))}
    constants = [helpers[name] for name in own if name not in layers]
    using = "\n".join(["nnx.Module", "Array", code(written), *constants])
    files = {
        MODEL: _text(
            "model.py.j2",
            **header(net),
            imports=_imports(using, used(dict.fromkeys(layers, ""), using)),
            constants=constants,
            classes=[class_layout(c) for c in written],
        )
    }
    if layers:
        defined = [*layers.values()]
        files[LAYERS] = _text(
            "layers.py.j2", name=net.name, version=__version__, imports=_imports("\n".join(defined)), layers=defined
        )
    return files, classes, written


def _text(template: str, **values: object) -> str:
    return TEMPLATES.get_template(template).render(values).rstrip() + "\n"


def _imports(text: str, layers: Iterable[str] = ()) -> list[str]:
    """The lines of imports, `layers` from the file beside, in the groups of style guides; an empty line parts them."""

    def mentions(pattern: str) -> bool:
        return re.search(rf"(?<![\w.]){pattern}", text) is not None

    abstract = [name for name in ("Callable", "Iterable") if mentions(rf"{name}\b")]
    standard = [
        *(["import math"] if mentions(r"math\.") else []),
        *([f"from collections.abc import {', '.join(abstract)}"] if abstract else []),
        *(["from functools import partial"] if mentions(r"partial\(") else []),
        *(["from typing import Any"] if mentions(r"Any\b") else []),
    ]
    installed = [
        *(["import jax"] if mentions(r"jax\.") else []),
        *(["import jax.numpy as jnp"] if mentions(r"jnp\.") else []),
        *(["from flax import nnx"] if mentions(r"nnx\.") else []),
        *(["from jax import Array"] if mentions(r"Array\b") else []),
        *(["from jax.typing import DTypeLike"] if mentions(r"DTypeLike\b") else []),
    ]
    beside = import_lines({("layers", name) for name in layers}).splitlines()
    groups = [group for group in (standard, installed, beside) if group]
    return [line for group in groups for line in ("", *group)][1:]
