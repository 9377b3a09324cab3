"""How many input pixels one number of an output depends on, in one direction."""

from __future__ import annotations

from archspec.ir import Block, Chain
from archspec.ir.network import Network
from archspec.ops import Op, Window

Field = tuple[int, int, int, int]  # extent and jump, (height, width) each


def receptive_field(net: Network) -> tuple[int, int]:
    """(height, width) of the input that one pixel of the last image depends on, borders aside.

    Extent and jump grow layer by layer as r + (k - 1) j and j s (Araujo et al., 2019, "Computing Receptive Fields of
    Convolutional Neural Networks"); where paths join, the largest counts. A global pool ends the count.
    """
    extent = _block(net.root, (1, 1, 1, 1))
    return extent[0], extent[1]


def _block(block: Block, entry: Field) -> Field:
    fields: dict[str, Field] = dict.fromkeys((name for name, _ in block.inputs), entry)
    for call in block.calls:
        joined = max((fields[name] for name in call.inputs), default=entry)
        if not call.present:
            fields[call.name] = joined
        elif isinstance(call.target, Op):
            fields[call.name] = _through(call.target.window(), joined)
        elif isinstance(call.target, Chain):
            for run in call.target.runs:
                for _ in range(run.count):
                    joined = _block(run.block, joined)
            fields[call.name] = joined
        else:
            fields[call.name] = _block(call.target, joined)
    return fields[block.output]


def _through(window: Window | None, field: Field) -> Field:
    if window is None:
        return field
    ((kh, kw), (sh, sw)), (height, width, down, right) = window, field
    return height + (kh - 1) * down, width + (kw - 1) * right, down * sh, right * sw
