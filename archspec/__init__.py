"""archspec: describe a vision network in YAML, check it, and compile it to code you would have written.

import archspec

net = archspec.load("resnet50", set={"classes": 10})
net.cost.params, net.cost.macs
archspec.emit(net, backend="torch").write("folder")
model = archspec.build(net, backend="torch", seed=0)
found = archspec.predict("runs/resnet50", "photo.jpg")
found = archspec.import_model("torchvision:resnet50")
ported = archspec.port("torchvision:resnet50", to="flax")
"""

from __future__ import annotations

from archspec.api import build, convert, emit, import_model, port, predict
from archspec.compile import check, load
from archspec.diagnostics import Diagnostic, Edit, Fix, SpecError
from archspec.errors import ModelError, WeightsError
from archspec.ir import Row
from archspec.ir.cost import Cost
from archspec.ir.network import Network
from archspec.loading.program import Program
from archspec.version import __version__


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "Cost",
    "Diagnostic",
    "Edit",
    "Fix",
    "ModelError",
    "Network",
    "Program",
    "Row",
    "SpecError",
    "WeightsError",
    "__version__",
    "build",
    "check",
    "convert",
    "emit",
    "import_model",
    "load",
    "port",
    "predict",
]
