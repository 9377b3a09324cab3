"""Building the graph of one block, call by call, with the shape of each value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from archspec.diagnostics import Related, Span
from archspec.diagnostics.fixes import respelling
from archspec.diagnostics.spelling import did_you_mean
from archspec.expansion.binding import Binder
from archspec.expansion.given import Given
from archspec.ir import STEPS, Block, Call, Chain, Role
from archspec.ir.constants import gives_constant, keeps_constants
from archspec.ir.owners import tensors
from archspec.language.step import Step
from archspec.ops import OPS, Features, Op, ShapeError, show, typed
from archspec.ops.starts import Starts
from archspec.syntax.expressions import Expr, Symbol, Value
from archspec.syntax.identifiers import containers, step_name_fault
from archspec.syntax.nodes import Node


def takes_nothing(callee: str) -> bool:
    """Whether a step applies an operation that has no inputs."""
    return callee in OPS and OPS[callee].inputs == (0, 0)


@dataclass(slots=True)
class Graph:
    """A block in the making: its values by name, None for one that a mistake left without a shape."""

    binder: Binder
    inputs: tuple[tuple[str, Features], ...]
    positional: bool = False
    values: dict[str, Features | None] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    current: str = "input"
    broken: bool = False
    mistaken: bool = False  # something in it is wrong that leaves its shapes as they would be
    named: dict[str, tuple[str, Span]] = field(default_factory=dict)  # what has a name, by that without case
    counts: dict[str, int] = field(default_factory=dict)  # how many unnamed steps there are of each operation
    reserved: frozenset[str] = frozenset()  # the names that the spec gives to steps
    constants: set[str] = field(default_factory=set)  # values that are the same for every sample
    passed: dict[str, str] = field(default_factory=dict)  # the call that really gives the value of an absent one
    unmet: list[Expr] = field(default_factory=list)  # the conditions of steps that are absent from a chain
    written: dict[str, tuple[Step, Mapping[str, Value], Mapping[str, Expr]]] = field(default_factory=dict)
    """The steps that were appended by name, with what their expressions see."""
    spelt: set[str] = field(default_factory=set)  # names of calls that the spec says
    containers: dict[str, dict[str, Span]] = field(default_factory=dict)  # what paths have below each, and where
    lost: bool = False  # values are missing that the spec has, so that nobody knows which names are wrong

    def __post_init__(self) -> None:
        self.values.update(self.inputs)

    @property
    def shape(self) -> Features | None:
        """The shape of the value that the next step takes."""
        return self.values[self.current]

    def giver(self, value: str) -> str:
        """The call that really gives a value: an absent one passes its input on."""
        return self.passed.get(value, value)

    def sources(self, step: Step) -> tuple[str, ...] | None:
        """The values that a step takes: those it names, else the current one; None where one is unknown."""
        if step.sources is None:
            return () if takes_nothing(step.callee) else (self.current,)
        found = [
            self.value(name, span, "before this step")
            for name, span in zip(step.sources, step.source_spans, strict=True)
        ]
        return tuple(name for name in found if name is not None) if None not in found else None

    def value(self, name: str, span: Span, where: str) -> str | None:
        """The value that is called so, `features.3` being that of a step in a chain; None where there is none."""
        if name in self.values or self._tap(name):
            return name
        outer, inner = self._parted(name)
        chain = self._chain(outer) or self._giving(outer)
        if chain is not None and inner == chain.output:
            return outer
        if not self.lost and self.values.get(outer, ...) is not None:
            inside = [(c.name, b) for c in self.calls if (b := self._chain(c.name)) is not None]
            known = [*self.values, *(f"{name}.{step.name}" for name, block in inside for step in block.calls)]
            hidden = self._hidden(outer, inner) or self._held(name)
            help_ = hidden or did_you_mean(name, known) or "name a step that comes before, in the same block"
            fix = None if hidden else respelling(span, name, known)
            self.binder.add("AS306", f"there is no value `{name}` {where}", span, help_, fix=fix)
        return None

    def _parted(self, name: str) -> tuple[str, str]:
        """The name of a value, which may be a path, and what is named inside of it: `convs.1.0` as `convs.1` and `0`."""
        outer = next((path for path in reversed(containers(name)) if path in self.values), name.partition(".")[0])
        return outer, name[len(outer) + 1 :]

    def _held(self, name: str) -> str | None:
        """Which steps a container holds, where the name is that of one."""
        steps = [value for value in self.values if value.startswith(f"{name}.")]
        return f"`{name}` holds steps: name one of them, such as `{steps[0]}`" if steps else None

    def _giving(self, name: str) -> Block | None:
        """The block of this name that gives several values."""
        target = next((call.target for call in self.calls if call.name == name), None)
        return target if isinstance(target, Block) and target.taps else None

    def results(self, outputs: Sequence[Node]) -> tuple[str, ...]:
        """Have the block give the steps that it lists: the first is its value, the others are returned."""
        names = dict.fromkeys(str(each.value) for each in outputs)
        for each in outputs:
            name = str(each.value)
            call = next((c for c in self.calls if c.name == name and c.present), None)
            if call is not None and name not in self.constants and self.values[name] is not None:
                continue
            self.broken = True
            if name in self.constants:
                message = f"`{name}` is the same for every sample, and an output is not"
                self.binder.add("AS314", message, each.span, "name a step that joins it with values of the samples")
                continue
            if self.values.get(name, ...) is None:  # whose mistake is recorded
                continue
            if name in self.passed:
                help_ = "take the output out, or the `when`"
                self.binder.add("AS314", f"`{name}` is left out by its `when`", each.span, help_)
            else:
                steps = [call.name for call in self.calls]
                help_ = did_you_mean(name, steps) or "an output is a step of the block's own"
                fix = respelling(each.span, name, steps)
                self.binder.add("AS306", f"there is no step `{name}` in the block", each.span, help_, fix=fix)
        if names and not self.broken:
            self.current, *taps = names
            return tuple(taps)
        return ()

    def _chain(self, name: str) -> Block | None:
        """The chain of this name, whose steps stand in the spec where it does."""
        target = next((call.target for call in self.calls if call.name == name), None)
        return target if isinstance(target, Block) and target.definition.class_name == STEPS else None

    def _tap(self, name: str) -> bool:
        """Have a chain give the value of one of its steps as well; whether there is such a step before its last."""
        outer, inner = self._parted(name)
        chain = self._chain(outer)
        step = chain.call(inner) if chain is not None else None
        conditional = any(call.name == outer and call.when is not None for call in self.calls)
        if chain is None or step is None or inner == chain.output or conditional:
            return False
        taps = {*chain.taps, inner}
        tapped = replace(chain, taps=tuple(c.name for c in chain.calls if c.name in taps))
        if id(chain) in self.binder.mistaken:
            self.binder.mistaken.add(id(tapped))
        self.calls = [replace(c, target=tapped) if c.name == outer else c for c in self.calls]
        self.values[name] = step.shape
        return True

    def _hidden(self, outer: str, inner: str) -> str | None:
        """Why what stands inside of a value cannot be used around it; None where nothing of this name does."""
        call = next((call for call in self.calls if call.name == outer), None)
        if call is None or not inner:
            return None
        if isinstance(call.target, Chain):
            return f"the blocks of a stage are no values: split `{outer}` in two, and name the first"
        if (block := self._giving(outer)) is not None:
            given = ", ".join(f"`{outer}.{name}`" for name in (block.output, *block.taps))
            return f"what `{outer}` gives is {given}"
        if (chain := self._chain(outer)) is None:
            return f"what is inside of `{outer}` is its own: only steps of a chain in the spec are values"
        if call.when is not None:
            return f"`{outer}` has a `when`, and is not always there: take that out"
        step = inner.partition(".")[0]
        if step != inner and chain.call(step) is not None:
            return f"what is inside of `{outer}.{step}` is its own: name a step of `{outer}` itself"
        return None

    def name(self, wanted: str | None, base: str, span: Span) -> str:
        """The name of a call: as wanted, else its number in a chain, else its operation and which without a name this is."""
        if wanted is not None:
            if wanted in self.values:
                _, place = self.named.get(wanted.lower(), (wanted, None))
                message = f"`{wanted}` names two modules of one block"
                if place == span:  # of a step that is repeated
                    help_ = (
                        "give each repetition a name of its own: in braces, `i` counts them, as in `layer{i + 1}`"
                    )
                    self.binder.add("AS107", message, span, help_)
                else:
                    related = [Related(f"the other `{wanted}` is here", place)] if place is not None else []
                    self.binder.add("AS107", message, span, "rename one of them", related)
            else:
                self._placed(wanted, span)
            if "-" in wanted and not self.positional:
                help_ = f"only the steps of a chain may; write `{wanted.replace('-', '_')}`"
                self.binder.add("AS106", f"`{wanted}` has a hyphen", span, help_)
            self._tell_apart(wanted, span)
            self.spelt.add(wanted)
            return wanted
        if self.positional:
            return str(len(self.calls))
        number = self.counts[base] = self.counts.get(base, 0) + 1
        name = base if number == 1 else f"{base}{number}"
        while name in self.values or name in self.reserved:
            number = self.counts[base] = number + 1
            name = f"{base}{number}"
        self._tell_apart(name, span)
        return name

    def _placed(self, path: str, span: Span) -> None:
        """Record what stands against a path: a step that is where it needs a container, or the reverse."""
        if "." in path and self.positional:
            outer = path.rpartition(".")[0]
            help_ = f"a step of a chain has a name in one part: nest a list, `- {outer}: [...]`"
            self.binder.add("AS106", f"`{path}` is a path, and stands in a chain", span, help_)
            return
        if "." in path and step_name_fault(path) is not None:
            return
        for outer in containers(path):
            known = self._tell_apart(outer, span)
            self.containers.setdefault(known, {}).setdefault(path[len(outer) + 1 :].partition(".")[0], span)
            if outer in self.spelt or (outer in self.values and outer != "input"):
                self._both(outer, path, span, self.named[outer.lower()][1])
        if path in self.containers:
            inner = f"{path}.{next(iter(self.containers[path]))}"
            self._both(path, inner, span, next(iter(self.containers[path].values())))

    def _both(self, step: str, inner: str, span: Span, other: Span) -> None:
        """Record that a name is that of a step and of what holds others."""
        message = f"`{step}` is a step, and the container of `{inner}`"
        help_ = f"rename one of them; what follows in one line may be a chain: `- {step}: [...]`"
        self.binder.add("AS107", message, span, help_, [Related("the other is here", other)])

    def check_containers(self) -> None:
        """Record what a container holds that is neither all names nor all numbers from 0 without a gap."""
        for outer, held in self.containers.items():
            numbers = {int(part) for part in held if part.isdigit()}
            if numbers and len(numbers) < len(held):
                word = next(part for part in held if not part.isdigit())
                message = f"`{outer}` holds numbered steps, and `{outer}.{word}`"
                self.binder.add("AS107", message, held[word], f"number all steps of `{outer}` or name them all")
            elif numbers and (gap := min({*range(len(numbers) + 1)} - numbers)) < max(numbers):
                behind = min(number for number in numbers if number > gap)
                message = f"`{outer}.{behind}` is there, and `{outer}.{gap}` is not"
                help_ = f"count from 0 without a gap; a place without a layer is `- {outer}.{gap}: identity`"
                self.binder.add("AS114", message, held[str(behind)], help_)

    def _tell_apart(self, name: str, span: Span) -> str:
        """Record a name that another has but for its case; what was named first."""
        other, place = self.named.setdefault(name.lower(), (name, span))
        if other != name:
            message = f"`{other}` and `{name}` are modules of one block, and differ only in case"
            self.binder.add("AS113", message, span, "rename one of them", [Related(f"`{other}` is here", place)])
        return other

    def fail(self, name: str) -> None:
        """Go on after a mistake, with a value of unknown shape."""
        self.values[name] = None
        self.current = name
        self.broken = True

    def append(
        self,
        name: str,
        target: Op | Block | Chain,
        sources: tuple[str, ...],
        span: Span,
        symbols: dict[str, Symbol] | None = None,
        when: Expr | None = None,
        role: Role = "body",
        present: bool = True,
        given: Given | None = None,
        starts: Starts = (),
    ) -> None:
        """Append a call; its shape follows from the target. `given` are the arguments of an operation, for their places."""
        shapes = tuple([s for source in sources if (s := self.values[source]) is not None])
        if len(shapes) < len(sources):
            self.fail(name)
            if present and isinstance(target, Op):
                self.values[name] = (
                    typed(target.fixed_shape) if target.fixed_shape else None
                )  # which no input decides
            return
        if self.binder.mistaken:
            blocks = [run.block for run in target.runs] if isinstance(target, Chain) else [target]
            self.mistaken = self.mistaken or any(id(block) in self.binder.mistaken for block in blocks)
        # calls that blocks have in common which differ elsewhere are made once; what a call holds is told by its identity
        key = name, id(target), sources, shapes, id(span), id(symbols or None), present, role, name in self.spelt
        call = self.binder.calls.get(key) if when is None and not starts else None
        if not present:
            shape = shapes[0]
            self.passed[name] = self.giver(sources[0])
        elif call is not None:
            shape = call.shape
        elif isinstance(target, (Block, Chain)):
            shape = target.shape
        else:
            try:
                shape = self._shape(target, shapes)
            except ShapeError as error:
                constant = next((s for s in sources if s in self.constants), None)
                if error.code == "AS401" and target.is_merge and constant is not None:
                    error.help = self._like_others(constant, sources)
                self.binder.misfit(target.kind, given or Given({}, {}, span), error)
                self.fail(name)
                return
        if present and self.constants and not self._takes(target, sources, span):
            self.fail(name)
            return
        if call is None:
            named = name in self.spelt
            call = Call(
                name, target, sources, shapes, shape, span, symbols or {}, when, present, role, named, starts=starts
            )
            if when is None and not starts:
                self.binder.calls[key] = call
        self.calls.append(call)
        self.values[name] = shape
        if isinstance(target, Block) and present:
            made = {call.name: call.shape for call in target.calls}
            self.values |= {f"{name}.{tap}": made[tap] for tap in target.taps}
        passed = bool(sources) and sources[0] in self.constants
        if gives_constant(target, sources, self.constants) if present else passed:
            self.constants.add(name)  # it is there for steps that name it
        else:
            self.current = name

    def _like_others(self, constant: str, sources: tuple[str, ...]) -> str:
        """What makes a value that is the same for every sample fit those that it is put together with."""
        other = next((s for s in sources if s not in self.constants), sources[0])
        shape = ", ".join(map(str, self.values[other] or ()))
        return f"give `{constant}` the shape of `{other}`, [{shape}]; one number for each channel is `shift` or `scale`"

    def give(self, name: str, owner: str) -> str | None:
        """Let the last call have the layers of another; why it cannot, or None."""
        call = self.calls[-1]
        of = next(each for each in self.calls if each.name == owner)
        if (has := tensors(of)) != (own := tensors(call)):
            tensor = next(key for key in own if has.get(key) != own[key])
            return (f"`{owner}` has a `{tensor}` of {show(has.get(tensor, ()))}, and `{name}` would need one of "
                    f"{show(own[tensor])}")  # fmt: skip
        self.calls[-1] = replace(call, owner=of.owner or owner, starts=())
        return None

    def _takes(self, target: Op | Block | Chain, sources: tuple[str, ...], span: Span) -> bool:
        """Whether a call takes those of its inputs that are the same for every sample; it is recorded where not."""
        constant = [source for source in sources if source in self.constants]
        stretches = isinstance(target, Op) and target.takes_constants
        alone = isinstance(target, Op) and target.makes_constant
        if not constant or (len(constant) == len(sources) and keeps_constants(target)):
            return True
        if stretches and (alone or len(constant) < len(sources)):
            return True
        what = f"`{target.kind}`" if isinstance(target, Op) else "a block"
        message = f"`{constant[0]}` is the same for every sample, and {what} takes values of the samples"
        help_ = f"join it with one, as in `{{add: {{}}, from: [{self.current}, {constant[0]}]}}`"
        self.binder.add("AS404", message, span, help_)
        return False

    @staticmethod
    def _shape(op: Op, shapes: tuple[Features, ...]) -> Features:
        fewest, most = type(op).inputs
        if fewest <= len(shapes) <= most:
            return typed(op.output_shape(*shapes))
        if len(shapes) < fewest:
            message = f"`{op.kind}` takes at least {fewest} inputs, not {len(shapes)}"
            raise ShapeError("AS307", message, "list them: `from: [a, b]`")
        limit = "no input" if most == 0 else "one input" if most == 1 else f"at most {most} inputs"
        help_ = "join them first: `- {concat: {}, from: [a, b]}`" if most else "take its `from` out"
        raise ShapeError("AS307", f"`{op.kind}` takes {limit}, not {len(shapes)}", help_)
