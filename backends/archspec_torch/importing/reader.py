"""The nodes of an exported graph, one after the other, as operations of archspec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any

from archspec.importing import Operation
from archspec.importing.traced import INPUT
from archspec.ops import ArgumentError, Image, ShapeError, typed
from archspec.syntax.identifiers import output_name_fault
from archspec_torch.importing.arrangements import Arranged
from archspec_torch.importing.attending import Scores, of_scores
from archspec_torch.importing.built import Built
from archspec_torch.importing.computed_weights import Computed, tensors_in
from archspec_torch.importing.failures import shortened, unsaid
from archspec_torch.importing.functions import computed
from archspec_torch.importing.graphs import place
from archspec_torch.importing.holes import Holes
from archspec_torch.importing.lookups import Lookup, looked_up
from archspec_torch.importing.mixtures import Shares
from archspec_torch.importing.operations import SAME, RefusedError, Tensor
from archspec_torch.importing.shaping import SHAPED, of_tensor
from archspec_torch.importing.whole import Whole

UNREAD = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What reading the arguments of an operation raises where there are others than it is read with."""

LOST = object()
"""What depends on something that was refused."""


@dataclass
class Reader:
    """The reading of a graph: what each node gives, and what was refused."""

    module: Any
    program: Any
    result_names: Callable[[int], list[str]]
    whole: Callable[[str, str], Whole | RefusedError | None]  # what a call of a module is, by its key and its path
    training: bool = True  # whether the graph is that of a model that trains
    built: Built = field(init=False)
    values: dict[Any, Any] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    constants: frozenset[str] = frozenset()
    outputs: dict[str, str] = field(default_factory=dict)
    wholes: dict[str, Any] = field(default_factory=dict)
    holes: Holes = field(default_factory=Holes)

    def read(self) -> None:
        """All nodes; what cannot be said is in `refused`, and what depends on it is passed over."""
        signature, nodes = self.program.graph_signature, list(self.program.graph.nodes)
        self.built = Built(self.module)
        tensors = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        self.constants = frozenset(signature.inputs_to_lifted_tensor_constants)
        spans = self._spans(nodes)
        for number, node in enumerate(nodes):
            if node.op == "placeholder":
                if node.name in tensors:
                    self.values[node] = Tensor(tensors[node.name], tuple(node.meta["val"].shape))
                elif node.name not in self.constants:
                    self.values[node] = INPUT
                    self.built.batch, *sizes = node.meta["val"].shape
                    self.built.shapes[INPUT] = Image(sizes)
            elif node.op == "output":
                self._finish(node, signature)
            elif (key := self._whole(node)) is not None:
                if number == spans[key][-1]:
                    self._attempt(node, lambda node=node, key=key: self._as_whole(node, key, nodes, spans[key]))
            elif node.op in ("call_function", "get_attr"):
                self._attempt(node, lambda node=node: self._convert(node))

    def _finish(self, node: Any, signature: Any) -> None:
        given = [one for one in node.args[0] if getattr(one, "name", None) in signature.user_outputs]
        names = self.result_names(len(given))
        for name, one in zip(names, given, strict=True):
            if (value := self.values.get(one)) is not None:
                self._attempt(node, lambda one=one, value=value: self.built.value(one, value))
                if isinstance(self.values[node], str):
                    self.outputs[name] = self.values[node]
        if not self.outputs and not self.refused:
            self.refused.append(
                "forward returns nothing that is computed of the images: it has to return a tensor, or several by name"
            )
        if len(set(names)) < len(names) or any(name and output_name_fault(name) for name in names):
            self.refused.append(
                f"the model gives {len(names)} results in training, which have no names for outputs"
            )

    def _spans(self, nodes: list[Any]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, node in enumerate(nodes):
            for key, (path, _) in (node.meta.get("nn_module_stack") or {}).items():
                if key not in self.wholes:
                    self.wholes[key] = self.whole(key, path.partition("@")[0])
                if self.wholes[key] is not None:
                    found.setdefault(key, []).append(number)
        return found

    def _whole(self, node: Any) -> str | None:
        """The outermost call of a module around a node that is one operation as a whole."""
        stack = node.meta.get("nn_module_stack") or {}
        return next((key for key in stack if self.wholes.get(key) is not None), None)

    def _attempt(self, node: Any, convert: Any) -> None:
        try:
            value = convert()
            if value is None:
                value = self.holes.go_on(self.built, node, self._values_into(node))
        except (RefusedError, ShapeError, ArgumentError) as why:
            value = self._refuse(node, str(why))
        except UNREAD as error:
            value = self._refuse(node, f"arguments that archspec does not read ({type(error).__name__}: {error})")
        self.values[node] = value

    def _refuse(self, node: Any, why: str) -> str | None:
        """Record that a node cannot be said; what stands in its place for what follows, which is read as well."""
        target = node.target.__name__ if isinstance(node.target, FunctionType) else node.target
        what = shortened(f"{'the result' if node.op == 'output' else target}: {why}")
        told = f"{what} ({place(node)})"
        self.refused.append(told)
        if node.op == "output":
            return None
        line = place(node).rpartition(", ")[2]
        return self.holes.begin(self.built, node, self._values_into(node), (what, line), told)

    def _values_into(self, node: Any) -> list[Any]:
        """The values that a node takes, without parameters and what was lost."""
        found = [self.values.get(one) for one in node.all_input_nodes]
        return [one for one in found if isinstance(one, (str, Arranged))]

    def _as_whole(self, node: Any, key: str, nodes: list[Any], span: list[int]) -> str | None:
        if isinstance(self.wholes[key], RefusedError):
            raise self.wholes[key]
        inside = [nodes[number] for number in span]
        taken = dict.fromkeys(
            self.values.get(one) for each in inside for one in each.all_input_nodes
            if one not in inside and not isinstance(self.values.get(one), Tensor) and one.op != "get_attr"
            and not (one.op == "placeholder" and one not in self.values)
        )  # fmt: skip
        if None in taken:
            return None
        given = [one for one in inside if any(user not in inside for user in one.users) and "val" in one.meta]
        given = [one for one in given if tuple(one.meta["val"].shape)]
        if len(taken) != 1 or len(given) != 1 or not isinstance(next(iter(taken)), (str, Arranged)):
            raise RefusedError(
                f"it takes {len(taken)} values and gives {len(given)}, where one of each is expected"
            )
        kind, args = self.wholes[key]
        stack = dict(node.meta["nn_module_stack"])
        around = dict(list(stack.items())[: list(stack).index(key) + 1])
        source = self.built.value(node, next(iter(taken)))
        if kind.endswith("window_attention") and args["size"] >= max(self.built.shapes[source][:2]):
            args = {**args, "shift": 0}  # one window holds all
        sizes = None if kind == "drop_path" else given[0].meta["val"].shape
        result = self.built.add(given[0], kind, args, [source], around, stateful=kind != "drop_path", sizes=sizes)
        self.values[given[0]] = result
        return result

    def _convert(self, node: Any) -> Any:
        if node.op == "get_attr":
            return None
        if (why := unsaid(node.target)) is not None:
            raise RefusedError(why)
        args = [self._value(one) for one in node.args]
        kwargs = {name: self._value(one) for name, one in node.kwargs.items()}
        if any(one is LOST for one in (*args, *kwargs.values())):
            return None
        name = str(node.target)
        if "getitem" in name:
            return self._piece(node, *args)
        name = name.removeprefix("aten.").partition(".")[0]
        own = name.removesuffix("_")
        if isinstance(args[0], Tensor) and own == "add" and args[1] == 1:  # the count of a batch normalization
            return args[0]
        kwargs = {
            k: v for k, v in kwargs.items() if k not in ("memory_format", "dtype", "device", "layout", "pin_memory")
        }
        if own in SAME:
            return args[0]
        result = (
            self._shaped(node, own, args)
            if own in SHAPED
            else computed(self.built, node, own, args, kwargs, training=self.training)
        )
        if isinstance(result, tuple):
            kind, given, inputs = result
            joins = kind in ("add", "mul", "concat", "sub", "div")
            tensors = [] if joins else list(tensors_in(args))
            values = [self.built.value(node, one) for one in inputs]
            result = self.built.add(node, kind, given, values, node.meta["nn_module_stack"], tensors=tensors,
                                    sizes=node.meta["val"].shape)  # fmt: skip
        if name.endswith("_") and node.args:
            self.values[node.args[0]] = result
        return result

    def _value(self, given: Any) -> Any:
        if isinstance(given, (list, tuple)):
            inner = [self._value(one) for one in given]
            return LOST if any(one is LOST for one in inner) else inner
        if not hasattr(given, "meta"):
            return given
        if given.name in self.constants or given.op == "get_attr":
            raise RefusedError("a constant tensor in forward, and steps of a spec hold no constants")
        found = self.values.get(given)
        return LOST if found is None else found

    def _shaped(self, node: Any, name: str, args: list[Any]) -> Any:
        sizes = node.meta["val"]
        sizes = tuple(tuple(one.shape) for one in sizes) if isinstance(sizes, (list, tuple)) else tuple(sizes.shape)
        x, *rest = args
        if isinstance(x, Scores):
            return of_scores(self.built, node, name, args)
        if isinstance(x, Lookup):
            return looked_up(self.built, node, x, rest)
        if isinstance(x, Shares):
            return replace(x, logits=SHAPED[name](x.logits, rest, sizes))
        if isinstance(x, Tensor):
            return of_tensor(x, name, sizes)
        if isinstance(x, Computed):
            return x  # in axes that are looked at where they are used
        if isinstance(x, str) and (pool := self._pool(x, node, sizes)) is not None:
            pool.args = {key: value for key, value in pool.args.items() if key != "keep"}
            pool.shape = self.built.shapes[x] = typed(sizes[1:])
            return x
        try:
            found = SHAPED[name](self.built.whole(x), rest, sizes)
        except RefusedError:
            if not isinstance(x, Arranged):
                raise
            found = SHAPED[name](self.built.whole(self.built.value(node, x)), rest, sizes)
        if isinstance(found, list):
            return [self.built.arranged(node, one) for one in found]
        return self.built.arranged(node, found)

    def _pool(self, value: str, node: Any, sizes: Any) -> Operation | None:
        """The mean over all pixels that a node alone takes, and makes a vector of."""
        shape = self.built.shapes[value]
        if not isinstance(shape, Image) or tuple(sizes[1:]) != (shape.channels,) or len(node.args[0].users) > 1:
            return None
        op = next((op for op, _ in self.built.operations if op.result == value), None)
        return op if op is not None and op.kind == "global_avg_pool" else None

    def _piece(self, node: Any, parts: Any, index: Any) -> Any:
        if not isinstance(parts, list):
            raise RefusedError("a piece of what archspec does not split")
        found = parts[index]
        return replace(found, made=(node, found.made[1])) if isinstance(found, Arranged) else found
