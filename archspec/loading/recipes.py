"""Training recipes: a spec's `train` is laid over the recipe that it names."""

from __future__ import annotations

from archspec.diagnostics import Diagnostics
from archspec.diagnostics.fixes import respelling
from archspec.diagnostics.spelling import did_you_mean
from archspec.loading import zoo
from archspec.loading.overlay import overlay
from archspec.syntax.reader import Node, read_file


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
