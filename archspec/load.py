"""From a path or a zoo name to one document: reading, `extends`, presets and overrides."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as repr_of

from archspec import vocabulary, zoo
from archspec.diagnostics import Diagnostics, Related, Source, Span, did_you_mean
from archspec.language import Spec
from archspec.language.data import Data
from archspec.language.spec import is_other_language, other_version
from archspec.language.train import Train
from archspec.merge import overlay, place
from archspec.misspelt import mend_keys
from archspec.ops.fields import describe
from archspec.reader import MAX_DEPTH, Node, bounded, node_of, read_file
from archspec.typos import respelling

_SET = "set a key or an argument of the spec: `archspec show SPEC --resolved` prints them"
MAX_TOLD = 200  # characters of a value that a message repeats
FILE_NAME = "file name"
"""The origin of the name of a net that has that of its file."""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A spec's whole document before it is validated, and what was asked of it.

    `others` are the documents that it would be with presets that change more than arguments, and were not asked for.
    """

    root: Node
    name: str
    preset: str | None
    others: tuple[Node, ...] = ()


def load_document(
    spec: str | Path,
    overrides: Mapping[str, object],
    preset: str | None,
    include: Sequence[Path],
    problems: Diagnostics,
) -> Document | None:
    """Read a spec with everything it extends, then apply the preset and the overrides. Mistakes are recorded."""
    path, preset, display = _find(str(spec), preset, problems)
    if path is None:
        return None
    allowed = [path.resolve().parent, zoo.folder().resolve(), *(p.resolve() for p in include)]
    root = _read_chain(path, display, allowed, problems, [])
    if root is None:
        return None
    presets = root.get("presets")
    others = _with_presets(root, presets, preset, problems) if presets else ()
    if preset is not None:
        chosen = presets.get(preset) if presets else None
        if chosen is None:
            known = [k for k, _ in presets.items()] if presets else []
            help_ = did_you_mean(preset, known) or (
                f"there are {', '.join(known)}" if known else "this spec has no presets"
            )
            problems.add(
                "AS108", f"`{display}` has no preset `{preset}`", presets.span if presets else root.span, help_
            )
            return None
        root = _with_preset(root, preset, chosen, problems)
    for key, raw in overrides.items():
        value = raw if isinstance(raw, Node) else node_of(raw, place_of_override(key, raw), "--set")
        root = _override(root, key, value, value.span, problems)
    return Document(root, display, preset, others)


def place_of_override(key: str, raw: object) -> Span:
    """Where an override is written: as it would be on the command line."""
    return raw.span if isinstance(raw, Node) else Span(Source(f"--set {key}={_told(raw)}", "", virtual=True))


def _told(value: object) -> str:
    """A value as it is written behind `--set`, shortened."""
    text = value if isinstance(value, str) else repr_of(bounded(value))
    return text if len(text) <= MAX_TOLD else f"{text[:MAX_TOLD]}..."


def _with_preset(root: Node, name: str, preset: Node, problems: Diagnostics) -> Node:
    for key, value in preset.items():
        marked = Node(value.value, value.span, value.keys, origin=f"preset {name}")
        root = _override(root, key, marked, preset.key_span(key), problems)
    return root


def _with_presets(root: Node, presets: Node, chosen: str | None, problems: Diagnostics) -> tuple[Node, ...]:
    """The spec with each preset of its own file that is not chosen; without those that set nothing but arguments."""
    arguments = {key for key, _ in _entries(root.get("args"))}
    return tuple(
        _with_preset(root, name, preset, problems)
        for name, preset in presets.items()
        if name != chosen
        and presets.key_span(name).source is root.span.source
        and not arguments.issuperset(key for key, _ in preset.items())
    )


def _entries(node: Node | None) -> list[tuple[str, Node]]:
    return node.items() if node is not None else []


def _find(spec: str, preset: str | None, problems: Diagnostics) -> tuple[Path | None, str | None, str]:
    path = Path(spec)
    if os.path.isfile(spec):  # which a name that no file can have is not
        return path, preset, spec
    stem, colon, chosen = spec.partition(":")
    if chosen and preset and (os.path.isfile(stem) or zoo.find(stem)):
        message = f"`{spec}` names the preset `{chosen}`, and the preset `{preset}` is asked for beside it"
        problems.add("AS108", message, _nowhere(spec), "name one of them")
        return None, None, spec
    if colon and not preset and os.path.isfile(stem):
        return Path(stem), chosen, stem
    if found := zoo.find(stem):
        return found, chosen or preset, f"specs/{found.name}"
    beside = next((f"{spec}{suffix}" for suffix in (".yaml", ".yml") if os.path.isfile(f"{spec}{suffix}")), None)
    ours = zoo.find(path.stem) if not os.path.exists(spec) and path.suffix in (".yaml", ".yml") else None
    if beside is not None or ours is not None:
        help_ = (
            f"did you mean `{beside}`?"
            if beside
            else f"the spec of that name that comes with archspec is `{path.stem}`"
        )
        problems.add(
            "AS110", f"there is no file{'' if ours else ' and no zoo spec'} `{spec}`", _nowhere(spec), help_
        )
        return None, None, spec
    if "/" in spec or spec.endswith((".yaml", ".yml")) or os.path.exists(spec):
        return path, preset, spec
    help_ = did_you_mean(stem, zoo.names()) or "see `archspec list`; a file ends in .yaml"
    problems.add("AS110", f"there is no file and no zoo spec `{spec}`", _nowhere(spec), help_)
    return None, None, spec


