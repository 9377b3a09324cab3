"""Words of Flax for the tensors of its layers, where the spec has another, and how a model's own tensors keep clear of them.

A module that has a tensor of its own, which the spec calls `scale`, keeps it as `scale_`: a `scale` is a layer's `weight`.

Nothing here imports archspec.
"""

from __future__ import annotations

WORDS = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}


def word_of_spec(word: str) -> str:
    """The spec's word for the last one of a path in a model."""
    if word in WORDS:
        return WORDS[word]
    return word[:-1] if word.endswith("_") and word.rstrip("_") in WORDS else word


def attribute_of_tensor(name: str) -> str:
    """The attribute under which a module keeps a tensor of its own."""
    return f"{name}_" if name.rstrip("_") in WORDS else name
