"""Facts of a net beside its `train.py`: what archspec counted of it, and the fingerprint that a checkpoint must fit.

They are data that `archspec build` writes as `net.json`: who edits `train.py` has no numbers to keep right.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Job

FILE = "net.json"
NUMBERS = ("macs", "params", "kept", "slots", "frozen")


def with_net_facts(job: Job, text: str, where: object = FILE) -> Job:
    """A stated job with its facts. Raises RunError for a text that is no `net.json`."""
    try:
        found: Mapping[str, Any] = json.loads(text)
        numbers = {name: found[name] for name in NUMBERS if name != "frozen" or name in found}
        if not all(type(number) is int and number >= 0 for number in numbers.values()):
            raise TypeError
        outputs = tuple(map(str, found.get("outputs", ())))
        return replace(job, fingerprint=str(found["fingerprint"]), outputs=outputs, **numbers)
    except (ValueError, LookupError, TypeError):
        raise RunError(f"{where} does not say what archspec counted of the net", _anew(), 2) from None


def beside(make_model: Callable[..., Any], job: Job) -> Job:
    """The job of a `train.py` with the facts beside the model, unless it states them. Raises RunError."""
    if job.fingerprint:
        return job
    path = Path(inspect.getfile(make_model)).with_name(FILE)
    try:
        return with_net_facts(job, path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeError) as error:
        why = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise RunError(f"{path} {why}: it says what archspec counted of the net", _anew(), 2) from None


def _anew() -> str:
    return "take it from the folder that model.py is of; `archspec build spec.yaml --backend torch|flax --out NEW` writes it anew"
