"""What to do about weights that do not fit: the shapes tell what happened to them, and names how they are mapped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from archspec.errors import WeightsError
from archspec.ops import Shape
from archspec.weights.pairing import paired
from archspec.weights.renaming import Renaming, rename

OTHER = "give the spec of the net that these weights are of; `archspec convert` renames tensors with --map OLD=NEW"

COUNTER = ".num_batches_tracked"
"""Of batch normalizations: files from before PyTorch 0.4.1 have none, among them many that are still handed out."""

LAYOUTS: dict[str, tuple[Callable[[Shape], Shape], str]] = {
    "(H, W, I, O), as in Flax and TensorFlow": (
        lambda s: (s[3], s[2], s[0], s[1]) if len(s) == 4 else s[::-1],
        "w.transpose(3, 2, 0, 1) of a convolution, w.T of a linear layer",
    ),
    "(O, H, W, I)": (lambda s: (s[0], s[3], s[1], s[2]) if len(s) == 4 else s, "w.transpose(0, 3, 1, 2)"),
}
"""Other layouts of kernels: how a shape is turned into the spec's, and what turns the numbers."""

Shapes = Mapping[str, Shape]


def advice(given: Shapes, expected: Shapes) -> str:
    """What to do about tensors of these names and shapes for a net that expects others."""
    if not given:
        return "it holds no tensors: save the weights again, such as `model.state_dict()`"
    if _fits(given, expected, []):
        return "save the floating-point weights, before they are quantized"
    for seen in (suggestion, _resized, _prefixed, _turned, _by_order, _folded):
        if help_ := seen(given, expected):
            return help_
    return OTHER


def suggestion(given: Shapes, expected: Shapes) -> str | None:
    """The `--map` options under which everything would fit: a prefix that all names share, a module of another name."""
    renamings: list[Renaming] = []
    if prefix := _shared_prefix([*given]):
        renamings.append(Renaming(prefix, ""))
    try:
        shapes = _renamed(given, renamings)
        olds = {_module(name) for name in shapes.keys() - expected.keys()}
        news = {_module(name) for name in _required(expected) - shapes.keys()}
        if len(olds) == len(news) == 1:
            renamings.append(Renaming(olds.pop(), news.pop()))
    except WeightsError:  # it would give one name to two
        return None
    fits = renamings and _fits(given, expected, renamings)
    return f"it would fit with {_options(renamings)}" if fits else None


def _resized(given: Shapes, expected: Shapes) -> str | None:
    """Where only some modules give another number of values, such as a head for other classes."""
    if (modules := _others(given, expected)) is None:
        return None
    return (f"all but {_quoted(modules)} fits: `archspec train --weights` reinitializes it with {_fresh(modules)}; "
            f"to convert or build, give the net of these weights ({_sizes(modules, given, expected)})")  # fmt: skip


def _prefixed(given: Shapes, expected: Shapes) -> str | None:
    """Where all names have a prefix, and without it only some modules give another number of values."""
    prefix = _shared_prefix([*given])
    short = {name.removeprefix(prefix): shape for name, shape in given.items()}
    if not prefix or (modules := _others(short, expected)) is None:
        return None
    sizes, which = _sizes(modules, short, expected), _quoted(modules)
    return (f"without the prefix `{prefix}` all but {which} fits: `archspec convert` takes it away with --map {prefix}=, given "
            f"the net of these weights ({sizes}); `archspec train --weights` of the file that it writes reinitializes {which} "
            f"with {_fresh(modules)}")  # fmt: skip


def _others(given: Shapes, expected: Shapes) -> list[str] | None:
    """The modules that give another number of values, where nothing else differs; None where more does, or nothing."""
    differing = [name for name in expected if given.get(name, expected[name]) != expected[name]]
    known = _required(expected) <= given.keys() <= expected.keys()
    if not known or not all(
        len(given[n]) == len(expected[n]) and given[n][1:] == expected[n][1:] for n in differing
    ):
        return None
    modules = list(dict.fromkeys(name.rpartition(".")[0] for name in differing))
    return modules if 0 < len(modules) <= 3 else None


def _quoted(modules: Iterable[str]) -> str:
    return " and ".join(f"`{module}`" for module in modules)


def _fresh(modules: Iterable[str]) -> str:
    return " ".join(f"--fresh {module}" for module in modules)


def _sizes(modules: Sequence[str], given: Shapes, expected: Shapes) -> str:
    """How the net of these weights is asked for."""
    sizes = {
        given[n][0]
        for n in expected
        if n.rpartition(".")[0] in modules and given.get(n, expected[n]) != expected[n]
    }
    return f"--set classes={sizes.pop()}" if len(sizes) == 1 else "another --spec or --set"


def _turned(given: Shapes, expected: Shapes) -> str | None:
    """Where all kernels have their axes in another order."""
    differing = [name for name in expected if given.get(name, expected[name]) != expected[name]]
    for layout, (turn, how) in LAYOUTS.items():
        if differing and all(len(given[n]) in (2, 4) and turn(given[n]) == expected[n] for n in differing):
            return f"its kernels lie as {layout}: turn them to (O, I, H, W) before they are saved, {how}"
    return None


def _by_order(given: Shapes, expected: Shapes) -> str | None:
    """The `--map` options that fit by the order and the shapes of modules, where all of them find one."""
    needed = {name: shape for name, shape in expected.items() if not name.endswith(COUNTER)}
    for renamings in paired({n: s for n, s in given.items() if not n.endswith(COUNTER)}, needed):
        if _fits(given, expected, renamings):
            return (f"by the order and the shapes of its layers it would fit with {_options(renamings)}; "
                    "compare what the net answers before you rely on it")  # fmt: skip
    return None


def _folded(given: Shapes, expected: Shapes) -> str | None:
    """Where a file has no statistics of normalizations, as an exporter leaves it that makes them part of convolutions."""
    statistics = (".running_mean", ".running_var")
    if not any(name.endswith(statistics) for name in expected) or any(name.endswith(statistics) for name in given):
        return None
    return ("it has no statistics of batch normalizations, which exporters fold into convolutions: give the weights "
            "that it was exported from, or export it in training mode")  # fmt: skip


def _fits(given: Shapes, expected: Shapes, renamings: list[Renaming]) -> bool:
    try:
        shapes = _renamed(given, renamings)
    except WeightsError:
        return False
    return _required(expected) <= shapes.keys() and all(expected.get(name) == s for name, s in shapes.items())


def _options(renamings: Iterable[Renaming]) -> str:
    return " ".join(f"--map '{r}'" if "*" in str(r) else f"--map {r}" for r in renamings)


def _required(expected: Shapes) -> set[str]:
    return {name for name in expected if not name.endswith(COUNTER)}


def _renamed(shapes: Shapes, renamings: list[Renaming]) -> dict[str, Shape]:
    return {new: shapes[old] for old, new in rename(shapes, renamings).items()}


def _module(name: str) -> str:
    """The module of a tensor, as a pattern says it."""
    return name[: name.rindex(".") + 1] if "." in name else name


def _shared_prefix(names: list[str]) -> str:
    """What all names begin with, up to a dot: `module.`, `_orig_mod.`, or both."""
    first, last = min(names, default=""), max(names, default="")
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[: first.rfind(".", 0, same) + 1]
