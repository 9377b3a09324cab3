"""The way in which PyTorch's modules are written: what is an attribute, and what stands in `forward`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from archspec.emission.dataflow import is_named, kind_of
from archspec.emission.dialect import Attribute, Dialect
from archspec.emission.outline import Member
from archspec.emission.source import Expression, Invocation, is_literal
from archspec_torch.emit.expressions import EXPRESSIONS, is_image
from archspec_torch.emit.modules import IN_PLACE, IN_SEQUENCE, MODULES, OVERWRITABLE

POOL = "global_avg_pool"


SUPPORTED = frozenset(MODULES) | frozenset(EXPRESSIONS)


class TorchDialect(Dialect):
    """Modules are layers, and images are (N, C, H, W)."""

    array = "Tensor"
    sequence = "nn.Sequential"
    named_sequence = ("nn.Sequential", "OrderedDict")
    module_list = "nn.ModuleList"
    module_dict = "nn.ModuleDict"
    identity = "nn.Identity()"
    inference = "not self.training"
    words = frozenset(
        {
            "torch",
            "F",
            "tapped",
            "center_crop",
            "attention",
            "biased_attention",
            "cosine_attention",
            "relative_coordinates",
            "merge_patches",
            "interleave",
            "windows",
            "unwindow",
            "shift_mask",
            "relative_position_index",
            "relative_position_bias",
            "attention_bias",
        }
    )
    in_sequence = MODULES
    in_place = IN_PLACE
    augmented: ClassVar[Mapping[str, str]] = {"add": "+"}
    overwritable = OVERWRITABLE

    def tapped(self, sequence: str, value: str, names: list[str], numbered: bool) -> Expression:
        """Layers are called by their names, be they numbers."""
        return Invocation("tapped", (sequence, value, *(f'"{name}"' for name in names)))

    def is_kept(self, member: Member) -> bool:
        """All that is not customarily an expression; a constant scale is one, a learned scale and a pool of a name are not."""
        kind = kind_of(member)
        if kind == "scale":
            return is_literal(member.numbers["learned"], True)
        return kind is None or kind in MODULES or (kind == POOL and is_named(member))

    def layer(self, member: Member, in_place: bool) -> Expression:
        """The constructor of a module."""
        kind = kind_of(member) or ""
        name, arguments = (MODULES.get(kind) or IN_SEQUENCE[kind])(member)
        return Invocation(name, (*arguments, "inplace=True") if in_place else tuple(arguments))

    def attribute(self, member: Member, in_place: bool) -> Expression:
        """A global pool is alone what torchvision's `avgpool` is, for whoever hooks into it."""
        if kind_of(member) == POOL:
            return Invocation("nn.AdaptiveAvgPool2d", ("1",))
        return self.layer(member, in_place)

    def reached(self, path: str) -> str:
        """By index in one container; type checkers know nothing of what is in those that it holds."""
        container, *parts = path.split(".")
        if len(parts) > 1:
            return f'get_submodule("{path}")'
        (part,) = parts
        return f"{container}[{part}]" if part.isdigit() else f'{container}["{part}"]'

    def called(self, member: Member, layer: str, values: list[str]) -> Expression:
        """The pixel that a global pool leaves has axes of its own, unless they are kept."""
        pooled = Invocation(layer, tuple(values))
        if kind_of(member) != POOL or is_literal(member.numbers["keep"], True):
            return pooled
        return Invocation("torch.flatten", (pooled, "1"))

    def applied(self, member: Member, values: list[str], attribute: Attribute) -> Expression:
        """The text of an expression."""
        return EXPRESSIONS[kind_of(member) or ""](member, values, attribute)

    def remark(self, member: Member) -> str:
        """Of pixels that are left out."""
        if kind_of(member) != "subsample":
            return ""
        return "every stride-th pixel; the gradient of a slice would not keep the memory format of x"

    def split(self, member: Member, value: str, count: int) -> Expression:
        """The axis of channels is the second of an image, else the last."""
        return Invocation(f"{value}.chunk", (str(count), "dim=1" if is_image(member) else "dim=-1"))

    def stretched(self, constant: str, like: str, rank: int) -> Expression:
        """Of all samples, without a copy."""
        return Invocation(f"{constant}.expand", (f"{like}.shape[0]", *["-1"] * rank))

    def image(self, channels: str, height: str, width: str) -> str:
        """Channels first."""
        return f"(N, {channels}, {height}, {width})"
