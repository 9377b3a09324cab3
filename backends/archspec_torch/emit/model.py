"""`model.py`: the classes of a net, standing alone on PyTorch."""

from __future__ import annotations

from pathlib import Path

from archspec.backends import SourceMap
from archspec.emission.class_body import ClassText
from archspec.emission.model import class_layout, code, header, model_classes, templates, used
from archspec.emission.outline import Outline, outline
from archspec.emission.source_map import source_map
from archspec.ir.network import Network
from archspec_torch.emit.dialect import TorchDialect
from archspec_torch.emit.helpers import HELPERS
from archspec_torch.emit.init import reset_statements
from archspec_torch.emit.plainer_helpers import helpers_for

TEMPLATES = templates(Path(__file__).parent.parent / "templates")


def model_source(net: Network) -> str:
    """The text of `model.py`."""
    return _written(net)[0]


def model_files(net: Network) -> dict[str, str]:
    """The text of `model.py` by its name."""
    return {"model.py": model_source(net)}


def model_map(net: Network) -> SourceMap:
    """The text of `model.py` with the steps of its lines."""
    text, outline, classes = _written(net)
    return source_map(text, net.root, outline, classes)


def _written(net: Network) -> tuple[str, Outline, list[ClassText]]:
    classes = outline(net, reserved=HELPERS)
    written = model_classes(net, classes, TorchDialect())
    reset, reset_doc = reset_statements(net, classes)
    own = code(written)
    helpers = helpers_for(own)
    needed = [helpers[name] for name in used(helpers, own)]
    layouts = [{**class_layout(c), "reset": [], "reset_doc": ""} for c in written]
    layouts[-1] |= {"reset": reset, "reset_doc": reset_doc}
    text = TEMPLATES.get_template("model.py.j2").render(
        **header(net),
        imports=_imports("\n".join([own, *needed])),
        helpers=needed,
        classes=layouts,
    )
    return text.rstrip() + "\n", classes, written


def _imports(text: str) -> list[str]:
    standard = [
        *(["import math"] if "math." in text else []),
        *(["from collections import OrderedDict"] if "OrderedDict(" in text else []),
        *(["from collections.abc import Callable"] if "Callable[" in text else []),
    ]
    lines = [*standard, *([""] if standard else []), *(["import torch"] if "torch." in text else [])]
    if "F." in text:
        lines.append("import torch.nn.functional as F")
    return [*lines, "from torch import Tensor, nn"]
