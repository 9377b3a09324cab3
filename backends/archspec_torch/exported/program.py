"""An exported program as its JSON says it: the nodes of its graph, its tensors, its modules and its results."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from archspec.errors import ModelError
from archspec_torch.exported.archive import DTYPES, integer
from archspec_torch.exported.operators import operator, packet
from archspec_torch.unpickling import DamagedError

MAJOR = 8
"""The version of the schema; PyTorch 2.6 and 2.14 both write it."""

LARGEST_VALUE = 1 << 32
"""Elements of a value."""

CHECKS = frozenset({"_assert_tensor_metadata", "_assert_scalar", "_assert_async", "sym_constrain_range_for_size",
                    "sym_constrain_range"})  # fmt: skip
"""Operations that compute nothing."""

DECOMPOSED = frozenset({"convolution", "addmm", "_native_batch_norm_legit_no_training", "_native_batch_norm_legit_functional",
                        "native_layer_norm", "native_group_norm", "max_pool2d_with_indices"})  # fmt: skip
"""What layers become by `run_decompositions`."""

SYMBOL = r"(?:Symbol\('([su]\d+)'(?:, \w+=(?:True|False))*\)|([su]\d+))"
MULTIPLE = rf"(?:Mul\(Integer\((\d+)\), {SYMBOL}\)|(?:(\d+)\*)?{SYMBOL})"
"""The only expressions that are read: the size of the batch, or so many times that."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a node gives: the sizes of a tensor, and the type of its numbers."""

    shape: tuple[int, ...]
    dtype: Any = None


@dataclass(frozen=True, slots=True)
class Option:
    """A type of numbers, a device, or something else that a spec has no words for, and its number in the file."""

    kind: str
    number: Any


@dataclass(eq=False, slots=True)
class Node:
    """A node of the graph, in the words of `torch.fx`."""

    name: str
    op: str
    target: str = ""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    users: dict[Node, None] = field(default_factory=dict)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes whose values it takes."""
        return list(dict.fromkeys(_nodes_in([self.args, list(self.kwargs.values())])))


@dataclass(slots=True)
class Signature:
    """Which inputs of the graph are tensors of the model, and which of its outputs are its results."""

    inputs_to_parameters: dict[str, str] = field(default_factory=dict)
    inputs_to_buffers: dict[str, str] = field(default_factory=dict)
    inputs_to_lifted_tensor_constants: dict[str, str] = field(default_factory=dict)
    user_outputs: tuple[str, ...] = ()
    user_inputs: tuple[str, ...] = ()
    changed: dict[str, str] = field(default_factory=dict)  # buffers, by the outputs that they become


@dataclass(slots=True)
class Graph:
    """The nodes in order."""

    nodes: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Program:
    """A whole program."""

    graph: Graph
    graph_signature: Signature
    names: list[str]  # of its results
    paths: tuple[str, ...]  # of its modules
    classes: dict[str, str]  # of its modules, with the modules of Python that they are in
    source: str = ""

    @property
    def training(self) -> bool:
        """Whether it was exported in training: something in it does what it does in training alone."""
        said = [node.args[MODES[kind]] for node in self.graph.nodes
                if (kind := packet(node.target)) in MODES and len(node.args) > MODES[kind]]  # fmt: skip
        return True in said or any(
            packet(node.target) in ("bernoulli_", "bernoulli", "rand") for node in self.graph.nodes
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of the images that it takes, with their batch."""
        shape: tuple[int, ...] = next(
            node.meta["val"].shape for node in self.graph.nodes if node.name in self.graph_signature.user_inputs
        )
        return shape

    def result_names(self, count: int) -> list[str]:
        """The names of so many results."""
        return self.names if len(self.names) == count else [""] * count


MODES = {"batch_norm": 5, "dropout": 2}
"""Where operations say whether the model is in training."""


