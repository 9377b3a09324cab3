"""The types of what flows through a net, for one sample: images, tokens and vectors."""

from __future__ import annotations

from typing import ClassVar

Shape = tuple[int, ...]
"""The sizes of a tensor."""


class Features(tuple[int, ...]):
    """The sizes of a value, and of what kind it is: values of two kinds are never of one type."""

    __slots__ = ()
    noun: ClassVar[str]
    axis: ClassVar[int] = 0
    """Where the channels stand in the sizes."""

    @property
    def channels(self) -> int:
        """How many numbers each pixel, each token or the vector has."""
        return self[self.axis]

    def __eq__(self, other: object) -> bool:
        return tuple.__eq__(self, other) is True and (type(other) is type(self) or not isinstance(other, Features))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = tuple.__hash__


class Image(Features):
    """A map (C, H, W)."""

    __slots__ = ()
    noun = "an image"


class Tokens(Features):
    """Vectors in a row (L, D) or in a grid (H, W, D): the channels come last, in every backend."""

    __slots__ = ()
    noun = "tokens"
    axis = -1


class Vector(Features):
    """A vector (C,)."""

    __slots__ = ()
    noun = "a vector"


_KINDS: dict[int, type[Features]] = {1: Vector, 2: Tokens, 3: Image}


def typed(shape: Shape) -> Features:
    """A shape with its type; sizes alone are those of a vector, of tokens or of an image, by their number."""
    return shape if isinstance(shape, Features) else _KINDS.get(len(shape), Tokens)(shape)


def channels(shape: Shape) -> int:
    """The channels of a value."""
    return typed(shape).channels


def show(shape: Shape) -> str:
    """A shape as users see it: 64x56x56, or (512) for a vector."""
    return "x".join(map(str, shape)) if len(shape) > 1 else f"({shape[0]})"
