"""Spec to network: blocks are instantiated, stages repeated, and every value gets its shape."""

from __future__ import annotations

from archspec.diagnostics import Diagnostics, Span
from archspec.expansion.append_stages import StageAppender
from archspec.expansion.builder import Graph
from archspec.expansion.context import Context
from archspec.expansion.declarations import Declaration
from archspec.expansion.instances import Instances, names_given
from archspec.expansion.outputs import net_outputs
from archspec.ir import Block, Definition, Output
from archspec.ir.cost import block_cost
from archspec.language.spec import ROLES
from archspec.language.step import Step
from archspec.loading.program import Program
from archspec.loading.resolve import Resolved
from archspec.ops import Image, show
from archspec.syntax.identifiers import class_name, net_class_name

MAX_MODULES = 500_000

_ENDS = (
    "end the head with `{linear: {out: classes}}`",
    "end the head with `global_avg_pool` and `{linear: {out: classes}}`, or name what the net gives: `outputs: {out: VALUE}`",
)


def expand(resolved: Resolved, problems: Diagnostics) -> Program | None:
    """Build the network of a resolved spec; None where there are mistakes, which are recorded."""
    spec, root, before = resolved.spec, resolved.root, problems.errors
    context = Context(resolved, problems)
    context.survey.defaults(context.defaults)
    context.survey.roles_of({role: root.get(role) for role in ROLES})
    declarations = context.library.check_own()
    stem, head = (context.library.parser.steps(root.get(key)) for key in ("stem", "head"))
    shape = Image((spec.input.channels, *spec.input.size))
    names = names_given([*stem, *head]) | {stage.name for stage in spec.stages}
    graph = Graph(context.binder, (("input", shape),), lost=resolved.lost_steps, reserved=names)
    instances = Instances(context)
    instances.steps.append(graph, stem, context.scope)
    StageAppender(context, instances).append(graph)
    instances.steps.append(graph, head, context.scope)
    graph.check_containers()
    outputs = net_outputs(graph, spec, root)
    _check_end(graph, head, context)
    _survey(context, declarations, [*stem, *head])
    if outputs:
        graph.current = next((o.value for o in outputs if not o.train_only), outputs[0].value)
    if problems.errors > before or graph.broken or graph.mistaken or graph.shape is None:
        return None
    block = _root(resolved, graph, outputs)
    if block_cost(block).modules > MAX_MODULES:
        message = f"the net has more than {MAX_MODULES:,} modules"
        problems.add("AS308", message, root.span, "lower what is repeated")
        return None
    return Program(block, spec.classes, spec.init, resolved=resolved)


def _survey(context: Context, declarations: list[Declaration], steps: list[Step]) -> None:
    """Look through all that is written, whether it was reached or not."""
    survey, scope, root = context.survey, context.scope, context.root
    for declaration in declarations:
        survey.declaration(declaration)
        survey.shortcut(declaration.shortcut, scope)
    survey.steps(steps, scope)
    survey.shortcut(root.get("shortcut"), scope)


def _check_end(graph: Graph, head: tuple[Step, ...], context: Context) -> None:
    """See whether the net has steps, and gives a value for each class where it names no outputs."""
    spec, root = context.resolved.spec, context.root
    if spec.classes is None and graph.current == "input" and not (spec.outputs or graph.lost):
        message = "`stem`, `stages` and `head` are missing, so that the net has no steps"
        graph.binder.add("AS102", message, root.span, "add some, and `classes: 1000` where it tells classes apart")
    unnamed = spec.classes is not None and not any(spec.outputs.values()) and not graph.lost
    if unnamed and graph.shape is not None and graph.shape != (spec.classes,):
        message = f"the net gives {show(graph.shape)}, and `classes` is {spec.classes}"
        graph.binder.add("AS406", message, _end(graph, head, context), _ENDS[len(graph.shape) > 1])


def _end(graph: Graph, head: tuple[Step, ...], context: Context) -> Span:
    """Where it is written what the net ends with."""
    root = context.root
    if root.get("head") is not None and not head:
        return root.key_span("head")
    if head:
        return head[-1].span
    return graph.calls[-1].span if graph.calls else root.key_span("classes")


def _root(resolved: Resolved, graph: Graph, outputs: tuple[Output, ...]) -> Block:
    """The block that is the net."""
    spec = resolved.spec
    assert graph.shape is not None
    called = net_class_name(spec.class_name or class_name(spec.name))
    definition = Definition(spec.name, called, spec.doc, (), {}, False)
    args = {} if spec.classes is None else {"classes": spec.classes}
    return Block(definition, args, graph.inputs, tuple(graph.calls), graph.current, graph.shape, outputs=outputs)
