"""Data sets by name, and by what reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

HOMES = {
    "cifar10": "cifar",
    "cifar100": "cifar",
    "digits": "digits",
    "image_folder": "folder",
    "parquet": "parquet",
    "synthetic": "synthetic",
    "webdataset": "shards",
}
"""The module of `archspec_runtime.data` in which each of the runtime's stands under its name."""
IMAGES = {"digits": 1_437, "cifar10": 50_000, "cifar100": 50_000, "synthetic": 2_048}
"""How many images are trained on, of data sets that are in memory whole."""


class DataSet(str):
    """The name of a data set that knows how to read it: what `Data.dataset` of a `train.py` is.

    `read` takes a folder, the net's input shape, its number of classes and the recipe's `Data`, and gives a `Raw`. Where a net is
    measured, `read_named` takes the names of the classes that it was trained on as well. In records, and for other processes,
    there is the name alone.
    """

    read: Callable[..., Any]
    read_named: Callable[..., Any] | None

    def __new__(
        cls, name: str, read: Callable[..., Any], *, read_named: Callable[..., Any] | None = None
    ) -> DataSet:
        """A name, and what reads it."""
        made = super().__new__(cls, name)
        made.read, made.read_named = read, read_named
        return made

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)
