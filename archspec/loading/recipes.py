"""Training recipes: a spec's `train` is laid over the recipe that it names."""

from __future__ import annotations

import os
from pathlib import Path

from archspec.diagnostics import Diagnostics
from archspec.diagnostics.fixes import respelling
from archspec.diagnostics.spelling import did_you_mean
from archspec.loading import zoo
from archspec.loading.overlay import overlay
from archspec.syntax.drafts import is_file
from archspec.syntax.nodes import Node
from archspec.syntax.reader import read_file


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
    if isinstance(name, str) and name.endswith((".yaml", ".yml")):
        return _over_file(train, recipe, name, problems, above)
    if name not in known or name in above:
        message = f"there is no recipe `{name}`" if name not in known else f"recipe `{name}` starts from itself"
        help_ = "take `recipe` out of it" if name in above else did_you_mean(str(name), known)
        fix = respelling(recipe.span, str(name), known)
        problems.add("AS601", message, recipe.span, help_ or f"there are {', '.join(known)}", fix=fix)
        return None
    read = read_file(zoo.folder() / "recipes" / f"{name}.yaml", f"specs/recipes/{name}.yaml", problems)
    base = None if read is None else _over_recipe(read, problems, (*above, name))
    return None if base is None else _over(base, train, problems)


def _over_file(
    train: Node, recipe: Node, name: str, problems: Diagnostics, above: tuple[object, ...]
) -> Node | None:
    """A recipe laid over that of a file, which is given relative to the file that names it."""
    source = recipe.span.source
    folder = Path() if source.virtual else Path(source.name).parent
    path = folder / name.replace("\0", "?")  # which no file's name has
    resolved = path.resolve()
    if resolved in above:
        message = f"recipe `{name}` starts from itself"
        problems.add("AS601", message, recipe.span, "take `recipe` out of it")
        return None
    if not resolved.is_relative_to(folder.resolve()):
        problems.add(
            "AS112", f"`{name}` is outside the folder of the file that names it", recipe.span, "copy it here"
        )
        return None
    if not is_file(path):
        here = [p.name for p in folder.glob("*.y*ml")] if folder.is_dir() else []
        help_ = did_you_mean(name.removeprefix("./"), here) or "give its path relative to this file"
        problems.add("AS601", f"there is no recipe `{path}`", recipe.span, help_)
        return None
    read = read_file(path, os.path.normpath(path), problems)
    if read is not None and (keys := [key for key, _ in read.items() if key in ("archspec", "train", "stages")]):
        help_ = "a recipe has the keys that stand below `train`; a spec is extended with `extends`"
        problems.add("AS601", f"`{name}` is a spec, and no recipe", read.key_span(keys[0]), help_)
        return None
    base = None if read is None else _over_recipe(read, problems, (*above, resolved))
    return None if base is None else _over(base, train, problems)


def _over(base: Node, train: Node, problems: Diagnostics) -> Node:
    """A recipe laid over another, of whose length it may say its own."""
    merged = overlay(base, train, problems, ("train",))
    if isinstance(merged.value, dict):
        for given, other in (("epochs", "steps"), ("steps", "epochs")):
            if train.get(given) is not None and train.get(other) is None:
                merged.value.pop(other, None)
    return merged
