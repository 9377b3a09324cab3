"""Results of a model by name: of a single one, the name is empty."""

from __future__ import annotations

from typing import Any


def by_name(result: Any) -> dict[str, Any]:
    """Tensors by the fields of a named tuple, the keys of a dictionary, or where they stand; what is None is left out."""
    if hasattr(result, "_fields"):
        found = dict(zip(result._fields, result, strict=True))
    elif isinstance(result, dict):
        found = {str(key): value for key, value in result.items()}
    elif isinstance(result, (list, tuple)):
        found = {f"out{place or ''}": value for place, value in enumerate(result)}
    else:
        return {"": result}
    return {name: value for name, value in found.items() if value is not None}


def like(result: Any, names: list[str]) -> dict[str, Any]:
    """Results under the names of those of training: a single one is the first of them."""
    found = by_name(result)
    return {names[0]: found[""]} if list(found) == [""] else found


def result_names(program: Any, count: int) -> list[str]:
    """The names of what an exported program gives."""
    from torch.utils._pytree import tree_unflatten

    try:
        found = by_name(tree_unflatten(list(range(count)), program.call_spec.out_spec))
    except (ValueError, TypeError):
        return [""] * count
    flat = all(isinstance(value, int) for value in found.values()) and len(found) == count
    return list(found) if flat else [""] * count