def _nowhere(spec: str) -> Span:
    return Span(Source(spec, "", virtual=True))


def _read_chain(
    path: Path, display: str, allowed: list[Path], problems: Diagnostics, chain: list[tuple[Path, Span]]
) -> Node | None:
    node = read_file(path, display, problems)
    if node is None:
        return None
    version = node.get("archspec")
    if version is not None and is_other_language(version.value):
        # what else there is to say of it may be right in that language
        message, help_ = other_version(version.value)
        problems.add("AS105", f"`archspec`: {message}", version.span, help_)
        return None
    node = mend_keys(node, Spec, problems)
    if node.get("name") is None and isinstance(node.value, dict):
        # a spec that does not say its name has that of its file, also where the one it extends has another
        name = Node(path.stem, node.span, origin=FILE_NAME)
        node = Node({**node.value, "name": name, "class_name": node.get("class_name") or Node(None, node.span)},
                    node.span, node.keys, node.size)  # fmt: skip
    extends = node.get("extends")
    if extends is None:
        return node
    if not isinstance(extends.value, str):
        problems.add("AS103", "`extends` is the name of a zoo spec or the path of a file", extends.span,
                     "such as `extends: resnet18`, or `extends: base.yaml`")  # fmt: skip
        return None
    base, base_display = _base_path(path, extends.value, display)
    chain = [*chain, (path.resolve(), extends.span)]
    if base is not None and (reason := _closed(base)) is not None:
        message = f"cannot read `{extends.value}`: {reason}"
        problems.add("AS001", message, extends.span, "check the path and its permissions")
        return None
    if base is None or not os.path.isfile(base):
        help_ = did_you_mean(extends.value, zoo.names()) or "a file is given relative to this one and ends in .yaml"
        fix = respelling(extends.span, extends.value, zoo.names())
        problems.add("AS110", f"there is no spec `{extends.value}`", extends.span, help_, fix=fix)
        return None
    resolved = base.resolve()
    if resolved in [p for p, _ in chain]:
        circle = " > ".join([*(p.name for p, _ in chain), resolved.name])
        related = [Related("which is extended here", span) for _, span in chain[-2::-1]]
        problems.add(
            "AS111", f"specs extend each other in a circle: {circle}", extends.span, "take one out", related
        )
        return None
    if len(chain) >= MAX_DEPTH:
        message = f"more than {MAX_DEPTH} specs extend one another"
        problems.add("AS005", message, extends.span, "extend a spec that is nearer to the first of them")
        return None
    if not any(resolved.is_relative_to(root) for root in allowed):
        problems.add("AS112", f"`{extends.value}` is outside the spec's folder", extends.span,
                     "copy it here, or allow its folder with `--include`")  # fmt: skip
        return None
    parent = _read_chain(base, base_display, allowed, problems, chain)
    return None if parent is None else overlay(_without_expectations(parent), node, problems)