def program(content: Mapping[str, Any], path: str) -> Program:
    """The program that the JSON of an archive says. Raises ModelError, DamagedError, and what broken JSON makes Python raise."""
    version = content["schema_version"]["major"]
    if version != MAJOR:
        raise ModelError(f"{path} has version {version} of the format of exported programs, and {MAJOR} is read",
                         "export it with a PyTorch from 2.6 to 2.14")  # fmt: skip
    module = content["graph_module"]
    reading = _Reading(module["graph"], path)
    signature = _signature(module["signature"])
    nodes = list(reading.nodes(signature))
    calls = {str(one["fqn"]): one.get("signature") for one in module["module_call_graph"]}
    paths = tuple(one.partition("@")[0] for one in calls)
    if lower := {packet(node.target) for node in nodes} & DECOMPOSED:
        raise ModelError(f"{path} was decomposed to smaller operators, such as {min(lower)}, of which layers are made no more",
                         "save what torch.export.export gives, without run_decompositions")  # fmt: skip
    _plain_paths(nodes, set(paths))
    classes = {place: kind for node in nodes for place, kind in node.meta["nn_module_stack"].values() if kind}
    _check_inputs(signature, reading)
    names = _result_names(calls.get("") or {}, len(signature.user_outputs))
    return Program(Graph(nodes), signature, names, tuple(dict.fromkeys(paths)), classes, path)


