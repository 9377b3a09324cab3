"""The data sets that a recipe can name, each read into the same form."""

from __future__ import annotations

from archspec_runtime.data.opening import EMBEDDED, check_folder, open_dataset
from archspec_runtime.data.splits import ArraySplit, Dataset, Listing, Split

__all__ = [
    "EMBEDDED", "ArraySplit", "Dataset", "Listing", "Split", "check_folder", "open_dataset",
]  # fmt: skip
