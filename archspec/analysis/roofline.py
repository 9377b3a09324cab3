"""Roofline of a training step: the time that arithmetic, memory and launches take on an accelerator at the least.

No measurement: what a data sheet promises is never reached. It says what limits a net, and how far from that a run is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from archspec.analysis.accelerators import Accelerator, peak
from archspec.analysis.traffic import Kernel, step_kernels
from archspec.ir.network import Network
from archspec.loading.program import Program

Limit = Literal["arithmetic", "memory", "launches"]


@dataclass(frozen=True, slots=True)
class Bound:
    """The least seconds of a step of so many images: of all arithmetic, of all traffic, of all launches, and in all.

    A kernel takes the longer of its arithmetic and its traffic, and kernels run one after the other, while the host launches
    those to come.
    """

    images: int
    macs: int
    moved: int
    launches: int
    arithmetic: float
    memory: float
    launching: float
    seconds: float
    limit: Limit

    @property
    def images_a_second(self) -> float:
        """The most that the step can take."""
        return self.images / self.seconds


def bound(
    net: Network, recipe: Mapping[str, Any], on: Accelerator, *, fused: bool = False, devices: int = 1
) -> Bound:
    """The bound of a step of a recipe on an accelerator, one of so many that share each batch; talk among them is not counted.

    Raises AcceleratorError where its data sheet has no figure for the recipe's precision.
    """
    images = recipe["batch_size"] // devices
    kernels = step_kernels(net, recipe, fused=fused)
    flops = peak(on, recipe["precision"])
    times = [(2 * kernel.macs * images / flops, _moved(kernel, images) / on.bandwidth) for kernel in kernels]
    busy = {"arithmetic": 0.0, "memory": 0.0}
    for computing, moving in times:
        busy["arithmetic" if computing > moving else "memory"] += max(computing, moving)
    launches = sum(kernel.launches for kernel in kernels)
    launching = launches * on.launch
    on_device = sum(busy.values())
    slower: Limit = "arithmetic" if busy["arithmetic"] > busy["memory"] else "memory"
    return Bound(
        images, sum(kernel.macs for kernel in kernels), sum(_moved(kernel, images) for kernel in kernels), launches,
        sum(computing for computing, _ in times), sum(moving for _, moving in times), launching,
        max(on_device, launching), "launches" if launching > on_device else slower,
    )  # fmt: skip


def as_lines(net: Program, on: Accelerator, devices: int = 1) -> Iterator[str]:
    """The bounds of a net's recipe on an accelerator, as people read them. Raises AcceleratorError."""
    recipe = net.recipe
    assert recipe is not None, "who trains has a recipe"
    precision = recipe["precision"]
    fused = bound(net, recipe, on, fused=True, devices=devices)
    kinds = {"fused": fused}
    if on.launch:  # and otherwise a step is one program, which is always fused
        kinds = {"kernel by kernel": bound(net, recipe, on, devices=devices), "fused": fused}
    where = "one" if devices == 1 else f"each of {devices}"
    flops = f"{peak(on, precision) / 1e12:,.4g} TFLOP/s in {precision}"
    yield f"at most, on {where} {on.name} ({flops}, {on.bandwidth / 1e12:.4g} TB/s; {on.source})"
    for kind, found in kinds.items():
        yield (
            f"  {kind}: {found.images_a_second:,.0f} images/s, {1e3 * found.seconds:.3g} ms a step of {found.images}, "
            f"limited by {found.limit}"
        )
        launches = f"; {found.launches:,} launches {1e3 * found.launching:.3g} ms" if found.launching else ""
        yield (
            f"    {found.macs * found.images:.3g} multiply-adds {1e3 * found.arithmetic:.3g} ms; "
            f"{found.moved / 1e9:,.3g} GB moved {1e3 * found.memory:.3g} ms{launches}"
        )
    if precision in on.derived:
        yield f"  {on.derived[precision]}"
    if on.launch:
        yield f"  a launch taken as {1e6 * on.launch:.0f} microseconds of the host, which no data sheet says"
    yield "  for the net, its loss and its optimizer; images, evaluation and talk among devices are not counted"


def _moved(kernel: Kernel, images: int) -> int:
    return kernel.bytes_an_image * images + kernel.bytes_a_step
