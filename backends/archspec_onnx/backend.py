"""The ONNX backend as archspec finds it: a file that holds a net and its weights, for inference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from archspec.analysis.resolved_spec import resolved_yaml
from archspec.backends import Files, SourceMap, Weights, WeightsFormat, check_supported
from archspec.emission.folder import identity_file
from archspec.errors import WeightsError
from archspec.ir.network import Network
from archspec.loading.program import Program
from archspec.ops import OPS
from archspec.version import __version__
from archspec_onnx.formats import OnnxFile
from archspec_onnx.health import need_onnx, need_runtime
from archspec_onnx.script import script_files

if TYPE_CHECKING:
    from onnx import ModelProto

    from archspec.importing import Imported

README = """# {name}

{params:,} parameters, {macs:,} multiply-adds for one image of {shape}{classes}.

    pip install -r requirements.txt
    python -c "import onnxruntime; print(onnxruntime.InferenceSession('model.onnx').get_inputs())"

`model.onnx` maps `images` (N, {shape_}), float32 and normalized as for training, to {outputs}. It holds
its weights, by the names of the spec. {specified}Written by archspec {version}.
"""

IDENTIFIED = """
`identity.json`, which is in the file's metadata under `archspec` too, says what the weights were trained as: the class names by
label, the normalization (pixels in [0, 1] minus `mean`, divided by `std`), the recipe and the images.
"""

PREDICTS = """
    python predict.py IMAGE...

prints the names and probabilities of what is on pictures, with onnxruntime, NumPy and Pillow.
"""


class OnnxBackend:
    """Emission to ONNX (NCHW), in evaluation mode and float32."""

    name = "onnx"
    supported = frozenset(OPS)
    named_outputs = True
    source = "model.onnx as text"
    formats: Sequence[WeightsFormat] = (OnnxFile(),)

    def emit(self, net: Network, weights: Weights | None = None) -> Files:
        """`model.onnx`, checked, and what it takes to use it. Raises SpecError, and WeightsError without weights."""
        check_supported(net, self)
        model = self._model(net, weights)
        shape, identity, script = net.input_shape, identity_file(weights), script_files(net, weights)
        readme = README.format(
            name=net.name, params=net.cost.params, macs=net.cost.macs, version=__version__, outputs=_outputs(net),
            classes="" if net.classes is None else f", {net.classes} classes",
            specified="`spec.yaml` is the spec with everything resolved. " if isinstance(net, Program) else "",
            shape="x".join(map(str, shape)), shape_=", ".join(map(str, shape)),
        )  # fmt: skip
        return {
            "model.onnx": model.SerializeToString(deterministic=True),
            "README.md": readme + (IDENTIFIED if identity else "") + (PREDICTS if script else ""),
            **identity,
            **script,
            **({"spec.yaml": resolved_yaml(net)} if isinstance(net, Program) else {}),
            "requirements.txt": "onnxruntime>=1.19\n" + ("numpy>=1.26\npillow>=10\n" if script else ""),
        }

    def source_map(self, net: Network) -> SourceMap:
        """The graph as text, without weights, with the steps of its nodes. Raises SpecError."""
        check_supported(net, self)
        need_onnx()
        from archspec_onnx.text import graph_map

        return graph_map(net)

    def build(self, net: Network, *, seed: int, weights: Weights | None) -> ModelProto:
        """What `emit` writes, as a model of the onnx package. Raises SpecError, and WeightsError without weights."""
        check_supported(net, self)
        return self._model(net, weights)

    def _model(self, net: Network, weights: Weights | None) -> ModelProto:
        if weights is None:
            raise WeightsError("an ONNX file holds the weights of its net, and none are given",
                               "give --weights: a .pt or .safetensors file, an Orbax checkpoint, or the folder of a run "
                               "of `archspec train`", 2)  # fmt: skip
        need_onnx()
        from archspec_onnx.model import make_model

        return make_model(net, weights)

    def import_file(self, path: Path) -> Imported:
        """The model of a file as a spec, by ONNX Runtime proven to answer alike. Raises ModelError, SpecError without onnx."""
        need_onnx()
        need_runtime()
        from archspec_onnx.importing.importing import import_file

        return import_file(path)

    def examine(self) -> Iterator[tuple[str, str, bool, str | None]]:
        """The onnx package and the runtime."""
        from archspec_onnx.health import examine

        return examine()


def _outputs(net: Network) -> str:
    """The outputs of a file in words."""
    named = {o.name: o.shape for o in net.outputs if not o.train_only} or {"logits": net.output_shape}
    return " and ".join(f"`{name}` (N, {', '.join(map(str, shape))})" for name, shape in named.items())