def _closed(path: Path) -> str | None:
    """Why it cannot be told whether there is such a file; None where it can."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        return error.strerror
    return None


def _base_path(path: Path, name: str, display: str) -> tuple[Path | None, str]:
    if name.endswith((".yaml", ".yml")):
        return path.parent / name, os.path.normpath(Path(display).parent / name)
    found = zoo.find(name)
    return found, f"specs/{name}.yaml"


def _override(root: Node, key: str, value: Node, span: Span, problems: Diagnostics) -> Node:
    args = root.get("args")
    if args is not None and (default := args.get(key)) is not None:
        if expected := _other_kind(default, value, args):
            help_ = f"such as `{key}={str(default.value).lower() if isinstance(default.value, bool) else default.value}`"
            message = f"`{key}` is {expected}, not {describe(value.plain())}"
            problems.add("AS103", message, span, help_)
            return root
        return _lay(root, place(root, ["args", key], value, span), problems)
    path = key.split(".")
    if len(path) > MAX_DEPTH:
        problems.add("AS005", f"a key of {len(path):,} parts", span, f"a key has at most {MAX_DEPTH}")
        return root
    if path[0] == "stages" and len(path) > 1 and not path[1].isdecimal():
        return _lay(_without_expectations(root), place(Node({}, value.span), path, value, span), problems)
    known = [*Spec.model_fields, *(name for name, _ in _entries(args))]
    if path[0] not in known:
        problems.add("AS109", f"there is no `{key}` to set", span, _to_set(path[0], known, args))
        return root
    if path[0] != "stages" and (lacking := _lacking_item(root, path)):
        where, items = lacking
        help_ = f"its items are counted from 0 to {items - 1}: `{where}.0`" if items else "it is empty"
        problems.add("AS109", f"`{where}` has no item that `{key}` could set", span, help_)
        return root
    if path[0] not in ("expect", "train", "doc", "name"):
        root = _without_expectations(root)
    return _lay(root, place(root, path, value, span), problems)


def _other_kind(default: Node, value: Node, args: Node) -> str | None:
    """What an argument is, where it is given something else: a word or a collection for a number, a number for a flag."""
    if isinstance(value.value, (dict, list)) or value.value is None:
        return "a number" if isinstance(default.value, (int, float)) else "a word"
    if isinstance(default.value, bool):
        return (
            None
            if isinstance(value.value, (bool, str)) and value.value not in ("yes", "no", "on", "off")
            else "true or false"
        )
    if isinstance(default.value, (int, float)):
        is_word = isinstance(value.value, str) and value.value.isidentifier() and args.get(value.value) is None
        return "a number" if is_word or isinstance(value.value, bool) else None
    return None


def recipe_key(word: str) -> str | None:
    """The dotted key of a recipe that a word is, or means: `epochs` is `train.epochs`."""
    rooms = [(where, [f.alias or n for n, f in model.model_fields.items()])
             for model, where in ((Train, "train"), (Data, "train.data"))]  # fmt: skip
    exact = next((f"{where}.{word}" for where, fields in rooms if word in fields), None)
    if exact is not None:
        return exact
    meanings = ((where, vocabulary.key(word, where, fields)) for where, fields in rooms)
    return next((f"{where}.{meaning.word}" for where, meaning in meanings if meaning and meaning.word), None)


def _to_set(word: str, known: Collection[str], args: Node | None) -> str:
    """What to set in place of a key that there is not: one of the recipe, one that is called otherwise, an argument."""
    if (key := recipe_key(word)) is not None:
        return f"write `{key}`"
    in_recipe = vocabulary.key(word, "train", [f.alias or n for n, f in Train.model_fields.items()])
    if in_recipe is not None:
        return in_recipe.help
    meaning = vocabulary.key(word, "", Spec.model_fields)
    near = None if meaning is not None else did_you_mean(word, known)
    arguments = ", ".join(f"`{name}`" for name, _ in _entries(args))
    return (
        meaning.help
        if meaning
        else near or (f"this spec has the arguments {arguments}; {_SET}" if arguments else _SET)
    )


def _lacking_item(root: Node, path: list[str]) -> tuple[str, int] | None:
    """The list on the way of a path that lacks the item which comes next, and how many it has; None where all are there."""
    node: Node | None = root
    for index, part in enumerate(path):
        if node is not None and isinstance(node.value, list):
            if not part.isdecimal() or int(part) >= len(node.value):
                return ".".join(path[:index]), len(node.value)
            node = node.value[int(part)]
        else:
            node = node.get(part) if node is not None else None
    return None


def _lay(root: Node, top: Node, problems: Diagnostics) -> Node:
    """`overlay` for a part that is no file of its own: the whole stays where it stands."""
    return overlay(root, Node(top.value, root.span, top.keys), problems)


def _without_expectations(root: Node) -> Node:
    """A spec whose net is about to be changed: what it states of itself need not hold any more."""
    kept = {key: value for key, value in root.items() if key != "expect"}
    return Node(kept, root.span, root.keys, root.size, root.origin)


def with_recipe(root: Node, problems: Diagnostics) -> Node:
    """Lay the spec's `train` over the recipe that it names."""
    train = root.get("train")
    if train is None or train.get("recipe") is None:
        return root
    merged = _over_recipe(train, problems, ())
    if merged is None:
        # without its recipe the rest of `train` would only look incomplete
        return Node({k: v for k, v in root.items() if k != "train"}, root.span, root.keys, root.size, root.origin)
    return overlay(
        root, Node({"train": merged}, root.span, {"train": root.key_span("train")}), problems, ("recipe",)
    )


def _over_recipe(train: Node, problems: Diagnostics, above: tuple[object, ...]) -> Node | None:
    """A recipe laid over the one that it names, and so on; None where there is no such recipe, which is recorded."""
    recipe = train.get("recipe")
    if recipe is None:
        return train
    name, known = recipe.value, zoo.recipes()
    if name not in known or name in above:
        message = f"there is no recipe `{name}`" if name not in known else f"recipe `{name}` starts from itself"
        help_ = "take `recipe` out of it" if name in above else did_you_mean(str(name), known)
        fix = respelling(recipe.span, str(name), known)
        problems.add("AS601", message, recipe.span, help_ or f"there are {', '.join(known)}", fix=fix)
        return None
    read = read_file(zoo.folder() / "recipes" / f"{name}.yaml", f"specs/recipes/{name}.yaml", problems)
    base = None if read is None else _over_recipe(read, problems, (*above, name))
    if base is None:
        return None
    merged = overlay(base, train, problems, ("train",))
    if isinstance(merged.value, dict):
        for given, other in (("epochs", "steps"), ("steps", "epochs")):
            if train.get(given) is not None and train.get(other) is None:
                merged.value.pop(other, None)
    return merged
