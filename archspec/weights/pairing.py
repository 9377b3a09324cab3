"""Layers of a file with the net's, by their order and shapes: the patterns that give them the net's names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from archspec.ops import Shape
from archspec.weights.renaming import Renaming

SYNONYMS = {
    "kernel": "weight", "scale": "weight", "gamma": "weight", "w": "weight", "beta": "bias", "b": "bias",
    "mean": "running_mean", "moving_mean": "running_mean", "var": "running_var", "moving_variance": "running_var",
    "moving_var": "running_var",
}  # fmt: skip
"""What others call the parameters of a layer."""

FIRST = ("init", "stem", "embed")
"""Words in the names of what comes before all blocks, where the order of a file is that of the alphabet."""
MOST = 120  # patterns that anybody would want to see

Shapes = Mapping[str, Shape]
Pairs = dict[str, str]


def paired(given: Shapes, expected: Shapes) -> Iterator[list[Renaming]]:
    """Patterns that may fit, the shortest list first; none where some layer finds no other."""
    leaves = [leaf for leaf in dict.fromkeys(name.rpartition(".")[2] for name in given) if leaf in SYNONYMS]
    renamed = {_own(name): shape for name, shape in given.items()}
    if len(renamed) < len(given):
        return
    inner = [Renaming(f"*.{leaf}", f"*.{SYNONYMS[leaf]}") for leaf in leaves]
    names = list(renamed)
    layers = [layer.split(".") for layer in dict.fromkeys(name.rpartition(".")[0] for name in names)]
    order = _guessed(names) if layers == sorted(layers) else names  # JAX sorts the keys of what it has compiled
    pairs = _pairs({name: renamed[name] for name in order}, expected)
    if pairs is None:
        return
    for patterns in (
        _by_container(pairs),
        [Renaming(f"{old}.", f"{new}.") for old, new in pairs.items() if old != new],
    ):
        if patterns is not None and len(patterns) <= MOST:
            yield [*inner, *patterns]


def _own(name: str) -> str:
    layer, dot, leaf = name.rpartition(".")
    return f"{layer}{dot}{SYNONYMS.get(leaf, leaf)}"


def _pairs(given: Shapes, expected: Shapes) -> Pairs | None:
    """The net's layer for each of the file's: the n-th of those with the same parameters."""
    ours, theirs = _layers(expected), _layers(given)
    found: Pairs = {}
    if ours.keys() != theirs.keys() or "" in {layer for layers in theirs.values() for layer in layers}:
        return None
    for parameters, layers in theirs.items():
        if len(layers) != len(ours[parameters]):
            return None
        found |= dict(zip(layers, ours[parameters], strict=True))
    return found


def _layers(shapes: Shapes) -> dict[tuple[tuple[str, Shape], ...], list[str]]:
    """The layers that have the same parameters, in order."""
    parts: dict[str, dict[str, Shape]] = defaultdict(dict)
    for name, shape in shapes.items():
        layer, _, leaf = name.rpartition(".")
        parts[layer][leaf] = shape
    found: dict[tuple[tuple[str, Shape], ...], list[str]] = defaultdict(list)
    for layer, leaves in parts.items():
        found[tuple(sorted(leaves.items()))].append(layer)
    return found


def _guessed(names: list[str]) -> list[str]:
    """Names in the order in which a net has them, where the file has that of the alphabet: by their numbers."""

    def key(name: str) -> list[tuple[int, int, int, str]]:
        words = name.split(".")
        return [_rank(word, nested=depth + 2 < len(words)) for depth, word in enumerate(words[:-1])]

    return sorted(names, key=key)


def _rank(word: str, *, nested: bool) -> tuple[int, int, int, str]:
    """What begins a net, then what is numbered, then what is not; a convolution before the normalization of its number."""
    number = re.search(r"\d+$", word)
    first = 0 if any(part in word.lower() for part in FIRST) else 1 if number else 2
    norm = int("norm" in word.lower() or "bn" in word.lower())
    return first, int(number[0]) if number else 0, norm, word if not nested else re.sub(r"\d+$", "", word)


def _by_container(pairs: Pairs) -> list[Renaming] | None:
    """Blocks by their names, then what is in them by theirs, where all blocks agree on those."""
    blocks: dict[str, list[str]] = defaultdict(list)
    for layer in pairs:
        blocks[layer.rpartition(".")[0]].append(layer)
    patterns: list[Renaming] = []
    inside: dict[str, str] = {}
    for block, layers in blocks.items():
        if not block:
            patterns += [Renaming(f"{layer}.", f"{pairs[layer]}.") for layer in layers if pairs[layer] != layer]
            continue
        ours = _common([pairs[layer] for layer in layers])
        if not ours:
            return None
        if ours != block:
            patterns.append(Renaming(f"{block}.", f"{ours}."))
        for layer in layers:
            old, new = layer.rpartition(".")[2], pairs[layer].removeprefix(f"{ours}.")
            if inside.setdefault(old, new) != new:
                return None
    return [*patterns, *(Renaming(f"*.{old}.", f"*.{new}.") for old, new in inside.items() if old != new)]


def _common(names: list[str]) -> str:
    """The module that holds all of these."""
    words = [name.split(".")[:-1] for name in names]
    shared = next(
        (i for i, column in enumerate(zip(*words, strict=False)) if len(set(column)) > 1), min(map(len, words))
    )
    return ".".join(words[0][:shared])
