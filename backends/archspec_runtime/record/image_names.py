"""The names of a run's images, kept so that a resumed run can say which were added and removed."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from archspec_runtime.data.splits import Dataset

FILE = "images.txt.gz"
MOST = 200_000  # images of which names are kept; of more, classes alone are told apart
SHOWN = 5


def keep_names(folder: Path, dataset: Dataset) -> None:
    """Write the names of all images into the folder of a run, unless there are too many. Raises OSError."""
    names = _names(dataset)
    (folder / FILE).unlink(missing_ok=True)
    if names:
        text = "".join(f"{split}/{name}\n" for split, name in names)
        (folder / FILE).write_bytes(gzip.compress(text.encode("utf-8", "surrogateescape"), 1, mtime=0))


def name_changes(folder: Path, dataset: Dataset) -> Iterator[str]:
    """Which images were added and which removed since the names were kept; nothing where none were."""
    with suppress(OSError, EOFError):
        text = gzip.decompress((folder / FILE).read_bytes()).decode("utf-8", "surrogateescape")
        before, now = text.splitlines(), [f"{split}/{name}" for split, name in _names(dataset)]
        for what, some, others in (("added", now, set(before)), ("removed", before, set(now))):
            if found := [name for name in some if name not in others]:
                more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
                yield f"{what}: {', '.join(found[:SHOWN])}{more}"


def _names(dataset: Dataset) -> list[tuple[str, str]]:
    """The split and the name of each image, those that were held out among those to train on; none where they have no names."""
    held = "val" if "val" in dataset.listings else "train"
    splits = {"train": (dataset.train, "train"), "test": (dataset.test, "test"), "val": (dataset.validation, held)}
    found = [(split.names, place) for split, place in splits.values() if split is not None]
    if sum(len(names) for names, _ in found if names is not None) > MOST:
        return []
    named = [(place, names[index]) for names, place in found if names is not None for index in range(len(names))]
    return sorted((place, name.replace("\n", " ").replace("\r", " ")) for place, name in named)
