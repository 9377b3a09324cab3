"""The nodes of an exported graph, one after the other, as operations of archspec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from archspec.importing import Operation
from archspec.importing.traced import INPUT
from archspec.ops import ArgumentError, Features, Image, ShapeError, Tokens, typed
from archspec.syntax.identifiers import output_name_fault
from archspec_torch.importing.arrangements import Arranged, merged_patches
from archspec_torch.importing.attending import Scores, attention, product, scaled
from archspec_torch.importing.built import Built
from archspec_torch.importing.failures import unsaid
from archspec_torch.importing.graphs import place
from archspec_torch.importing.holes import Holes
from archspec_torch.importing.operations import SAME, TABLE, RefusedError, Tensor
from archspec_torch.importing.shaping import SHAPED, of_tensor
from archspec_torch.importing.whole import Whole

MODES = {"batch_norm": 5, "dropout": 2}
"""Where operations say whether the model trains."""

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
            what = "the result" if node.op == "output" else node.target
            told = f"{what}: {why} ({place(node)})"
            self.refused.append(told)
            value = None
            if node.op != "output":  # what follows is read as well
                line = place(node).rpartition(", ")[2]
                value = self.holes.begin(self.built, node, self._values_into(node), (f"{what}: {why}", line), told)
        self.values[node] = value

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
        if kind == "window_attention" and args["size"] >= max(self.built.shapes[source][:2]):
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
        if isinstance(args[0], Tensor) and own == "add":  # the count of a batch normalization
            return args[0]
        kwargs = {
            k: v for k, v in kwargs.items() if k not in ("memory_format", "dtype", "device", "layout", "pin_memory")
        }
        if own in SAME:
            return args[0]
        result = self._shaped(node, own, args) if own in SHAPED else self._computed(node, own, args, kwargs)
        if isinstance(result, tuple):
            kind, given, inputs = result
            joins = kind in ("add", "mul", "concat", "sub", "div")
            tensors = [] if joins else [one for one in args if isinstance(one, Tensor)]
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
        if isinstance(x, Tensor):
            return of_tensor(x, name, sizes)
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

    def _computed(self, node: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if name in ("add", "sub", "mul", "div"):
            return self._arithmetic(node, name, args, kwargs)
        if name in ("cat", "concat", "concatenate"):
            return self._joined(node, args)
        if name == "scaled_dot_product_attention":
            return attention(self.built, node, args, kwargs)
        if name in ("matmul", "bmm"):
            return product(self.built, node, *args[:2])
        if name == "addcmul" and kwargs.get("value", 1) == 1:
            return self._sum_of_product(node, *args[:3])
        if isinstance(args[0], Scores):
            return self._of_scores(name, args)
        if name == "softmax":
            x = self.built.value(node, args[0])
            shape = self.built.shapes[x]
            if args[1] not in (-1, len(shape)) or isinstance(shape, Image):
                raise RefusedError("a softmax over another axis than the channels'")
            return "softmax", {}, [x]
        if name in ("mean", "amax"):
            return self._over(node, name, args)
        if name not in TABLE:
            raise RefusedError("archspec has no such operation")
        if not self.training and name in MODES and len(args) > MODES[name]:
            args[MODES[name]] = True  # in evaluation all of them do nothing, or take what they have learned
        if not isinstance(args[0], (str, Arranged)):
            raise RefusedError("applied to values that no step of a spec gives")
        return TABLE[name](self.built.value(node, args[0]), *args[1:], **kwargs)

    def _of_scores(self, name: str, args: list[Any]) -> Any:
        if name == "softmax" and args[1] in (-1, 3):
            return replace(args[0], weights=True)
        if name == "dropout" and (not args[1] or not args[2]):
            return args[0]
        raise RefusedError("an attention whose scores are more than products with a softmax")

    def _arithmetic(self, node: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        one, other = args[:2]
        if kwargs.get("alpha", 1) != 1 or len(args) > 2:
            raise RefusedError("an addition with a factor")
        if name in ("mul", "div") and isinstance(other, (int, float)):
            factor = float(other) if name == "mul" else 1 / other
            if isinstance(one, (Arranged, Scores)):
                return scaled(one, factor)
            if isinstance(one, str):
                return "scale", {"value": factor}, [one]
        if not all(isinstance(each, (str, Tensor, Arranged)) for each in (one, other)):
            raise RefusedError("arithmetic with a constant that archspec has no step for")
        x, tensor = (other, one) if isinstance(one, Tensor) else (one, other)
        if name in ("add", "mul") and isinstance(tensor, Tensor) and isinstance(x, (str, Arranged)):
            x = self.built.value(node, x)
            if (made := self._with_tensor(node, name, x, tensor)) is not None:
                return made
            if tensor.view is not None:
                raise RefusedError("a parameter in other axes than its own")
        return name, {}, [one, other]

    def _sum_of_product(self, node: Any, summand: Any, one: Any, other: Any) -> Any:
        """A summand and a product of two, as one function of PyTorch."""
        made = self._arithmetic(node, "mul", [one, other], {})
        if isinstance(made, tuple):
            values = [self.built.value(node, value) for value in made[2]]
            made = self.built.add(node, "mul", {}, values, node.meta["nn_module_stack"], name=f"{node.name}_mul")
        return self._arithmetic(node, "add", [summand, made], {})

    def _with_tensor(self, node: Any, name: str, x: str, tensor: Tensor) -> str | None:
        """A number for each channel, where the language has no tensor of that shape beside such values."""
        shape = self.built.shapes[x]
        own = typed(
            tensor.sizes[1:] if tensor.sizes[:1] == (1,) and len(tensor.sizes) > len(shape) else tensor.sizes
        )
        says = (
            tensor.view is None
            and type(own) is type(shape)
            and (own == shape or (name == "mul" and len(own) == len(shape)))
        )
        return None if says else self.built.per_channel(node, "scale" if name == "mul" else "shift", x, tensor)

    def _joined(self, node: Any, args: list[Any]) -> Any:
        values, axis = args[0], args[1] if len(args) > 1 else 0
        if len(values) == 1:
            return values[0]
        if (grid := merged_patches(values, axis)) is not None:
            return "merge_patches", {}, [grid]
        if not any(isinstance(one, (str, Arranged)) for one in values):
            raise RefusedError("parameters that are joined")
        values = [one if isinstance(one, Tensor) else self.built.value(node, one) for one in values]
        shape = self.built.shapes[next(one for one in values if isinstance(one, str))]
        axis = axis % (len(shape) + 1) - 1
        if axis == shape.axis % len(shape):
            return "concat", {}, values
        if isinstance(shape, Tokens) and len(shape) == 2 and axis == 0:
            return "concat", {"over": "places"}, values
        raise RefusedError(f"a concatenation over axis {axis + 1}")

    def _over(self, node: Any, name: str, args: list[Any]) -> Any:
        x, axes = self.built.value(node, args[0]), args[1] if len(args) > 1 else None
        shape: Features = self.built.shapes[x]
        if x in self.built.in_windows or axes is None or not axes:
            raise RefusedError("a mean over more than a sample")
        over = {axis % (len(shape) + 1) - 1 for axis in axes}
        keep = {"keep": True} if len(args) > 2 and args[2] else {}
        channels = shape.axis % len(shape)
        if over == {i for i in range(len(shape)) if i != channels}:
            pool = isinstance(shape, Image) and name == "mean"
            return "global_avg_pool" if pool else name, keep, [x]
        if over == {channels} and keep:
            return name, {"over": "channels", **keep}, [x]
        raise RefusedError(f"a {name} over axes {sorted(axis + 1 for axis in over)}")
