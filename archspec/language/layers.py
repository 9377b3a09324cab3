"""Layers given by argument: `act: hard_swish`, `norm: {batch_norm: {eps: 0.001}}`, `act: none`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from archspec.language.step import Step
from archspec.ops.arguments import ArgumentError, Kind, describe
from archspec.syntax.nodes import Node

NOTHING = "none"


class Layer(str):
    """What a layer's argument stands for: as a text what is applied and its arguments, which expressions may compare."""

    callee: str
    args: Mapping[str, Node]

    @classmethod
    def of(cls, callee: str, args: Mapping[str, Node]) -> Layer:
        """A layer with the values of its arguments."""
        told = ", ".join(f"{name}: {node.value}" for name, node in args.items())
        made = cls(f"{callee} {{{told}}}" if told else callee)
        made.callee, made.args = callee, args
        return made


@dataclass(frozen=True, slots=True)
class LayerKind(Kind):
    """An operation, a block or a role, with its arguments; or `none`."""

    def parse(self, value: object) -> Layer:
        """A layer as it is: only a binder makes one."""
        if isinstance(value, Layer):
            return value
        help_ = "such as `relu`, `{leaky_relu: {slope: 0.1}}` or `none`"
        raise ArgumentError("AS103", f"expected a layer, not {describe(value)}", help_)

    @property
    def takes_expressions(self) -> bool:
        """A word is a layer's."""
        return False

    @property
    def example(self) -> str:
        """An activation."""
        return "relu"


@lru_cache(maxsize=4096)
def applied(step: Step, layer: Layer) -> Step:
    """A step that applies a layer given by argument; what the step gives itself comes first."""
    return replace(step, callee=layer.callee, args={**layer.args, **step.args})
