"""The photos that the data benchmarks read: a folder or a tar of JPEGs."""

from __future__ import annotations

import tarfile
from pathlib import Path


def photographs(source: Path) -> list[bytes]:
    """The bytes of all JPEGs of a folder or a tar, in the order of their names."""
    if source.is_dir():
        return [p.read_bytes() for p in sorted(source.rglob("*")) if p.suffix.lower() in (".jpg", ".jpeg")]
    with tarfile.open(source) as archive:
        members = sorted((m for m in archive if m.name.lower().endswith((".jpg", ".jpeg"))), key=lambda m: m.name)
        return [archive.extractfile(member).read() for member in members]  # type: ignore[union-attr]


def as_folder(source: Path, target: Path) -> Path:
    """An image folder with all photos for training, in ten classes."""
    for number, raw in enumerate(photographs(source)):
        for split in ("train", "test"):
            path = target / split / f"class{number % 10}" / f"{number:05}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)
    return target
