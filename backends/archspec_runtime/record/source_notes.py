"""What is said of a run's source wherever the run is shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archspec_runtime.record.identity import digest_of_source, edited, edited_trainer, listed, read_identity


def source_note(folder: Path, run: Mapping[str, Any]) -> str | None:
    """What is to be said of a run's source wherever the run is shown; None where it is what archspec wrote, or nothing says."""
    identity = read_identity(run, folder / "run.json")
    files = [*(["model.py"] if edited(identity) else []), *(["train.py"] if edited_trainer(identity) else [])]
    if files:
        return f"edited {' and '.join(files)}"
    kept = folder / "code" / "model.py"
    trained = run["identity"]["source"]["sha256"] if run.get("identity") else listed(kept)
    there = digest_of_source(kept)
    return "model.py edited since" if None not in (trained, there) and trained != there else None


def shown_name(folder: Path, run: Mapping[str, Any]) -> str:
    """The name of a run's net, and what is to be said of its source."""
    note = source_note(folder, run)
    return f"{run['job']['name']}, {note}" if note else str(run["job"]["name"])
