"""Checkpoints: written aside, flushed and renamed; each with a manifest of checksums; the newest whole one is resumed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import CheckpointError, OtherNetError

FORMAT = 1
KEEP = 2


def save(folder: Path, step: int, fingerprint: str, write: Callable[[Path], None]) -> Path | None:
    """Write a checkpoint of a step through `write`, which puts files into the folder it is given.

    Returns its folder, or None where the disk did not take it: the ones before are left as they are.
    """
    target = place(folder, step)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        for left in target.parent.glob(".step-*"):  # by a process that was killed while it wrote
            shutil.rmtree(left, ignore_errors=True)
        aside.mkdir(parents=True)
        write(aside)
        sums = {path.name: _checksum(path) for path in sorted(aside.iterdir())}
        manifest = {"format": FORMAT, "step": step, "fingerprint": fingerprint, "sha256": sums}
        (aside / "manifest.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        for path in [*aside.iterdir(), aside]:
            _flush(path)
        shutil.rmtree(target, ignore_errors=True)
        os.rename(aside, target)
        _flush(target.parent)
    except OSError as error:
        print(
            f"warning: no checkpoint at step {step}: {error.strerror or error}; the one before stands",
            file=sys.stderr,
        )
        return None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    for old in _all(folder)[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def place(folder: Path, step: int) -> Path:
    """Where a run keeps the checkpoint of a step."""
    return folder / "checkpoints" / f"step-{step:08d}"


def newest(folder: Path, fingerprint: str | None) -> tuple[Path, dict[str, Any]] | None:
    """The newest whole checkpoint of a run and its manifest; damaged ones are said and passed over.

    Raises CheckpointError where there are checkpoints and none can be used, OtherNetError where the newest is of another net.
    """
    faults: list[CheckpointError] = []
    for path in reversed(_all(folder)):
        try:
            return path, verify(path, fingerprint)
        except CheckpointError as error:
            faults.append(error)
            print(f"warning: {error.message}; trying the one before", file=sys.stderr)
    if faults and isinstance(faults[0], OtherNetError):
        raise faults[0]
    if faults:
        raise CheckpointError(
            f"no checkpoint in {folder} can be used", faults[0].hint or "start anew in another --out"
        )
    return None


def verify(path: Path, fingerprint: str | None) -> dict[str, Any]:
    """Check a checkpoint against its manifest, and against the net where a fingerprint is given. Raises CheckpointError."""
    try:
        manifest: dict[str, Any] = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        sums, written, made_for = manifest["sha256"], manifest["format"], manifest["fingerprint"]
        if not isinstance(sums, dict):
            raise TypeError("no checksums")
    except (OSError, ValueError, KeyError, TypeError):
        raise CheckpointError(f"{path} has no readable manifest") from None
    if written != FORMAT:
        raise CheckpointError(
            f"{path} has format {written}, and this version reads {FORMAT}", "install a newer archspec"
        )
    if fingerprint is not None and made_for != fingerprint:
        raise OtherNetError(path)
    for name, checksum in sums.items():
        file = path / Path(name).name
        if not file.is_file():
            raise CheckpointError(f"{file} is missing")
        if _checksum(file) != checksum:
            raise CheckpointError(f"{file} is damaged: its checksum differs")
    return manifest


def _all(folder: Path) -> list[Path]:
    return sorted((folder / "checkpoints").glob("step-*"))


def _checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
