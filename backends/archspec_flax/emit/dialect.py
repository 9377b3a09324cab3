"""The way in which Flax's modules are written: what is a layer, and what a function in `__call__`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from archspec.emission.containers import Held, in_order, is_list
from archspec.emission.dataflow import kind_of
from archspec.emission.dialect import Attribute, Dialect
from archspec.emission.initial_values import last_norm
from archspec.emission.outline import BlockClass, Member, Outline
from archspec.emission.sequences import is_numbered
from archspec.emission.source import Expression, Invocation, call, is_literal, number
from archspec.ir import Block, Chain, Run, tapped
from archspec.ir.network import Network
from archspec.ops import Conv
from archspec_flax.emit.functions import ACTIVATIONS, FUNCTIONS, POOLS, activation_options
from archspec_flax.emit.helpers import FUNCTION_NAMES
from archspec_flax.emit.initializers import started
from archspec_flax.emit.layers import LAYERS, STATELESS, draws_nothing
from archspec_flax.emit.rolling import is_rolled
from archspec_flax.tensor_words import attribute_of_tensor

SUPPORTED = frozenset(LAYERS) | frozenset(POOLS) | frozenset(ACTIVATIONS) | frozenset(FUNCTIONS)


class FlaxDialect(Dialect):
    """What keeps something is a layer, the rest is functions; images are (N, H, W, C)."""

    array = "Array"
    module_list = "nnx.List"
    module_dict = "nnx.Dict"
    identity = "nnx.identity"
    inference = "self.deterministic"
    training_state = "self.deterministic = False"
    words = frozenset({"jax", "jnp", "nnx", "max", *FUNCTION_NAMES})
    in_sequence = (
        frozenset(LAYERS)
        | frozenset(POOLS)
        | frozenset(ACTIVATIONS)
        | {"identity", "channels_last", "channels_first"}
    )

    def __init__(self, net: Network, outline: Outline, names: Callable[[str], str]) -> None:
        self.root = outline.root
        self.of = outline.of
        self.init = net.init
        self.names = names
        self.sequence = names("Sequential")
        self.named_sequence = (names("NamedSequential"),)
        self.batch_norm_options: set[str] = set()
        ways = {"conv": net.init.conv, "linear": net.init.linear}
        self.uniform = {kind: how.chosen[0] == "uniform_fan_in" for kind, how in ways.items()}
        self.biased = self.uniform["conv"] or any(
            r.target.bias for r in net.modules() if isinstance(r.target, Conv)
        )
        classes = [*outline.classes, *([outline.root] if outline.root else [])]
        self.zeroed = {
            m for c in classes for m in c.members if net.init.zero_last_norm and m.call.name == last_norm(c)
        }

    def tensor_attribute(self, name: str) -> str:
        """The attribute of a tensor that a module keeps itself: its own word, where a layer's tensor has none like it."""
        return attribute_of_tensor(name)

    def is_kept(self, member: Member) -> bool:
        """A constant scale is an expression, a learned one a layer."""
        kind = kind_of(member)
        return is_literal(member.numbers["learned"], True) if kind == "scale" else kind is None or kind in LAYERS

    def reached(self, path: str) -> str:
        """By index in every container."""
        container, *parts = path.split(".")
        return container + "".join(f"[{part}]" if part.isdigit() else f'["{part}"]' for part in parts)

    def held_type(self, held: Mapping[str, Held]) -> str:
        """That of functions, where layers are of several kinds, whose common type a checker would take."""
        kinds = {self._kind(each) for each in held.values()}
        alike = len(kinds) == 1 and "" not in kinds and not (is_list(held) and None in in_order(held))
        return "" if alike else self._held_type(held)

    def _held_type(self, held: Mapping[str, Held]) -> str:
        types = {self._type(each) for each in held.values()}
        inner = types.pop() if len(types) == 1 else "Any"
        return f"nnx.List[{inner}]" if is_list(held) else f"nnx.Dict[{inner}]"

    def _type(self, held: Held) -> str:
        if not isinstance(held, Member):
            return self._held_type(held)
        return "Any" if tapped(held.call) else "Callable[..., Array]"

    def _kind(self, held: Held) -> str:
        """The class of a layer; nothing where that has no name of its own, or is a container's."""
        if not isinstance(held, Member) or held.when is not None:
            return ""
        target = held.call.target
        if isinstance(target, Block):
            cls = self.of[target]
            numbered = is_numbered(cls.members)
            return cls.name if not cls.definition.positional else "Sequential" if numbered else "NamedSequential"
        return (kind_of(held) or "Sequential") if self.is_kept(held) else ""

    def tapped(self, sequence: str, value: str, names: list[str], numbered: bool) -> Expression:
        """Layers that have no names are called by their places."""
        if numbered:
            return Invocation("tapped", (sequence, value, *names))
        return Invocation("named_tapped", (sequence, value, *(f'"{name}"' for name in names)))

    def layer(self, member: Member, in_place: bool) -> Expression:
        """The constructor of a layer, or a function of one argument."""
        kind = kind_of(member) or ""
        if not self.is_kept(member):
            return self._function(member, kind)
        name, arguments = LAYERS[kind](member)
        if member in self.zeroed:
            arguments = [*arguments, "scale_init=nnx.initializers.zeros"]
        made = self.names(name)
        if member.call.starts:
            uniform = self.uniform.get(kind, False)
            own, arguments = started(member, name, [*arguments], uniform, self.init)
            made = own if uniform else made
        if kind == "conv" and not self.biased and made == self.names(name):
            arguments = [a for a in arguments if a != "use_bias=False"]
        elif kind == "batch_norm":
            self.batch_norm_options |= {str(a).partition("=")[0] for a in arguments[1:]}
        return Invocation(made, tuple(arguments) if kind in STATELESS else (*arguments, "rngs=rngs"))

    def _function(self, member: Member, kind: str) -> Expression:
        """An operation as a function of one argument."""

        def there(name: str) -> str:
            return number(member.numbers[name])

        if kind in ("identity", "channels_last", "channels_first"):  # channels are last anyway
            return self.identity
        if kind in ACTIVATIONS:
            options = activation_options(member, kind, there)
            return Invocation("partial", (ACTIVATIONS[kind], *options)) if options else ACTIVATIONS[kind]
        if kind in POOLS:
            name, (window, *others) = POOLS[kind](member, there)
            window = window if "=" in window else f"window_shape={window}"
            return Invocation("partial", (self.names(name), window, *others))
        return f"lambda x: {self.applied(member, ['x'], there)}"

    def applied(self, member: Member, values: list[str], attribute: Attribute) -> Expression:
        """A function's call, or operators."""
        kind = kind_of(member) or ""
        if kind in ACTIVATIONS:
            return Invocation(ACTIVATIONS[kind], (*values, *activation_options(member, kind, attribute)))
        if kind in POOLS:
            name, arguments = POOLS[kind](member, attribute)
            return Invocation(self.names(name), (*values, *arguments))
        return FUNCTIONS[kind](member, values, attribute)

    def split(self, member: Member, value: str, count: int) -> Expression:
        """Channels are last."""
        return Invocation("jnp.split", (value, str(count), "axis=-1"))

    def remark(self, member: Member) -> str:
        """Of the order of a sum."""
        turned = kind_of(member) == "add" and len(member.call.inputs) == 2
        return "in this order XLA on CPUs fuses the sum into the branch" if turned else ""

    def is_untyped(self, member: Member) -> bool:
        """The poolings of Flax have no annotations."""
        return kind_of(member) in POOLS

    def stretched(self, constant: str, like: str, rank: int) -> Expression:
        """Of all samples."""
        return Invocation("jnp.broadcast_to", (constant, f"({like}.shape[0], *{constant}.shape[-{rank}:])"))

    def image(self, channels: str, height: str, width: str) -> str:
        """Channels last."""
        return f"(N, {height}, {width}, {channels})"

    def rolled(self, run: Run, make: Callable[[str], str], indent: int, head: str) -> str | None:
        """Of many equal blocks, a layer that is given how to make one."""
        if not is_rolled(run):
            return None
        arguments = [make("lambda rngs: "), str(run.count), "rngs=rngs"]
        return call(f"{head}{self.names('Repeated')}", arguments, indent)

    def more_parameters(self, cls: BlockClass) -> list[str]:
        """A class that draws takes streams of random numbers."""
        return ["*", "rngs: nnx.Rngs"] if cls is self.root or self._draws(cls) else []

    def more_arguments(self, cls: BlockClass) -> list[str]:
        """The streams that the class around it has."""
        return ["rngs=rngs"] if self._draws(cls) else []

    def _draws(self, cls: BlockClass) -> bool:
        """Whether anything in a class needs random numbers."""
        for member in cls.members:
            target = member.call.target
            blocks = [r.block for r in target.runs] if isinstance(target, Chain) else [target]
            inner = [b for b in blocks if isinstance(b, Block)]
            if any(self._draws(self.of[b]) for b in inner):
                return True
            if not inner and self.is_kept(member) and not draws_nothing(member):
                return True
        return False
