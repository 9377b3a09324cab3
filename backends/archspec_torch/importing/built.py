"""Operations of a traced model as they are found: their shapes, their tensors, and the modules that they stand in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from archspec.importing import Operation
from archspec.importing.traced import SHARE
from archspec.ops import OPS, Features, typed
from archspec_torch.importing.arrangements import Arranged, settled, whole_value
from archspec_torch.importing.graphs import scopes
from archspec_torch.importing.operations import RefusedError, Tensor


@dataclass
class Built:
    """The operations so far; a value has the name of the operation that gives it."""

    module: Any
    batch: int = 2
    shapes: dict[str, Features] = field(default_factory=dict)
    operations: list[tuple[Operation, str]] = field(default_factory=list)  # each with the key of its innermost call
    owned: dict[str, str] = field(default_factory=dict)  # which node reads a tensor, or the value that it became
    tensors: dict[str, tuple[str, str]] = field(default_factory=dict)  # of operations whose tensor has another name
    renamed: dict[str, str] = field(default_factory=dict)
    in_windows: set[str] = field(default_factory=set)
    settled: dict[Arranged, str] = field(default_factory=dict)
    inserted: set[str] = field(default_factory=set)
    constants: set[str] = field(default_factory=set)  # values that are the same for every sample

    def add(
        self, node: Any, kind: str, args: dict[str, Any], inputs: Sequence[str], stack: Any, *, name: str = "",
        tensors: Any = (), stateful: bool = False, after: str | None = None, sizes: Sequence[int] | None = None,
    ) -> str:  # fmt: skip
        """An operation that a node is, behind another where that is named; the name of its value."""
        shapes, name = tuple(self.shapes[value] for value in inputs), name or str(node.name)
        windows = kind != "unwindow" and (kind == "windows" or any(value in self.in_windows for value in inputs))
        if kind in OPS:
            op = _operation(kind, args)
            shape = typed(op.output_shape(*shapes))
            found = (self.batch, *shape) if not windows else (self.batch * shape[0], *shape[1:])
            if inputs and self.constants.issuperset(inputs):
                self.constants.add(name)
                found = tuple(shape) if sizes is None or len(sizes) == len(shape) else (1, *shape)
            if sizes is not None and tuple(sizes) != found:
                given = tuple(sizes)[1:]
                raise RefusedError(f"it gives {given} of a sample, and `{kind}` would give {tuple(shape)}")
            stateful = op.has_state(*shapes)
        else:
            shape = shapes[0]
        if windows:
            self.in_windows.add(name)
        owners = {tensor.owner for tensor in tensors}
        if (first := self._first(kind, args, [tensor.path for tensor in tensors])) is not None:
            kind, args, owners, stateful = SHARE, {"of": first.result}, set(), True
        for tensor in tensors if first is None else ():
            self.owned[tensor.path] = name
        path = next(iter(owners)) if len(owners) == 1 else None
        made = Operation(name, kind, args, tuple(inputs), scopes(self.module, stack), path, shape, stateful)
        self.operations.insert(self._behind(after), (made, list(stack)[-1]))
        self.shapes[name] = shape
        return name

    def _first(self, kind: str, args: dict[str, Any], paths: Sequence[str]) -> Operation | None:
        """The operation that has these tensors already, and is the same one; None where they are nobody's."""
        owners = {self.owned[path] for path in paths if path in self.owned}
        if not owners:
            return None
        first = next((op for op, _ in self.operations if op.result in owners), None)
        taken = {path for path, owner in self.owned.items() if first is not None and owner == first.result}
        if len(owners) > 1 or first is None or taken != set(paths) or (first.kind, first.args) != (kind, args):
            raise RefusedError(f"the weights `{paths[0]}` are used twice, and not by the same operation")
        return first

    def hole(self, node: Any, name: str, inputs: Sequence[str], shape: Features) -> str:
        """A step that a spec has no words for."""
        stack = node.meta["nn_module_stack"]
        made = Operation(str(node.name), name, {}, tuple(inputs), scopes(self.module, stack), None, shape)
        self.operations.append((made, list(stack)[-1]))
        self.shapes[made.result] = shape
        return made.result

    def _behind(self, after: str | None) -> int:
        if after is None:
            return len(self.operations)
        names = [op.result for op, _ in self.operations]
        place = names.index(after) + 1 if after else 0
        while place < len(names) and names[place] in self.inserted:
            place += 1
        return place

    def whole(self, value: Any) -> Arranged:
        """A value as it lies, to be arranged."""
        if isinstance(value, Arranged):
            return value
        if not isinstance(value, str):
            raise RefusedError("a tensor that no step of a spec gives, arranged anew")
        return whole_value(value, self.shapes[value], self.batch, windows=value in self.in_windows)

    def arranged(self, node: Any, x: Arranged) -> Any:
        """A value that a node arranges: as it was where nothing changed, else to settle where it is used."""
        return self.plain(replace(x, made=(node, self.operations[-1][0].result if self.operations else "")))

    def plain(self, x: Arranged) -> Any:
        """The value itself where nothing of it is arranged."""
        same = x.factor == 1 and x.axes == self.whole(x.of).axes and not any(x.starts)
        return x.of if same else x

    def value(self, node: Any, one: Any) -> str:
        """What a node takes as a value of a spec's: what is arranged by its operations, a parameter by a step of its own."""
        if isinstance(one, str):
            return one
        if isinstance(one, Arranged):
            return self._settle(one)
        if isinstance(one, Tensor):
            return self._parameter(node, one)
        raise RefusedError("applied to values that no step of a spec gives")

    def _settle(self, x: Arranged) -> str:
        if x in self.settled:
            return self.settled[x]
        steps, value = settled(x, windows=x.of in self.in_windows), x.of
        node, after = x.made
        for number, (kind, args) in enumerate(steps):
            name = (
                f"{node.name}_{len(self.inserted)}"
                if number < len(steps) - 1 or node.name in self.shapes
                else node.name
            )
            inputs = [value, self._grid(value)] if kind == "unwindow" else [value]
            value = self.add(node, kind, args, inputs, node.meta["nn_module_stack"], name=name, after=after)
            self.inserted.add(value)
        self.settled[x] = value
        return value

    def _grid(self, value: str) -> str:
        """The grid of tokens that a value in windows was cut from."""
        made = {op.result: op for op, _ in self.operations}
        while made[value].kind != "windows":
            value = next(one for one in made[value].inputs if one in self.in_windows)
        return made[value].inputs[0]

    def call(self, words: Mapping[str, str]) -> None:
        """Give pieces of values the words that they are called by where they need a name."""
        for op, _ in self.operations:
            if op.path is None and not op.stateful and op.result in words:
                op.word = words[op.result]

    def _learned(self, path: str) -> Any:
        """The numbers of a parameter."""
        try:
            return self.module.get_parameter(path).detach()
        except AttributeError:
            raise RefusedError(f"`{path}` is a buffer, and steps of a spec hold no constants") from None

    def _parameter(self, node: Any, one: Tensor) -> str:
        if one.path in self.owned:
            return self.owned[one.path]
        tensor = self._learned(one.path)
        batch = one.sizes[:1] == (1,) and len(one.sizes) > len(node.meta["val"].shape) - 1
        given: dict[str, Any] = {"shape": list(one.sizes), **({"batch": True} if batch else {})}
        start = constant_start(tensor)
        if start is None:
            given |= {"start": "normal", "std": float(f"{tensor.std().item():.2g}")}
        elif start:
            given["value"] = start
        shape = typed(one.sizes[1:] if batch else one.sizes)
        stack = scopes(self.module, node.meta["nn_module_stack"])
        op = Operation(one.path, "parameter", given, (), stack, one.path, shape, True)
        self.operations.append((op, ""))
        self.shapes[one.path] = shape
        self.constants.add(one.path)
        self.owned[one.path] = one.path
        return one.path

    def per_channel(self, node: Any, kind: str, value: str, tensor: Tensor) -> str | None:
        """A learned number for each channel as `scale` or `shift`, whose tensor has a name behind that of the model's."""
        shape = self.shapes[value]
        channels = shape.axis % len(shape) + 1  # the axis, in what PyTorch has
        axis = channels - len(node.meta["val"].shape) + len(tensor.view or tensor.sizes)
        sizes = tensor.view or tensor.sizes
        shared = tensor.sizes == (1,) and shape.channels > 1
        if not shared and (
            axis < 0
            or any(size != 1 for place, size in enumerate(sizes) if place != axis)
            or sizes[axis] != shape.channels
        ):
            return None
        if tensor.path in self.owned:
            raise RefusedError(f"the weights `{tensor.path}` are used twice")
        start = constant_start(self._learned(tensor.path))
        usual = 1.0 if kind == "scale" else 0.0
        args: dict[str, Any] = {"learned": True} if kind == "scale" else {}
        if start is not None and start != usual:
            args["value"] = start
        if shared:
            args["shared"] = True
        name = str(node.name) if str(node.name) not in self.shapes else f"{node.name}_{kind}"
        self.owned[tensor.path] = name
        made = self.add(node, kind, args, [value], node.meta["nn_module_stack"], name=name)
        self.operations[-1] = (replace(self.operations[-1][0], path=tensor.path), self.operations[-1][1])
        self.tensors[name] = (tensor.path, "weight" if kind == "scale" else "bias")
        return made

    def placed(self) -> Iterator[Operation]:
        """The operations, each under the name of its module where that does nothing else."""
        inside = Counter(key for _, key in self.operations)
        for op, key in self.operations:
            last = op.scopes[-1] if op.scopes else None
            alone = last is not None and last.key == key and inside[key] == 1
            if (
                last is not None
                and alone
                and (not list(self.module.get_submodule(last.path).children()) or op.kind not in OPS)
            ):
                op = replace(op, scopes=op.scopes[:-1], path=None if op.kind == SHARE else last.path)
            if op.result in self.tensors:
                tensor, word = self.tensors[op.result]
                self.renamed[f"{op.path}.{word}"] = tensor
            yield op


def constant_start(tensor: Any) -> float | None:
    """The number that all of a tensor has, None where its numbers differ."""
    first = tensor.flatten()[0].item()
    return float(f"{first:.7g}") if (tensor == first).all() else None


def _operation(kind: str, args: dict[str, Any]) -> Any:
    kinds = OPS[kind].arguments()
    return OPS[kind].of({name: kinds[name].parse(value) for name, value in args.items()})
