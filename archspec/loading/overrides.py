"""Overrides of a document: arguments and dotted keys, as `--set`, `set=` and presets give them."""

from __future__ import annotations

from collections.abc import Collection
from reprlib import repr as repr_of

from archspec.diagnostics import Diagnostics, Source, Span
from archspec.diagnostics.fixes import respelling
from archspec.diagnostics.spelling import did_you_mean
from archspec.language import Spec, synonyms
from archspec.language.data import Data
from archspec.language.recipe import Train
from archspec.loading.overlay import overlay, place
from archspec.ops.arguments import describe
from archspec.syntax.nodes import MAX_DEPTH, Node
from archspec.syntax.scalars import bounded

_SET = "set a key or an argument of the spec: `archspec show SPEC --resolved` prints them"
MAX_TOLD = 200  # characters of a value that a message repeats


def place_of_override(key: str, raw: object) -> Span:
    """Where an override is written: as it would be on the command line."""
    return raw.span if isinstance(raw, Node) else Span(Source(f"--set {key}={_told(raw)}", "", virtual=True))


def _told(value: object) -> str:
    """A value as it is written behind `--set`, shortened."""
    text = value if isinstance(value, str) else repr_of(bounded(value))
    return text if len(text) <= MAX_TOLD else f"{text[:MAX_TOLD]}..."


def override(root: Node, key: str, value: Node, span: Span, problems: Diagnostics) -> Node:
    """A document with a value at a key, or for an argument, that `span` asks for; as it was where that is a mistake."""
    args = root.get("args")
    if args is not None and (default := args.get(key)) is not None and not _is_of_key(root, key, value):
        if expected := _other_kind(default, value, args):
            plain = default.plain()
            help_ = f"such as `{key}={str(plain).lower() if isinstance(plain, bool) else plain}`"
            message = f"`{key}` is {expected}, not {describe(value.plain())}"
            problems.add("AS103", message, span, help_)
            return root
        return _lay(root, place(root, ["args", key], value, span), problems)
    path = key.split(".")
    if len(path) > MAX_DEPTH:
        problems.add("AS005", f"a key of {len(path):,} parts", span, f"a key has at most {MAX_DEPTH}")
        return root
    if path[0] == "stages" and len(path) > 1 and not path[1].isdecimal():
        return _lay(without_expectations(root), place(Node({}, value.span), path, value, span), problems)
    known = [*Spec.model_fields, *(name for name, _ in (args.items() if args else ()))]
    if path[0] not in known:
        help_ = _to_set(path[0], known, args)
        fix = respelling(span, path[0], known) if "did you mean" in help_ else None
        problems.add("AS109", f"there is no `{key}` to set", span, help_, fix=fix)
        return root
    if path[0] != "stages" and (lacking := _lacking_item(root, path)):
        where, items = lacking
        help_ = f"its items are counted from 0 to {items - 1}: `{where}.0`" if items else "it is empty"
        problems.add("AS109", f"`{where}` has no item that `{key}` could set", span, help_)
        return root
    if path[0] not in ("expect", "train", "doc", "name"):
        root = without_expectations(root)
    return _lay(root, place(root, path, value, span), problems)


def _is_of_key(root: Node, key: str, value: Node) -> bool:
    """Whether a value is for the key that an argument of its name stands for: `shortcut: $shortcut` takes a mapping, too."""
    place = root.get(key)
    return isinstance(value.value, dict) and place is not None and place.value == f"${key}"


def _other_kind(default: Node, value: Node, args: Node) -> str | None:
    """What an argument is, where it is given something else: a word or a collection for a number, a number for a flag."""
    if isinstance(default.value, list):
        return None if isinstance(value.value, list) else "a list"
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
    meanings = ((where, synonyms.key(word, where, fields)) for where, fields in rooms)
    return next((f"{where}.{meaning.word}" for where, meaning in meanings if meaning and meaning.word), None)


def _to_set(word: str, known: Collection[str], args: Node | None) -> str:
    """What to set in place of a key that there is not: one of the recipe, one that is called otherwise, an argument."""
    if (key := recipe_key(word)) is not None:
        return f"write `{key}`"
    in_recipe = synonyms.key(word, "train", [f.alias or n for n, f in Train.model_fields.items()])
    if in_recipe is not None:
        return in_recipe.help
    meaning = synonyms.key(word, "", Spec.model_fields)
    near = None if meaning is not None else did_you_mean(word, known)
    arguments = ", ".join(f"`{name}`" for name, _ in (args.items() if args else ()))
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


def without_expectations(root: Node) -> Node:
    """A spec whose net is about to be changed: what it states of itself need not hold any more."""
    kept = {key: value for key, value in root.items() if key != "expect"}
    return Node(kept, root.span, root.keys, root.size, root.origin)
