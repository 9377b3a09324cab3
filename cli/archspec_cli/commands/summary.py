"""`archspec summary`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from archspec.diagnostics.printable import printable
from archspec_cli.common import As, Format, Include, Preset, Set, Spec, given, load_any
from archspec_cli.console import fail, tell, tell_json

if TYPE_CHECKING:
    from archspec.ir import Output


def summary(
    context: typer.Context,
    spec: Spec,
    sets: Set = None,
    preset: Preset = None,
    include: Include = None,
    depth: Annotated[int, typer.Option(min=1, help="How deep to open blocks; equal blocks are shown once.")] = 3,
    format: As = Format.text,
) -> None:
    """Print the table of modules with shapes, parameters and multiply-adds; repeats are collapsed, in JSON written out.

    SPEC may be the folder of a run: its spec as it ran.

    Examples: archspec summary resnet50 · archspec summary cifar_resnet --set n=9 --depth 2
    """
    from rich.console import Console
    from rich.table import Table

    from archspec.analysis.fine_tuning import frozen_count
    from archspec.analysis.receptive_field import receptive_field
    from archspec.analysis.summary import table_rows
    from archspec.ops import show

    if format is Format.json and given(context, "depth"):
        fail(
            "--depth is how deep the table opens blocks, and JSON has all modules", "leave --depth or --format out"
        )
    net = load_any(spec, sets, preset, include)
    if format is Format.json:
        modules = [
            {"name": r.name, "op": r.op, "output": r.output_shape, "params": r.params, "macs": r.macs}
            | ({"train_only": True} if r.train_only else {})
            for r in net.modules()
        ]
        about = {"name": net.name, "input": net.input_shape, "classes": net.classes, "cost": asdict(net.cost),
                 "receptive_field": receptive_field(net), "modules": modules}  # fmt: skip
        if net.outputs:
            about |= {"outputs": [asdict(o) for o in net.outputs], "training_cost": asdict(net.training_cost)}
        tell_json(about)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("module", no_wrap=True)
    table.add_column("operation", overflow="fold")
    for title in ("output", "parameters", "multiply-adds"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in table_rows(net, depth):
        table.add_row(
            "  " * row.depth + printable(row.name),
            printable(row.what),
            show(row.shape),
            f"{row.params:,}",
            f"{row.macs:,}",
        )
    console = Console(soft_wrap=False, highlight=False)
    if not console.is_terminal:
        console.width = 110
    console.print(f"{printable(net.name)}: {show(net.input_shape)} images{_classes(net.classes)}\n", markup=False)
    console.print(table)
    cost = net.cost
    frozen = frozen_count(net)
    of_frozen = f"frozen         {frozen:,} of the parameters, in training"
    height, width = receptive_field(net)
    of_values = f"attention      {cost.attention_macs:,} multiply-adds for one image: products without weights"
    attention = [of_values] if cost.attention_macs else []
    heads = net.training_cost
    of_heads = f"in training    {heads.macs:,} multiply-adds more, of heads with {heads.params:,} of the parameters"
    training = [of_heads] if heads.modules else []
    tell(
        "",
        f"parameters     {cost.params:,} ({cost.params_without_norm:,} outside normalizations), buffers {cost.buffers:,}",
        f"multiply-adds  {cost.macs:,} for one image: convolutions and linear layers, one multiplication with its addition",
        *([of_frozen] if frozen else []),
        *attention,
        *training,
        f"activations    {cost.activations:,} numbers for one image, in the results of all operations",
        f"depth          {cost.depth:,} convolutions and linear layers on the longest path, without shortcuts and gates",
        f"sees           {height}x{width} pixels before the global pool",
        *(f"output         {_output(output)}" for output in net.outputs),
    )


def _classes(classes: int | None) -> str:
    if classes is None:
        return ""
    return ", 1 class" if classes == 1 else f", {classes:,} classes"


def _output(output: Output) -> str:
    """An output with the value that it gives, its shape, and what training makes of it."""
    from archspec.ops import show

    told = f"{output.name}: {show(output.shape)}, the value `{output.value}`"
    told += f", {output.loss_weight:g} of its loss" if output.loss_weight != 1 else ""
    return told + (", only in training" if output.train_only else "")
