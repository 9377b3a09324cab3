"""Stages to chains: the blocks of a stage follow one another, the first with a stride and arguments of its own."""

from __future__ import annotations

from archspec.expansion.builder import Graph
from archspec.expansion.context import Context
from archspec.expansion.declarations import INPUT
from archspec.expansion.instances import Instances
from archspec.expansion.uses import Use, use_in_stage
from archspec.ir import Block, Chain, Run
from archspec.language import Stage
from archspec.language.step import MAX_REPEAT
from archspec.loading.resolve import PLACEHOLDER
from archspec.ops import NOTHING, Features
from archspec.syntax.expressions import Symbol, Value
from archspec.syntax.nodes import Node
from archspec.syntax.simplify import simplified


class StageAppender:
    """Appends the stages of a spec to its graph."""

    def __init__(self, context: Context, instances: Instances) -> None:
        self.context, self.library = context, context.library
        self.binder, self.survey = context.binder, context.survey
        self.instances = instances
        self.stages = context.resolved.spec.stages
        self.blocks = sum(stage.repeat for stage in self.stages)

    def append(self, graph: Graph) -> None:
        """Append all stages."""
        written, before = self.context.root.get("stages"), 0
        nodes = written.value if written is not None and isinstance(written.value, list) else []
        for stage, node in zip(self.stages, nodes, strict=True):
            self._stage(graph, stage, node, before)
            before += stage.repeat

    def _stage(self, graph: Graph, stage: Stage, node: Node, before: int) -> None:
        """Append a stage; `before` is the number of blocks that stand before it in the net."""
        written = node.get("name") or node
        name = graph.name(stage.name, stage.name, written.span)
        if stage.repeat > MAX_REPEAT:
            repeat = node.get("repeat") or node
            message = f"`{name}` repeats {stage.repeat:,} times, more than {MAX_REPEAT:,}"
            self.binder.add("AS308", message, repeat.span, "lower `repeat`")
            graph.fail(name)
            return
        if stage.repeat <= 1:
            self.survey.unused_repeats(node)
        shape, runs, symbols = graph.shape, list[Run](), dict[str, Symbol]()
        varied = any("index" in repr(n.plain()) for n in (node, self.context.defaults) if n)
        use: Use | None = None
        for index in range(stage.repeat):
            where = f"{name}.{index}" if written.origin != PLACEHOLDER else None
            if index < 2:  # the first has a use of its own, and all others one
                use = self._use(node, first=index == 0)
            block, symbols = self._block(use, where, shape, before + index)
            if block is None:
                graph.fail(name)
                return
            if runs and runs[-1].block is block:
                if varied:
                    runs[-1] = Run(block, runs[-1].count + 1)
                    continue
                # from here on every block is like the one before: its input and its arguments are
                runs[-1] = Run(block, stage.repeat - index + 1)
                break
            runs.append(Run(block, 1))
            shape = block.shape
        if runs:
            places, scope = self._places(before), self.context.scope
            known = {k: v for k, v in places.items() if k != "index" or k in scope}
            varying = {k: simplified(s, known) for k, s in symbols.items()} if varied else {}
            graph.append(name, Chain(tuple(runs), varying, before), (graph.current,), node.span)
        else:
            use = self._use(node, first=True)
            self._block(use, None, None, before)  # no block is made, but its arguments are looked at
            graph.append(name, NOTHING, (graph.current,), node.span, present=False)

    def _use(self, node: Node, *, first: bool) -> Use | None:
        use = use_in_stage(node, first, self.library, self.binder)
        if use is not None:
            self.survey.shortcut(use.shortcut, self.context.scope)
        return use

    def _block(
        self, use: Use | None, where: str | None, shape: Features | None, index: int
    ) -> tuple[Block | None, dict[str, Symbol]]:
        if use is None:
            return None, {}
        declaration = self.library.get("blocks", use.name)
        if declaration is not None and (declaration.inputs != INPUT or declaration.outputs):
            what = "takes" if declaration.inputs != INPUT else "gives"
            message = f"`{use.name}` {what} several values by name, and blocks of a stage follow one another"
            self.binder.add("AS307", message, use.given.span, "use it in a step of `stem` or `head`")
            return None, {}
        return self.instances.instance("blocks", use, self._places(index), {"input": shape}, where)

    def _places(self, index: int) -> dict[str, Value]:
        """Where a block stands in the net, counted from 0, and how many there are: for what grows with depth."""
        return {"index": index, "blocks": self.blocks, **self.context.scope}