class _Reading:
    """The nodes of a graph's JSON."""

    def __init__(self, graph: Mapping[str, Any], path: str) -> None:
        self.graph = graph
        self.path = path
        self.made: dict[str, Node] = {}
        self.batch = self._batch()

    def _batch(self) -> dict[str, int]:
        """The size that the batch was exported with, by its symbol, where it may be of any."""
        for one in self.graph["tensor_values"].values():
            for size in one["sizes"]:
                if (inner := size.get("as_expr")) and (match := re.fullmatch(SYMBOL, str(inner["expr_str"]))):
                    hint = inner.get("hint") or {}
                    return {match[1] or match[2]: max(2, integer(hint.get("as_int", 2)))}
        return {}

    def size(self, size: Mapping[str, Any]) -> int:
        """A size, as it is with the batch that was exported with. Raises ModelError where it is another expression."""
        if "as_expr" not in size:
            return integer(size)
        match = re.fullmatch(MULTIPLE, text := str(size["as_expr"]["expr_str"]))
        symbol = match and next(one for one in (match[2], match[3], match[5], match[6]) if one)
        if match is None or symbol not in self.batch:
            raise ModelError(f"{self.path} has sizes that are computed: {text[:80]}",
                             "export it for images of one size; the batch may be of any")  # fmt: skip
        return integer(int((match[1] or match[4] or "1")[:15]) * self.batch[symbol])

    def value(self, name: str) -> Value:
        """The sizes of a tensor of the graph."""
        shape = tuple(self.size(one) for one in self.graph["tensor_values"][name]["sizes"])
        if math.prod(shape) > LARGEST_VALUE:
            raise DamagedError(f"its value {name[:80]} would have {math.prod(shape):,} elements")
        return Value(shape, getattr(torch, DTYPES.get(self.graph["tensor_values"][name]["dtype"], "uint8")))

    def nodes(self, signature: Signature) -> Iterator[Node]:
        """All nodes in order."""
        for one in self.graph["inputs"]:
            name = one["as_tensor"]["name"] if "as_tensor" in one else ""
            if not name:
                raise ModelError(
                    f"{self.path} takes something that is no tensor",
                    "only models of one batch of images are imported",
                )
            yield self._keep(Node(name, "placeholder", meta={"val": self.value(name), "nn_module_stack": ROOT}))
        for one in self.graph["nodes"]:
            yield from self._node(one)
        outputs = [self.made.get(_named(one)) for one in self.graph["outputs"]]
        yield Node("output", "output", args=(outputs,), meta={"nn_module_stack": ROOT})

    def _keep(self, node: Node) -> Node:
        if node.name in self.made or not node.name:
            raise DamagedError(f"two of its values are called {node.name[:80]}")
        for taken in node.all_input_nodes:
            taken.users[node] = None
        self.made[node.name] = node
        return node

    def _node(self, one: Mapping[str, Any]) -> Iterator[Node]:
        target = str(one["target"]).removeprefix("torch.ops.")
        outputs = list(one["outputs"])
        if packet(target) in CHECKS:
            return
        if outputs and "as_sym_int" in outputs[0]:
            return  # a size, which is a number where it is used
        args, kwargs = self._arguments(target, one["inputs"])
        meta = {
            **one.get("metadata", {}),
            "nn_module_stack": _stack(str(one.get("metadata", {}).get("nn_module_stack", ""))),
        }
        if len(outputs) == 1 and "as_tensor" in outputs[0]:
            name = outputs[0]["as_tensor"]["name"]
            yield self._keep(Node(name, "call_function", target, args, kwargs, {**meta, "val": self.value(name)}))
            return
        if len(outputs) == 1 and "as_tensors" in outputs[0]:
            names = [each["name"] for each in outputs[0]["as_tensors"]]
        else:
            names = [_named(each) for each in outputs]
        values = [self.value(each) if each in self.graph["tensor_values"] else Value(()) for each in names]
        whole = self._keep(
            Node(f"{target}#{len(self.made)}", "call_function", target, args, kwargs, {**meta, "val": values})
        )
        yield whole
        for place, (each, value) in enumerate(zip(names, values, strict=True)):
            if each in self.graph["tensor_values"]:
                yield self._keep(
                    Node(each, "call_function", "_operator.getitem", (whole, place), {}, {**meta, "val": value})
                )

    def _arguments(self, target: str, inputs: list[Mapping[str, Any]]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The positional arguments and the named ones; which of both, files say since PyTorch 2.7."""
        given = {str(one["name"]): self._argument(one["arg"]) for one in inputs}
        kinds = {str(one["name"]): one.get("kind") for one in inputs}
        schema = getattr(operator(target), "_schema", None)
        known = {one.name: one for one in schema.arguments} if schema is not None else {}
        order = [name for name in known if name in given] + [name for name in given if name not in known]
        args: list[Any] = []
        for place, name in enumerate(order):
            own = name in known and (known[name].kwarg_only or list(known).index(name) != place)
            if own or kinds[name] == 2:
                break
            args.append(given[name])
        return tuple(args), {name: given[name] for name in order[len(args) :]}

    def _argument(self, arg: Mapping[str, Any]) -> Any:
        ((kind, content),) = ((key, value) for key, value in arg.items() if value is not None or key == "as_none")
        if kind == "as_none":
            return None
        if kind == "as_tensor":
            return self.made[content["name"]]
        if kind in ("as_tensors", "as_nested_tensors"):
            return [self.made[one["name"]] for one in content]
        if kind == "as_optional_tensors":
            return [self._argument(one) for one in content]
        if kind == "as_sym_int":
            return self._size_of(content)
        if kind == "as_sym_ints":
            return [self._size_of(one) for one in content]
        if kind in ("as_int", "as_float", "as_bool", "as_string", "as_ints", "as_floats", "as_bools", "as_strings"):
            return float(content) if kind == "as_float" else content
        return Option(kind, content)

    def _size_of(self, one: Mapping[str, Any]) -> int:
        if "as_name" not in one:
            value = one["as_int"]
            if type(value) is not int:
                raise DamagedError("a size of it is no whole number")
            return value
        return self.size(self.graph["sym_int_values"][one["as_name"]])


ROOT = {"": ("", "")}


def _named(one: Mapping[str, Any]) -> str:
    inner = one.get("as_tensor") or {}
    return str(inner.get("name", ""))


def _nodes_in(value: Any) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _nodes_in(one)


def _stack(text: str) -> dict[str, tuple[str, str]]:
    """The calls of modules around a node: of `key,path,class;...` the path by its key, and the class."""
    found = {}
    for one in filter(None, text.split(";")):
        key, _, rest = one.partition(",")
        path, _, kind = rest.rpartition(",")
        found[key] = (path, kind)
    return found or dict(ROOT)


def _plain_paths(nodes: list[Node], known: set[str]) -> None:
    """Give modules the paths that they have in the model: `strict` export calls them by expressions, `L['self'].layers[0]`."""
    paths: dict[str, str] = {}
    for node in nodes:
        stack = node.meta["nn_module_stack"]
        for key, (path, kind) in stack.items():
            if path not in paths:
                paths[path] = _plain_path(path)
            own, at, call = paths[path].partition("@")
            if own not in known:
                raise DamagedError(f"it has operations of a module {own[:80]!r}, which is not among its modules")
            stack[key] = (own + at + call, kind)


def _plain_path(path: str) -> str:
    while (match := re.search(r"getattr\(([^()]*), '([^']*)'\)", path)) is not None:
        path = path.replace(match[0], f"{match[1]}.{match[2]}")
    path = re.sub(r"^L\['\w+'\]\.?", "", path).replace("._modules", "").removeprefix("_modules")
    return re.sub(r"\[['\"]?([^\]'\"]*)['\"]?\]", r".\1", path).removeprefix(".")


def _signature(content: Mapping[str, Any]) -> Signature:
    found = Signature()
    for one in content["input_specs"]:
        ((kind, inner),) = one.items()
        if kind == "parameter":
            found.inputs_to_parameters[inner["arg"]["name"]] = inner["parameter_name"]
        elif kind == "buffer":
            found.inputs_to_buffers[inner["arg"]["name"]] = inner["buffer_name"]
        elif kind == "tensor_constant":
            found.inputs_to_lifted_tensor_constants[inner["arg"]["name"]] = inner["tensor_constant_name"]
        elif kind == "user_input" and "as_tensor" in inner["arg"]:
            found.user_inputs += (inner["arg"]["as_tensor"]["name"],)
        else:
            found.user_inputs += ("",)
    for one in content["output_specs"]:
        ((kind, inner),) = one.items()
        if kind == "user_output":
            found.user_outputs += (_named(inner["arg"]),)
        elif kind == "buffer_mutation":
            found.changed[inner["arg"]["name"]] = inner["buffer_name"]
    return found


def _check_inputs(signature: Signature, reading: _Reading) -> None:
    if len(signature.user_inputs) != 1 or not signature.user_inputs[0]:
        raise ModelError(
            f"{reading.path} takes {len(signature.user_inputs)} inputs",
            "only models of one batch of images are imported",
        )
    _, *sizes = reading.graph["tensor_values"][signature.user_inputs[0]]["sizes"]
    if len(sizes) != 3 or any("as_expr" in size for size in sizes):
        raise ModelError(f"{reading.path} takes no batch of images (N, C, H, W) of one size",
                         "export it for images of one size; the batch may be of any")  # fmt: skip


def _result_names(signature: Mapping[str, Any], count: int) -> list[str]:
    """The names of results: the keys of a dictionary, the fields of a named tuple, or places; of a single one it is empty."""
    try:
        _, tree = json.loads(signature["out_spec"])
        kind, context = str(tree["type"]), tree["context"]
    except (KeyError, ValueError, TypeError):
        return [""] * count
    if tree["type"] is None:
        return [""]
    if any(one["type"] is not None for one in tree["children_spec"]):
        return [""] * count
    if kind in ("builtins.list", "builtins.tuple"):
        return [f"out{place or ''}" for place in range(count)]
    inner = json.loads(context) if isinstance(context, str) else context
    if kind.endswith("OrderedDict") or kind == "builtins.dict":
        return [str(key) for key in inner]
    return [""] * count
