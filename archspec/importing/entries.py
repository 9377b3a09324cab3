"""Steps as a spec writes them: a name, what is applied with which arguments, and where it takes its values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from archspec.importing.traced import INPUT, SHARE
from archspec.ops import OPS, Activation

SAME_AS_BEFORE: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A step of a spec; `chain` are the steps of one that applies none of its own."""

    name: str | None
    kind: str
    args: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = SAME_AS_BEFORE  # where they are not what the step before gives
    chain: tuple[Entry, ...] | None = None
    stateful: bool = False
    shape: tuple[int, ...] = ()  # of what it gives

    @property
    def is_activation(self) -> bool:
        """Whether it is one of the nonlinearities that stand for each other."""
        return self.chain is None and self.kind in ACTIVATIONS and not self.args

    def skeleton(self) -> object:
        """All that two instances of one block have in common."""
        inner = None if self.chain is None else tuple(entry.skeleton() for entry in self.chain)
        return self.name, "act" if self.is_activation else self.kind, self.inputs, inner

    def slots(self) -> Iterator[tuple[tuple[Any, ...], Any]]:
        """What may differ between instances, by its place: arguments, and which activation it is."""
        if self.is_activation:
            yield ("act",), self.kind
        for name, value in self.args.items():
            yield (name,), value
        for place, entry in enumerate(self.chain or ()):
            yield from (((place, *key), value) for key, value in entry.slots())

    def filled(self, values: Mapping[tuple[Any, ...], Any]) -> Entry:
        """With other values in its slots; None leaves an argument to its default."""
        kind = self.kind
        if ("act",) in values and self.is_activation:
            kind = values["act",]
        names = {key[0] for key in values if len(key) == 1 and isinstance(key[0], str)} - {"act"}
        args = {
            name: values[name,] for name in [*self.args, *sorted(names - self.args.keys())] if (name,) in values
        }
        chain = self.chain and tuple(
            entry.filled({key[1:]: value for key, value in values.items() if key[0] == place})
            for place, entry in enumerate(self.chain)
        )
        return replace(self, kind=kind, args={k: v for k, v in args.items() if v is not None}, chain=chain)

    def written(self) -> Any:
        """The step as a spec has it."""
        if self.chain is not None:
            content: Any = [entry.written() for entry in self.chain]
        elif self.kind == SHARE:
            content = {SHARE: self.args["of"]}
        elif self.args:
            content = {self.kind: dict(self.args)}
        else:
            content = self.kind
        if self.inputs:
            source = self.inputs[0] if len(self.inputs) == 1 else list(self.inputs)
            named = {self.name: content} if self.name else content if isinstance(content, dict) else {content: {}}
            return {**named, "from": source}
        return {self.name: content} if self.name else content


ACTIVATIONS = frozenset(kind for kind, op in OPS.items() if issubclass(op, Activation))

__all__ = ["ACTIVATIONS", "INPUT", "Entry"]
