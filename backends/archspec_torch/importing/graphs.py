"""The graph of a module by `torch.export`, and where in the model's source a node comes from."""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

from archspec.importing import Scope
from archspec_runtime.run.progress import said_if_slow
from archspec_torch.importing.failures import failure

GRAPH = "def forward(self, arg0_1"
"""How the source of a graph begins that torch.export prints."""


def exported(module: Any, example: Any) -> Any:
    """The program of a module in training, with stochastic depth wherever it may be. Raises ModelError."""
    import torch

    printed, errors = (
        io.StringIO(),
        sys.stderr,
    )  # by the model, and by torch.export, which prints its graph where it gives up
    try:
        with (
            warnings.catch_warnings(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), _quiet(),
            _dropping(module), said_if_slow("exporting the graph of the model", by=partial(print, file=errors)),
        ):  # fmt: skip
            warnings.simplefilter("ignore")
            found = torch.export.export(module, (example,), strict=False)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the model's own code raises
        why = failure(error, module)
        if GRAPH not in printed.getvalue():
            print(printed.getvalue(), end="", file=errors)
        raise why from None
    print(printed.getvalue(), end="", file=errors)
    return found


@contextlib.contextmanager
def _dropping(module: Any) -> Iterator[None]:
    """With stochastic depth at some rate wherever it is 0, so that blocks which differ in that alone have the same operations."""
    before = []
    for one in module.modules():
        for name in ("p", "drop_prob"):
            if type(one).__name__ in ("StochasticDepth", "DropPath") and getattr(one, name, None) == 0:
                before.append((one, name, getattr(one, name)))
                setattr(one, name, 0.5)
    try:
        yield
    finally:
        for one, name, value in before:
            setattr(one, name, value)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the log of torch.export, which tells again what it raises."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def scopes(module: Any, stack: Any) -> tuple[Scope, ...]:
    """The calls of modules that a node stands in."""
    from torch import nn

    found = []
    for key, (path, _) in stack.items():
        path = path.partition("@")[0]
        if path:
            own = type(module.get_submodule(path))
            found.append(Scope(key, path, own.__name__, own is nn.Sequential))
    return tuple(found)


def _told(node: Any) -> Any:
    """A node that says where it is from: of a part of forward, as one under torch.no_grad(), its first."""
    graphs = [
        getattr(node.graph.owning_module, str(one.target), None)
        for one in node.all_input_nodes
        if one.op == "get_attr"
    ]
    inner = (one for graph in graphs for one in getattr(getattr(graph, "graph", None), "nodes", ()))
    return (
        node if node.meta.get("stack_trace") else next((one for one in inner if one.meta.get("stack_trace")), node)
    )


def place(node: Any) -> str:
    """Where the model says it: the module's path, and the line of its source that is no line of PyTorch's."""
    node = _told(node)
    stack = node.meta.get("nn_module_stack") or {}
    path = list(stack.values())[-1][0] if stack else ""
    lines = [line.strip() for line in (node.meta.get("stack_trace") or "").splitlines()]
    files = [line for line in lines if line.startswith("File ") and "/torch/" not in line]
    if not files:
        return f"in `{path}`" if path else "in forward"
    file, _, rest = files[-1].removeprefix('File "').partition('", line ')
    return f"in {f'`{path}`' if path else 'the model'}, {file}:{rest.partition(',')[0]}"
