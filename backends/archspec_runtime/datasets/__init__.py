"""The data sets that a recipe can name, each read into the same form."""

from __future__ import annotations

from .encoded import EncodedSplit
from .listing import Listing
from .opening import EMBEDDED, READERS, check_folder, open_dataset
from .splits import ArraySplit, Dataset, Split

__all__ = [
    "EMBEDDED", "READERS", "ArraySplit", "Dataset", "EncodedSplit", "Listing", "Split", "check_folder", "open_dataset",
]  # fmt: skip
