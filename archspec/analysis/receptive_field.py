"""How many input pixels one number of an output depends on, in one direction."""

from __future__ import annotations

from archspec.ir import Call
from archspec.ir.network import Network
from archspec.ir.walk import walk
from archspec.ops import Op, Window

Field = tuple[int, int, int, int]  # extent and jump, (height, width) each
_PIXEL: Field = (1, 1, 1, 1)


def receptive_field(net: Network) -> tuple[int, int]:
    """(height, width) of the input that one pixel of the last image depends on, borders aside.

    Extent and jump grow layer by layer as r + (k - 1) j and j s (Araujo et al., 2019, "Computing Receptive Fields of
    Convolutional Neural Networks"); where paths join, the largest counts. A global pool ends the count.
    """
    height, width, _, _ = walk(net.root, [_PIXEL], _after, once=True)
    return height, width


def fields_of(net: Network) -> dict[str, Field]:
    """Extent and jump after every operation, by its dotted name."""
    found: dict[str, Field] = {}

    def after(name: str, call: Call, op: Op, given: tuple[Field, ...]) -> Field:
        found[name] = _after(name, call, op, given)
        return found[name]

    walk(net.root, [_PIXEL], after)
    return found


def _after(name: str, call: Call, op: Op, given: tuple[Field, ...]) -> Field:
    return _through(op.window(), max(given, default=_PIXEL))


def _through(window: Window | None, field: Field) -> Field:
    if window is None:
        return field
    ((kh, kw), (sh, sw)), (height, width, down, right) = window, field
    return height + (kh - 1) * down, width + (kw - 1) * right, down * sh, right * sw
