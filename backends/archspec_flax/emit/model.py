"""`model.py`: the classes of a net, standing alone on Flax."""

from __future__ import annotations

import re
from pathlib import Path

from archspec.backends import SourceMap
from archspec.emission.class_body import ClassText
from archspec.emission.model import class_layout, code, header, model_classes, templates, used
from archspec.emission.outline import Outline, outline
from archspec.emission.source_map import source_map
from archspec.ir.network import Network
from archspec_flax.emit.dialect import FlaxDialect
from archspec_flax.emit.helpers import IMPORTED, NAMES, definitions, differs

TEMPLATES = templates(Path(__file__).parent.parent / "templates")


def model_source(net: Network) -> str:
    """The text of `model.py`."""
    return _written(net)[0]


def model_map(net: Network) -> SourceMap:
    """The text of `model.py` with the steps of its lines."""
    text, outline, classes = _written(net)
    return source_map(text, net.root, outline, classes)


def _written(net: Network) -> tuple[str, Outline, list[ClassText]]:
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
        for helper, text in definitions(init, dialect.batch_norm_options, dialect.biased).items()
        if differs(init, helper)
    }
    own = used(helpers, code(written))
    constants = [helpers[h] for h in own if not helpers[h].startswith(("def ", "class "))]
    others = [helpers[h] for h in own if helpers[h] not in constants]
    text = TEMPLATES.get_template("model.py.j2").render(
        **header(net),
        imports=_imports("\n".join([code(written), *constants, *others])),
        constants=constants,
        helpers=others,
        classes=[class_layout(c) for c in written],
    )
    return text.rstrip() + "\n", classes, written


def _imports(text: str) -> list[str]:
    """The lines of imports, in the three groups of style guides; an empty line parts them."""

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
        "from flax import nnx",
        "from jax import Array",
        *(["from jax.typing import DTypeLike"] if mentions(r"DTypeLike\b") else []),
    ]
    return [*standard, *([""] if standard else []), *installed]
