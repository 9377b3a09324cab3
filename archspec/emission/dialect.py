"""What a framework writes in its own way; everything else about a class is the same for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import ClassVar

from archspec.emission.containers import Held
from archspec.emission.outline import BlockClass, Member
from archspec.emission.source import Expression, Invocation
from archspec.ir import Run

Attribute = Callable[[str], str]
"""The source of one of a member's numbers, by the name of the argument."""


class Dialect(ABC):
    """The words of a framework. A backend subclasses it, and the writers ask it."""

    array: ClassVar[str]  # the type of what flows
    sequence: str  # the class of layers applied one after the other
    named_sequence: tuple[str, ...]  # the calls around pairs of a name and a layer that make the same
    module_list: ClassVar[str]  # what holds layers by number
    module_dict: ClassVar[str]  # what holds layers by name
    identity: ClassVar[str]  # the layer that does nothing
    inference: ClassVar[str]  # the condition under which a module is not training
    training_state: ClassVar[str | None] = None  # the statement of a constructor that this needs
    words: ClassVar[Collection[str]]  # names that a forward pass uses, which no variable may take
    in_sequence: ClassVar[Collection[str]]  # operations that can be layers of a sequence
    overwritable: ClassVar[Collection[str]] = ()  # operations whose result may be overwritten
    in_place: ClassVar[Collection[str]] = ()  # activations that can overwrite their input
    augmented: ClassVar[
        Mapping[str, str]
    ] = {}  # operators by operations whose result may take their first input's place

    @abstractmethod
    def is_kept(self, member: Member) -> bool:
        """Whether an operation is kept as a layer and called, rather than written where it is applied."""

    @abstractmethod
    def layer(self, member: Member, in_place: bool) -> Expression:
        """What makes an operation's layer."""

    def attribute(self, member: Member, in_place: bool) -> Expression:
        """What makes the layer that a module keeps under a name, and calls by `called`."""
        return self.layer(member, in_place)

    def tensor_attribute(self, name: str) -> str:
        """The attribute of a tensor that a module keeps itself, as the step that it is."""
        return name

    @abstractmethod
    def reached(self, path: str) -> str:
        """The source behind `self.` of a layer that containers hold, such as that of `convs.0`."""

    def held_type(self, held: Mapping[str, Held]) -> str:
        """The type of a container where type checkers cannot infer it, else nothing."""
        return ""

    def called(self, member: Member, layer: str, values: list[str]) -> Expression:
        """The result of such a layer."""
        return Invocation(layer, tuple(values))

    @abstractmethod
    def applied(self, member: Member, values: list[str], attribute: Attribute) -> Expression:
        """An operation that is not kept, applied to values."""

    @abstractmethod
    def tapped(self, sequence: str, value: str, names: list[str], numbered: bool) -> Expression:
        """A sequence applied to a value, which gives the results of some of its layers before its own."""

    @abstractmethod
    def stretched(self, constant: str, like: str, rank: int) -> Expression:
        """A value that is the same for every sample, for as many as another value has; it has `rank` axes for one sample."""

    @abstractmethod
    def split(self, member: Member, value: str, count: int) -> Expression:
        """A value in so many equal parts of its channels; `member` is the slice that takes one."""

    def remark(self, member: Member) -> str:
        """Why a statement is not what a reader would expect, as a comment above the first; nothing where it is."""
        return ""

    def is_untyped(self, member: Member) -> bool:
        """Whether type checkers know nothing of the result of an operation that is not kept."""
        return False

    @abstractmethod
    def image(self, channels: str, height: str, width: str) -> str:
        """The shape of a batch of images, as docstrings show it."""

    def rolled(self, run: Run, make: Callable[[str], str], indent: int, head: str) -> str | None:
        """What makes equal blocks as one layer that is compiled once, behind `head`; None where they are a sequence.

        `make` gives what makes a block, behind a head of its own.
        """
        return None

    def more_parameters(self, cls: BlockClass) -> list[str]:
        """Parameters of constructors that only this framework has."""
        return []

    def more_arguments(self, cls: BlockClass) -> list[str]:
        """The arguments for them, where a class is used."""
        return []
