"""What a page shows beside the text: picture, table, code, differences, and the curve of the learning rate."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from archspec.analysis.diff import diff
from archspec.analysis.summary import table_rows
from archspec.backends import backend_names, find_mapper
from archspec.compile import look
from archspec.diagnostics import SpecError
from archspec.diagnostics.printable import printable
from archspec.drawing.draw import draw
from archspec.drawing.svg import DARK, STYLE
from archspec.emission.folder import job_fields
from archspec.ir.network import Network
from archspec.loading.program import recipe_of
from archspec.ops import show
from archspec.service.steps import Steps
from archspec.syntax.drafts import reading_drafts
from archspec_play.pages import Page
from archspec_runtime.job.curve import curve
from archspec_runtime.job.job import Job
from archspec_runtime.schedule.timeline import timeline

TWIN, OPENED = "shortcut: none", "as it was opened"
"""What a network is compared with that has no name of its own."""

POINTS = 400
"""Of the curve of the learning rate."""

DEEPEST = 4
"""Levels of the table: a stage, its blocks, their steps, and what is in those."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A view that a page shows, of the network that its document has now."""

    page: Page
    net: Network
    options: Mapping[str, Any]
    opened: str = ""
    """The text as it was opened, or saved last."""


def view(name: str, asked: Asked) -> dict[str, Any]:
    """A view by its name; of what cannot be shown, why."""
    try:
        return VIEWS[name](asked)
    except SpecError as error:
        return {"lacking": [_told(d.message, d.help) for d in error.diagnostics]}


def _told(message: str, help_: str | None) -> dict[str, str]:
    return {"message": printable(message), "help": printable(help_ or "")}


def picture(asked: Asked) -> dict[str, Any]:
    """The network as a tree of SVG, which the page makes elements of, and the styles for light and dark."""
    depth = asked.options.get("depth")
    svg = draw([asked.net], "svg", depth if isinstance(depth, int) and 0 < depth < 10 else None)
    assert isinstance(svg, str)
    return {"tree": tree(svg), "style": STYLE, "dark": DARK}


def tree(svg: str) -> list[Any]:
    """An SVG as nested lists: name, attributes, and what is in it; its styles stand apart."""
    root = _element(ET.fromstring(svg))
    assert root is not None
    return root


def _element(element: ET.Element) -> list[Any] | None:
    name = element.tag.rpartition("}")[2]
    if name == "style":
        return None
    attributes = dict(element.attrib)
    if "data-path" in attributes:
        attributes["data-path"] = re.sub(r"(\d+)-\d+(?=\.|$)", r"\1", attributes["data-path"])
    inner: list[Any] = [element.text] if element.text and element.text.strip() else []
    inner += [each for child in element if (each := _element(child)) is not None]
    return [name, attributes, inner]


def table(asked: Asked) -> dict[str, Any]:
    """The rows of the network, each with the dotted name of the first module that it is of."""
    rows, above = [], list[str]()
    for row in table_rows(asked.net, DEEPEST):
        first = re.sub(r"^(\d+)-\d+$", r"\1", row.name)
        above[row.depth :] = [f"{above[row.depth - 1]}.{first}" if row.depth else first]
        rows.append({
            "path": above[row.depth], "depth": row.depth, "name": printable(row.name), "what": printable(row.what),
            "shape": show(row.shape), "params": row.params, "macs": row.macs,
        })  # fmt: skip
    return {"rows": rows, "params": asked.net.cost.params, "macs": asked.net.cost.macs}


def code(asked: Asked) -> dict[str, Any]:
    """The source that a backend makes of the network, with the steps of its lines."""
    backend = str(asked.options.get("backend", "torch"))
    mapper = find_mapper(backend)
    found, steps = mapper.source_map(asked.net), Steps.of(asked.page.document)
    lines = {line: among for line, spans in found.lines.items() if (among := steps.among(spans))}
    classes = [[first, last, steps.among(spans)] for first, last, spans in found.classes]
    return {"file": mapper.source, "text": found.text, "lines": lines, "classes": classes}


def difference(asked: Asked) -> dict[str, Any]:
    """What differs from another network: its plain twin, the text as it was opened, or a spec by its name."""
    document, other = asked.page.document, str(asked.options.get("other", TWIN))
    if other == TWIN:
        net, found = document.variant({"shortcut": "none"})
    elif other == OPENED:
        with reading_drafts({document.path: asked.opened.encode("utf-8", "surrogatepass")}):
            net, found = look(document.name, presets=False, include=document.workspace.include)
    else:
        beside = other.partition(":")[0].endswith((".yaml", ".yml"))
        where = str(document.path.parent / other) if beside else other
        net, found = look(where, presets=False, include=document.workspace.include)
    errors = [_told(d.message, d.help) for d in found if d.is_error]
    if net is None or errors:
        return {"lacking": errors or [_told("there is no network to compare with", "")]}
    differs = diff(net, asked.net)
    told = {TWIN: f"{net.name} without shortcuts", OPENED: f"{net.name} as it was opened"}.get(other, net.name)
    return {
        "names": [printable(told), printable(asked.net.name)],
        "same": differs.empty,
        "lines": [printable(line) for line in differs.lines],
        "costs": [
            {"name": _COSTS.get(n, n.replace("_", " ")), "before": a, "after": b} for n, a, b in differs.costs
        ],
        "recipe": [{"key": printable(k), "before": _shown(a), "after": _shown(b)} for k, a, b in differs.recipe],
        "picture": {"tree": tree(str(draw([net, asked.net], "svg", 2))), "style": STYLE, "dark": DARK},
    }


_COSTS = {
    "params": "parameters",
    "norm_params": "parameters of norms",
    "macs": "multiply-adds",
    "depth": "layers",
    "modules": "operations",
}


def _shown(value: Any) -> str:
    return "" if value is None else printable(value if isinstance(value, str) else json.dumps(value, default=str))


def schedule(asked: Asked) -> dict[str, Any]:
    """The learning rate over the run, and its phases in words."""
    recipe = recipe_of(asked.net)
    if recipe is None:
        return {"lacking": [_told("the spec has no `train`", "such as `train: {recipe: imagenet_resnet}`")]}
    job = Job.from_dict(job_fields(asked.net))
    found = curve(job, POINTS)
    end = f"step {job.recipe.steps:,}" if job.recipe.steps else f"epoch {job.recipe.epochs:,}"
    return {
        "steps": found.steps, "rates": found.rates, "total": found.total, "epochs": job.recipe.epochs,
        "guessed": found.guessed, "batch": job.recipe.batch_size, "phases": timeline(job.recipe.lr, end, None),
    }  # fmt: skip


VIEWS: Mapping[str, Callable[[Asked], dict[str, Any]]] = {
    "picture": picture,
    "table": table,
    "code": code,
    "difference": difference,
    "schedule": schedule,
}


def backends() -> list[str]:
    """The backends whose code can be read."""
    return sorted(
        backend_names(),
        key=lambda name: ("torch", "flax", "onnx").index(name) if name in ("torch", "flax", "onnx") else 9,
    )
