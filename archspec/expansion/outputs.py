"""The named outputs of a net: which values of its graph it gives, under which names."""

from __future__ import annotations

from collections.abc import Mapping

from archspec.diagnostics import Related, Span
from archspec.expansion.builder import Graph
from archspec.ir import Output
from archspec.language import Spec
from archspec.language.spec import OutputModel
from archspec.syntax.nodes import Node


def net_outputs(graph: Graph, spec: Spec, root: Node) -> tuple[Output, ...]:
    """The outputs that a spec names, in its order; what is wrong with them is recorded."""
    found: list[Output] = []
    by_value: dict[str, tuple[str, Span]] = {}
    outputs = {name: asked for name, asked in spec.outputs.items() if asked is not None}
    for name, asked in outputs.items():
        key, value = _places(root, name)
        known = graph.value(asked.value, value, "in the net")
        if known is None:
            continue
        if known == "input":
            graph.binder.add("AS314", f"`{name}` is the image itself", value, "name a step of the net")
        elif known in graph.passed:
            message = f"`{known}` is left out by its `when`, and `{name}` would be what it takes"
            graph.binder.add("AS314", message, value, f"take the output out as well: `outputs: {{{name}: null}}`")
        elif known in graph.constants:
            message = f"`{known}` is the same for every sample, and an output is not"
            graph.binder.add("AS314", message, value, "name a step that joins it with values of the samples")
        elif (same := graph.giver(known)) in by_value:
            other, place = by_value[same]
            related = [Related(f"`{other}` is here", place)]
            message = f"`{other}` and `{name}` are outputs of one value, `{same}`"
            graph.binder.add("AS314", message, value, "take one of them out", related)
        elif (shape := graph.values[known]) is not None:
            by_value[same] = name, key
            found.append(Output(name, known, shape, asked.loss_weight, asked.train_only))
    _check_together(graph, outputs, root)
    return tuple(found)


def _check_together(graph: Graph, outputs: Mapping[str, OutputModel], root: Node) -> None:
    """See whether something is left for inference, and whether weights weight anything."""
    if outputs and all(output.train_only for output in outputs.values()):
        span = root.key_span("outputs")
        message = "every output is there only in training, and nothing is left for inference"
        graph.binder.add("AS314", message, span, "take `train_only` out of one")
    if len(outputs) == 1:
        (name,) = outputs
        node = root.get("outputs")
        written = node.get(name) if node is not None else None
        if written is not None and written.get("loss_weight") is not None:
            message = f"`{name}` is the only output, so that `loss_weight` weights nothing"
            graph.binder.add(
                "AS314", message, written.key_span("loss_weight"), "take it out, or name other outputs"
            )


def _places(root: Node, name: str) -> tuple[Span, Span]:
    """Where an output is named, and where its value is."""
    outputs = root.get("outputs")
    written = outputs.get(name) if outputs is not None else None
    if outputs is None or written is None:
        return root.span, root.span
    value = written.get("value") if isinstance(written.value, dict) else written
    return outputs.key_span(name), (value or written).span
