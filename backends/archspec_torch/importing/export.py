"""The graph of a module by `torch.export`, read as operations of archspec with the modules that they stand in."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from archspec.errors import ModelError
from archspec.importing import Operation, Scope, Traced
from archspec.importing.traced import INPUT
from archspec.ops import OPS, ArgumentError, Features, Image, ShapeError, Tokens, typed
from archspec_torch.importing.operations import SAME, TABLE, Parts, RefusedError, Tensor, View, permuted, reshaped
from archspec_torch.importing.whole import whole

MOST_ROWS = 20
"""Refusals that a message lists."""


def traced(module: Any, example: Any, *, name: str, source: str = "") -> Traced:
    """A module as it trains on an example, (N, C, H, W). Raises ModelError with all that cannot be said of it."""
    _check(module, example)
    before = {path: one.training for path, one in module.named_modules()}
    module.train()
    try:
        program = _exported(module, example)
    finally:
        for path, one in module.named_modules():
            one.training = before[path]
    reader = Reader(module, program)
    reader.read()
    if reader.refused:
        rows = list(dict.fromkeys(reader.refused))
        shown = rows[:MOST_ROWS] + ([f"and {len(rows) - MOST_ROWS} more"] if len(rows) > MOST_ROWS else [])
        raise ModelError(
            f"{name} has {len(rows)} operation{'s' * (len(rows) > 1)} that a spec cannot say",
            "write these parts with the operations that docs/language.md lists",
            rows=shown,
        )
    children = {path: tuple(key for key, _ in one.named_children()) for path, one in module.named_modules()}
    return Traced(
        name, type(module).__name__, tuple(example.shape[1:]), tuple(reader.placed()), {"": reader.output},
        children=children, source=source,
    )  # fmt: skip


def _check(module: Any, example: Any) -> None:
    from torch import nn

    if not isinstance(module, nn.Module):
        raise ModelError(
            f"the model is a {type(module).__name__}, and no torch.nn.Module", "give the module itself"
        )
    if getattr(example, "ndim", 0) != 4:
        raise ModelError("the example is no batch of images (N, C, H, W)", "such as torch.zeros(2, 3, 224, 224)")
    if type(module).__name__ in ("RecursiveScriptModule", "ScriptModule", "GraphModule"):
        raise ModelError(
            "a scripted or traced module has no Python modules to read", "give the module that it was made of"
        )
    for path, one in module.named_modules():
        kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
        if any(getattr(one, kind, None) for kind in kinds):
            raise ModelError(
                f"`{path or 'the model'}` has hooks, which run code that no graph shows", "remove them first"
            )
        if "parametrizations" in one._modules or hasattr(one, "weight_g"):
            raise ModelError(f"`{path}` has a parametrization, of which a spec says nothing", "remove it, as with "
                             "torch.nn.utils.parametrize.remove_parametrizations")  # fmt: skip
        if "quantized" in type(one).__module__:
            raise ModelError(f"`{path}` is quantized", "import the model before it is quantized")
    if any(name.isdecimal() for name, _ in module.named_children()):
        raise ModelError("the modules of the model have numbers for names, as in a sequence, which steps of a net have not",
                         "make it a part of another module, such as `self.net`")  # fmt: skip
    names: dict[int, str] = {}
    for path, tensor in module.named_parameters(remove_duplicate=False):
        if tensor.is_complex():
            raise ModelError(f"`{path}` has complex numbers", "archspec has nets of real numbers")
        if id(tensor) in names:
            raise ModelError(f"`{path}` and `{names[id(tensor)]}` are one parameter", "tied weights are not imported yet: give "
                             "each module its own")  # fmt: skip
        names[id(tensor)] = path


def _exported(module: Any, example: Any) -> Any:
    import torch

    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr), _quiet(), _dropping(module):
            warnings.simplefilter("ignore")
            return torch.export.export(module, (example,), strict=False)
    except Exception as error:  # noqa: BLE001 - whatever the model's own code raises
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if "GuardOnDataDependent" in type(error).__name__ or "data-dependent" in str(error).lower():
            raise ModelError(f"the model decides by the values of tensors: {said}",
                             "a spec has one graph for all images; take the decision out of forward") from None  # fmt: skip
        missing = "required argument" in said or "required positional argument" in said
        help_ = (
            "only models of one batch of images are imported"
            if missing
            else ("it must run on a batch of the given size in training mode; --input C,H,W says another")
        )
        raise ModelError(f"the model could not be run: {type(error).__name__}: {said}", help_) from None


@contextlib.contextmanager
def _dropping(module: Any) -> Iterator[None]:
    """With stochastic depth at some rate wherever it is 0, so that blocks which differ in that alone have the same operations."""
    before = []
    for one in module.modules():
        for name in ("p", "drop_prob"):
            if type(one).__name__ in ("StochasticDepth", "DropPath") and getattr(one, name, None) == 0:
                before.append((one, name, getattr(one, name)))
                setattr(one, name, 0.5)
    try:
        yield
    finally:
        for one, name, value in before:
            setattr(one, name, value)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the log of torch.export, which tells again what it raises."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@dataclass
class Reader:
    """The nodes of an exported graph, one after the other, as operations."""

    module: Any
    program: Any
    values: dict[Any, Any] = field(default_factory=dict)
    shapes: dict[str, Features] = field(default_factory=dict)
    operations: list[tuple[Operation, str]] = field(default_factory=list)  # each with the key of its innermost call
    refused: list[str] = field(default_factory=list)
    output: str = ""
    owned: dict[str, str] = field(default_factory=dict)
    wholes: dict[str, Any] = field(default_factory=dict)

    def read(self) -> None:
        """All nodes; what cannot be said is in `refused`, and what depends on it is passed over."""
        signature, nodes = self.program.graph_signature, list(self.program.graph.nodes)
        tensors = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        constants = signature.inputs_to_lifted_tensor_constants
        spans = self._spans(nodes)
        for place, node in enumerate(nodes):
            if node.op == "placeholder":
                if node.name in tensors:
                    self.values[node] = Tensor(tensors[node.name], tuple(node.meta["val"].shape))
                elif node.name not in constants:
                    self.values[node] = INPUT
                    self.shapes[INPUT] = Image(node.meta["val"].shape[1:])
            elif node.op == "output":
                self._finish(node, signature)
            elif (key := self._whole(node)) is not None:
                if place == spans[key][-1]:
                    self._attempt(node, lambda node=node, key=key: self._as_whole(node, key, nodes, spans[key]))
            elif node.op in ("call_function", "get_attr"):
                self._attempt(node, lambda node=node: self._convert(node))

    def _finish(self, node: Any, signature: Any) -> None:
        given = [one for one in node.args[0] if one.name in signature.user_outputs]
        if len(given) != 1:
            self.refused.append(f"the model gives {len(given)} results in training; archspec imports models of one")
        elif isinstance(self.values.get(given[0]), str):
            self.output = self.values[given[0]]
        elif given[0] in self.values and self.values[given[0]] is not None:
            self.refused.append("the result is an arrangement of values that archspec has no type for")

    def _spans(self, nodes: list[Any]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for place, node in enumerate(nodes):
            for key, (path, _) in (node.meta.get("nn_module_stack") or {}).items():
                if key not in self.wholes:
                    try:
                        self.wholes[key] = whole(self.module.get_submodule(path.partition("@")[0]))
                    except RefusedError as why:
                        self.wholes[key] = why
                if self.wholes[key] is not None:
                    found.setdefault(key, []).append(place)
        return found

    def _whole(self, node: Any) -> str | None:
        """The outermost call of a module around a node that is one operation as a whole."""
        stack = node.meta.get("nn_module_stack") or {}
        return next((key for key in stack if self.wholes.get(key) is not None), None)

    def _attempt(self, node: Any, convert: Any) -> None:
        try:
            value = convert()
        except RefusedError as why:
            self.refused.append(f"{node.target if node.op != 'placeholder' else node.name}: {why} ({_place(node)})")
            value = None
        except (ShapeError, ArgumentError) as why:
            self.refused.append(f"{node.target}: {why} ({_place(node)})")
            value = None
        self.values[node] = value

    def _as_whole(self, node: Any, key: str, nodes: list[Any], span: list[int]) -> str | None:
        if isinstance(self.wholes[key], RefusedError):
            raise self.wholes[key]
        inside = [nodes[place] for place in span]
        taken = dict.fromkeys(
            self.values.get(one) for each in inside for one in each.all_input_nodes
            if one not in inside and not isinstance(self.values.get(one), Tensor) and one.op != "get_attr"
            and not (one.op == "placeholder" and one not in self.values)
        )  # fmt: skip
        if None in taken:
            return None
        given = [one for one in inside if any(user not in inside for user in one.users) and "val" in one.meta]
        given = [one for one in given if tuple(one.meta["val"].shape)]
        if len(taken) != 1 or len(given) != 1 or not isinstance(next(iter(taken)), str):
            raise RefusedError(
                f"it takes {len(taken)} values and gives {len(given)}, where one of each is expected"
            )
        kind, args = self.wholes[key]
        stack = dict(node.meta["nn_module_stack"])
        around = dict(list(stack.items())[: list(stack).index(key) + 1])
        result = self._add(given[0], kind, args, [str(next(iter(taken)))], around, stateful=kind != "drop_path")
        self.values[given[0]] = result
        return result

    def _convert(self, node: Any) -> Any:
        if node.op == "get_attr":
            return None
        args = [self._value(one) for one in node.args]
        kwargs = {name: self._value(one) for name, one in node.kwargs.items()}
        if any(one is LOST for one in (*args, *kwargs.values())):
            return None
        name = str(node.target)
        if name.endswith("getitem>") or "getitem" in name:
            return self._piece(node, args)
        name = name.removeprefix("aten.").partition(".")[0]
        own = name.removesuffix("_")
        if isinstance(args[0], Tensor) and own == "add":  # the count of a batch normalization
            return args[0]
        kwargs = {
            k: v for k, v in kwargs.items() if k not in ("memory_format", "dtype", "device", "layout", "pin_memory")
        }
        if own in SAME:
            return args[0]
        made = self._shaped(node, own, args) if own in SHAPED else self._computed(node, own, args, kwargs)
        result = made
        if isinstance(made, tuple):
            kind, given, inputs = made
            tensors = (
                [one for one in args if isinstance(one, Tensor)]
                if kind not in ("add", "mul", "concat", "sub")
                else []
            )
            inputs = [self._as_value(node, one) for one in inputs]
            result = self._add(node, kind, given, inputs, node.meta["nn_module_stack"], tensors=tensors)
        if name.endswith("_") and node.args:
            self.values[node.args[0]] = result
        return result

    def _value(self, given: Any) -> Any:
        if isinstance(given, (list, tuple)):
            inner = [self._value(one) for one in given]
            return LOST if any(one is LOST for one in inner) else inner
        if not hasattr(given, "meta"):
            return given
        found = self.values.get(given)
        return LOST if found is None else found

    def _computed(self, node: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if name in ("add", "sub", "mul", "div"):
            return self._arithmetic(node, name, args, kwargs)
        if name in ("cat", "concat", "concatenate"):
            return self._joined(args)
        if name == "softmax":
            if args[1] not in (-1, len(self.shapes[args[0]])) or isinstance(self.shapes[args[0]], Image):
                raise RefusedError("a softmax over another axis than the channels'")
            return "softmax", {}, [args[0]]
        if name == "mean":
            return self._mean(args)
        if name not in TABLE:
            raise RefusedError("archspec has no such operation")
        if not isinstance(args[0], str):
            raise RefusedError("applied to values that no step of a spec gives")
        return TABLE[name](*args, **kwargs)

    def _arithmetic(self, node: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        one, other = args[:2]
        if kwargs.get("alpha", 1) != 1 or len(args) > 2:
            raise RefusedError("an addition with a factor")
        if name in ("mul", "div") and isinstance(other, (int, float)) and isinstance(one, str):
            return "scale", {"value": float(other) if name == "mul" else 1 / other}, [one]
        if not all(isinstance(each, (str, Tensor)) for each in (one, other)):
            raise RefusedError("arithmetic with a constant that archspec has no step for")
        return name, {}, [one, other]

    def _joined(self, args: list[Any]) -> Any:
        values, axis = args[0], args[1] if len(args) > 1 else 0
        if len(values) == 1:
            return values[0]
        shape = self.shapes[next(one for one in values if isinstance(one, str))]
        axis = axis % (len(shape) + 1) - 1
        if axis == shape.axis % len(shape):
            return "concat", {}, values
        if isinstance(shape, Tokens) and len(shape) == 2 and axis == 0:
            return "concat", {"over": "places"}, values
        raise RefusedError(f"a concatenation over axis {axis + 1}")

    def _mean(self, args: list[Any]) -> Any:
        x, axes = args[0], args[1]
        if not isinstance(x, str):
            raise RefusedError("a mean of what no step of a spec gives")
        shape = self.shapes[x]
        over = {axis % (len(shape) + 1) - 1 for axis in axes}
        keep = {"keep": True} if len(args) > 2 and args[2] else {}
        channels = shape.axis % len(shape)
        if over == {i for i in range(len(shape)) if i != channels}:
            return "global_avg_pool" if isinstance(shape, Image) else "mean", keep, [x]
        if over == {channels} and keep:
            return "mean", {"over": "channels", **keep}, [x]
        raise RefusedError(f"a mean over axes {sorted(axis + 1 for axis in over)}")

    def _shaped(self, node: Any, name: str, args: list[Any]) -> Any:
        x = args[0]
        if isinstance(x, Tensor) and name == "expand":
            return x
        of = x.of if isinstance(x, (View, Parts)) else x
        if not isinstance(of, str):
            raise RefusedError("a tensor that no step of a spec gives, arranged anew")
        source = self.shapes[of]
        if name in ("chunk", "split", "split_with_sizes"):
            return self._split(node, x, args)
        whole_ = tuple(node.meta["val"].shape)
        sizes = whole_[1:]
        if name in ("flatten", "view", "reshape", "_unsafe_view", "squeeze", "unsqueeze"):
            return self._reshaped(node, x, source, whole_)
        if name in ("permute", "transpose"):
            rank = 4 if isinstance(x, View) and x.form == "rows" else len(sizes) + 1
            rank = 3 if isinstance(x, View) and x.form == "rows" else rank
            axes = list(range(rank))
            if name == "transpose":
                i, j = args[1] % rank, args[2] % rank
                axes[i], axes[j] = axes[j], axes[i]
            else:
                axes = [axis % rank for axis in args[1]]
            return permuted(x, source, tuple(axes))
        if name == "select" and isinstance(source, Tokens) and len(source) == 2 and args[1] == 1:
            return "select", {"index": args[2] % source[0]}, [x]
        if name == "slice":
            return self._slice(node, x, source, args)
        if name == "expand" and sizes == tuple(source):
            return x
        raise RefusedError("values of a sample arranged in a way that archspec has no step for")

    def _slice(self, node: Any, x: str, source: Features, args: list[Any]) -> Any:
        dim = args[1] if len(args) > 1 else 0
        start, stop = (args[2] if len(args) > 2 else 0) or 0, args[3] if len(args) > 3 else None
        step = args[4] if len(args) > 4 else 1
        sizes = tuple(node.meta["val"].shape)
        if sizes[1:] == tuple(source):
            return x
        if dim - 1 == source.axis % len(source) and step == 1:
            total = source.channels
            return "slice", {"start": start % total, "stop": min(stop, total) if stop and stop >= 0 else total}, [x]
        raise RefusedError(f"a slice of axis {dim}")

    def _reshaped(self, node: Any, x: str | View, source: Features, sizes: tuple[int, ...]) -> Any:
        if isinstance(x, View):
            if x.form == "shuffled" and sizes[1:] == tuple(source):
                return "channel_shuffle", {"groups": x.groups}, [x.of]
            raise RefusedError(f"a value arranged as {sizes}")
        if sizes[0] != 2 and sizes[0] != self.program_batch:
            raise RefusedError(f"samples of a batch mixed, as {sizes}")
        if sizes[1:] == (source.channels,) and (pool := self._pool(x, node)) is not None:
            pool.args = {key: value for key, value in pool.args.items() if key != "keep"}
            pool.shape = self.shapes[x] = typed((source.channels,))
            return x
        return reshaped(x, source, sizes[1:])

    @property
    def program_batch(self) -> int:
        """How many samples the example has."""
        node = next(n for n in self.program.graph.nodes if self.values.get(n) == INPUT and n.op == "placeholder")
        return int(node.meta["val"].shape[0])

    def _pool(self, value: str, node: Any) -> Operation | None:
        """The mean over all pixels that alone gives a value, where only this node takes it."""
        op = next((op for op, _ in self.operations if op.result == value), None)
        source = node.args[0]
        alone = len(source.users) == 1
        return op if op is not None and op.kind == "global_avg_pool" and alone else None

    def _split(self, node: Any, x: str, args: list[Any]) -> Parts:
        source, dim = self.shapes[x], args[2] if len(args) > 2 else 0
        if dim % (len(source) + 1) - 1 != source.axis % len(source):
            raise RefusedError(f"a split of axis {dim}")
        places, at = [], 0
        for one in node.meta["val"]:
            size = one.shape[dim]
            places.append((at, at + size))
            at += size
        return Parts(x, tuple(places))

    def _piece(self, node: Any, args: list[Any]) -> Any:
        parts, index = args
        if not isinstance(parts, Parts):
            raise RefusedError("a piece of what archspec does not split")
        start, stop = parts.places[index]
        given = {"start": start, "stop": stop}
        given = {key: value for key, value in given.items() if value}
        return self._add(node, "slice", given, [parts.of], node.meta["nn_module_stack"])

    def _as_value(self, node: Any, one: Any) -> str:
        """A parameter as the value of a step of its own."""
        if isinstance(one, str):
            return one
        if not isinstance(one, Tensor):
            raise RefusedError("applied to values that no step of a spec gives")
        if one.path in self.owned:
            return self.owned[one.path]
        tensor = self.module.get_parameter(one.path).detach()
        batch = one.sizes[:1] == (1,) and len(one.sizes) > len(node.meta["val"].shape) - 1
        given: dict[str, Any] = {"shape": list(one.sizes), **({"batch": True} if batch else {})}
        first = tensor.flatten()[0].item()
        if (tensor == first).all():
            first = float(f"{first:.7g}")
            given |= {"value": first} if first else {}
        else:
            given |= {"start": "normal", "std": float(f"{tensor.std().item():.2g}")}
        shape = typed(one.sizes[1:] if batch else one.sizes)
        op = Operation(
            one.path,
            "parameter",
            given,
            (),
            _scopes(self.module, node.meta["nn_module_stack"]),
            one.path,
            shape,
            True,
        )
        self.operations.append((op, ""))
        self.shapes[one.path] = shape
        self.owned[one.path] = one.path
        return one.path

    def _add(
        self, node: Any, kind: str, args: dict[str, Any], inputs: list[str], stack: Any, *, tensors: Any = (),
        stateful: bool = False,
    ) -> str:  # fmt: skip
        shapes = tuple(self.shapes[value] for value in inputs)
        if kind in OPS:
            op = _operation(kind, args)
            shape = typed(op.output_shape(*shapes))
            expected = tuple(node.meta["val"].shape)[1:]
            if tuple(shape) != expected:
                raise RefusedError(f"it gives {expected} of a sample, and `{kind}` would give {tuple(shape)}")
            stateful = op.has_state(*shapes)
        else:
            shape = shapes[0]
        owners = {tensor.owner for tensor in tensors}
        for tensor in tensors:
            if self.owned.setdefault(tensor.path, node.name) != node.name:
                raise RefusedError(
                    f"the weights `{tensor.path}` are used twice; shared modules are not imported yet"
                )
        scopes = _scopes(self.module, stack)
        key = list(stack)[-1]
        path = next(iter(owners)) if len(owners) == 1 else None
        made = Operation(node.name, kind, args, tuple(inputs), scopes, path, shape, stateful)
        self.operations.append((made, key))
        self.shapes[node.name] = shape
        return str(node.name)

    def placed(self) -> Iterator[Operation]:
        """The operations, each under the name of its module where that does nothing else."""
        inside = Counter(key for _, key in self.operations)
        for op, key in self.operations:
            last = op.scopes[-1] if op.scopes else None
            if last is None or last.key != key:
                yield op
                continue
            module = self.module.get_submodule(last.path)
            alone = inside[key] == 1 and (not list(module.children()) or op.kind not in OPS)
            yield replace(op, scopes=op.scopes[:-1], path=last.path) if alone else op


def _scopes(module: Any, stack: Any) -> tuple[Scope, ...]:
    from torch import nn

    found = []
    for key, (path, _) in stack.items():
        path = path.partition("@")[0]
        if path:
            own = type(module.get_submodule(path))
            found.append(Scope(key, path, own.__name__, own is nn.Sequential))
    return tuple(found)


def _operation(kind: str, args: dict[str, Any]) -> Any:
    kinds = OPS[kind].arguments()
    return OPS[kind].of({name: kinds[name].parse(value) for name, value in args.items()})


def _place(node: Any) -> str:
    """Where the model says it: the module's path, and the line of its source that is no line of PyTorch's."""
    stack = node.meta.get("nn_module_stack") or {}
    path = list(stack.values())[-1][0] if stack else ""
    lines = [line.strip() for line in (node.meta.get("stack_trace") or "").splitlines()]
    files = [line for line in lines if line.startswith("File ") and "/torch/" not in line]
    if not files:
        return f"in `{path}`" if path else "in forward"
    file, _, rest = files[-1].removeprefix('File "').partition('", line ')
    return f"in `{path or 'the model'}`, {file}:{rest.partition(',')[0]}"


LOST = object()
"""What depends on something that was refused."""
SHAPED = frozenset({"flatten", "view", "reshape", "_unsafe_view", "squeeze", "unsqueeze", "permute", "transpose", "select",
                    "slice", "expand", "chunk", "split", "split_with_sizes"})  # fmt: skip
"""What computes nothing and arranges values anew."""
