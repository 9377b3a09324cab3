"""An operation that the core has never heard of: what is true of it stands in its class, and that is enough."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import archspec
from archspec import ops
from archspec.ops.arguments import Int, argument
from archspec.ops.base import Op, ShapeError, part, times
from archspec.syntax.expressions import Apply, Literal

CORE = Path(archspec.__file__).parent


@dataclass(frozen=True, slots=True)
class PixelShuffle(Op):
    """Channels as pixels: (C r r, H, W) becomes (C, H r, W r)."""

    kind: ClassVar[str] = "pixel_shuffle"
    is_expression: ClassVar[bool] = True
    factor: int = argument(Int(), 2)

    def output_shape(self, *inputs):
        channels, height, width = inputs[0]
        if channels % self.factor**2:
            raise ShapeError("AS403", f"{channels} channels do not split into {self.factor} by {self.factor}")
        return channels // self.factor**2, height * self.factor, width * self.factor

    def symbolic_shape(self, numbers, *inputs):
        factor = part(numbers["factor"], 0)
        channels, height, width = inputs[0]
        return Apply("//", (channels, times(factor, factor))), times(height, factor), times(width, factor)


@dataclass(frozen=True, slots=True)
class Silent(PixelShuffle):
    """The same, which does not say symbolically what it does."""

    kind: ClassVar[str] = "silent"

    def symbolic_shape(self, numbers, *inputs):
        return inputs[0]


@dataclass(frozen=True, slots=True)
class Liar(PixelShuffle):
    """The same, which says what is not true."""

    kind: ClassVar[str] = "liar"

    def symbolic_shape(self, numbers, *inputs):
        return Literal(7), *inputs[0][1:]


def words_of(tree):
    """What is imported of the operations, and the texts that are no documentation."""
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("archspec.ops"):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


def shuffled_torch(member, values, attribute):
    return f"F.pixel_shuffle({values[0]}, {attribute('factor')})"


@pytest.fixture
def registered(monkeypatch):
    """The operations, in the core and in PyTorch."""
    pytest.importorskip("torch")
    from archspec_torch.backend import TorchBackend
    from archspec_torch.emit import modules

    new = {op.kind: op for op in (PixelShuffle, Silent, Liar)}
    for kind, op in new.items():
        monkeypatch.setitem(ops.OPS, kind, op)
        monkeypatch.setitem(modules.EXPRESSIONS, kind, shuffled_torch)
    monkeypatch.setattr(TorchBackend, "supported", TorchBackend.supported | new.keys())


SPEC = """
input: {{channels: 4, size: 4}}
classes: 3
blocks:
  up:
    args: {{width: int, factor: 2}}
    body:
      - conv1: {{conv: {{out: width, kernel: 3}}}}
      - {kind}: {{factor: factor}}
      - conv2: {{conv: {{out: width, kernel: 1}}}}
      - bn: norm
stages:
  - {{name: s1, block: up, width: 8, repeat: 2}}
  - {{name: s2, block: up, width: 18, factor: 3}}
  - {{name: s3, block: up, width: 16}}
head: [global_avg_pool, {{fc: {{linear: {{out: classes}}}}}}]
"""


@pytest.mark.parametrize("kind", ["pixel_shuffle", "silent", "liar"])
def test_a_convolution_after_a_new_operation_takes_the_channels_that_arrive(kind, registered, spec):
    import torch

    net = archspec.load(spec(SPEC.format(kind=kind)))
    source = archspec.emit(net, "torch", tried=True)["model.py"]
    classes = [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    assert classes == ["Up", "Net"], "one block, one class"
    assert ("nn.Conv2d(width // (factor * factor), width, " in source) == (kind == "pixel_shuffle")
    assert ("conv2_channels: int" in source) == (kind != "pixel_shuffle"), "what no expression gives is an argument"
    model = archspec.build(net, "torch")
    assert {n: tuple(p.shape) for n, p in model.named_parameters()} == net.parameter_shapes()
    assert model(torch.zeros(2, 4, 4, 4)).shape == (2, 3)


def test_summaries_and_estimates_know_a_new_operation(registered, spec, cli):
    path = spec(SPEC.format(kind="pixel_shuffle"))
    assert "pixel_shuffle" in cli("summary", path, "--depth", "3").output
    net = archspec.load(path)
    assert net.cost.modules == 4 * 4 + 2
    assert archspec.check(path) == ()


def test_nothing_outside_the_operations_names_one():
    """What is known of an operation stands in its class: the core asks it."""
    kinds, classes = set(ops.OPS), {op.__name__ for op in ops.OPS.values()} | {"Activation", "Pool"}
    allowed = {
        "language/synonyms/layers.py": kinds,  # what words of other frameworks are here, for messages
        "syntax/expressions.py": {"sqrt"},  # a function
        "drawing/parts.py": {"identity"},  # a shortcut that nothing is on
        "drawing/laid.py": {"identity"},
        "drawing/layout.py": {"identity"},
        "emission/resume.py": {"identity"},  # of a run
        "weights/identity.py": {"identity"},
        "weights/pairing.py": {"scale", "mean"},  # parameters' names in Linen
        "emission/outline.py": {"Parameter"},  # of a class
        "analysis/checks/passes.py": {"parameter"},  # a count, in words
        "language/spec.py": {"batch_norm", "relu"},  # what `norm` and `act` are where a spec does not say
        "language/data.py": {"scale", "image"},  # an argument of augmentations, a kind of data
        "language/layers.py": {"relu"},  # in an example
        "language/recipe.py": {"linear"},  # a schedule
        "loading/overlay.py": {"conv", "linear"},  # keys of `init`
        "emission/recipe_words.py": {"clip"},  # of gradients
        "service/hover.py": {"batch_norm", "relu"},  # what `norm` and `act` are where a spec does not say
        "importing/caffe/importing.py": kinds,  # what layers of Caffe are here
        "importing/caffe/layers.py": kinds | classes,  # and how Caffe calls them
        "importing/mining.py": {"linear", "batch_norm", "add", "concat"},  # by which blocks are known
        "importing/tree.py": {"identity"},  # what a model has that does nothing
        "importing/entries.py": {"Activation"},  # a kind of operations
        "importing/growing.py": {"concat"},  # by which a net is known to grow
        "importing/instances.py": {"add"},  # by which a shortcut is known
        "importing/blocks.py": {
            "add",
            "conv",
            "batch_norm",
            "identity",
        },  # what a merge and a layer of the library are made of
        "importing/arguments.py": {"conv", "std_conv"},  # whose paddings follow from their kernels
        "importing/spec.py": {
            "linear",
            "pad",
            "parameter",
            "scale",
            "slice",
        },  # what `classes` is of, what has no defaults
    }
    found = []
    for path in sorted(CORE.rglob("*.py")):
        place = path.relative_to(CORE).as_posix()
        if not place.startswith("ops/"):
            words = set(words_of(ast.parse(path.read_text(encoding="utf-8"))))
            found += [f"{place}: {word}" for word in words & (kinds | classes) - allowed.get(place, set())]
    assert not found
