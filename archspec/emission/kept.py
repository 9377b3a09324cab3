"""The numbers that a class keeps for its forward pass: parameters under their own names, what is computed from them under one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from archspec.emission.source import number
from archspec.syntax.expressions import Name, Symbol, names, render
from archspec.syntax.simplify import size


@dataclass(slots=True)
class Kept:
    """The attributes of one class."""

    layers: Collection[str]  # names that attributes have already
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def statements(self) -> list[str]:
        """The lines of a constructor that set them."""
        return [f"self.{name} = {text}" for name, text in self.texts.items()]

    def keeps(self, text: str) -> bool:
        """Whether a text of `expression` is an attribute that keeps what is computed from several parameters."""
        return text.removeprefix("self.") in self.texts and " " in self.texts[text.removeprefix("self.")]

    def expression(self, symbol: Symbol, short: int, *wanted: str) -> str:
        """A number as a forward pass writes it: of so few parts, in terms of parameters; else under a name like one wanted."""
        if isinstance(symbol, tuple) or size(symbol) > short or "[" in number(symbol):
            return self._attribute(number(symbol), *wanted)
        own = {name: self._attribute(name, name) for name in sorted(names(symbol))}
        return own[symbol.name] if isinstance(symbol, Name) else render(symbol, own)

    def _attribute(self, text: str, *wanted: str) -> str:
        name = next((known for known, other in self.texts.items() if other == text), None)
        if name is None:
            taken = {*self.layers, *self.texts}
            name = next((w for w in wanted if w not in taken), wanted[-1])
            while name in taken:
                name += "_"
            self.texts[name] = text
        return f"self.{name}"
