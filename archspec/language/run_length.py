"""The length of a run, as far as it is known before its images are seen, and when conditions hold in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec_runtime.recipe.data_sets import IMAGES


@dataclass(frozen=True, slots=True)
class Length:
    """So many steps or epochs; `per_epoch`, the steps of an epoch, is None where the data set is not known here."""

    unit: str
    total: int
    per_epoch: int | None = None

    def end(self, condition: dict[str, Any]) -> float | None:
        """When a condition holds, in the unit of the run; None where that shows in the run alone."""
        kind = condition["kind"]
        if kind not in ("step", "epoch"):
            return None
        count: int = condition[kind]
        if kind == self.unit:
            return count
        if self.per_epoch is None:
            return None
        return count * self.per_epoch if kind == "epoch" else count / self.per_epoch

    def __str__(self) -> str:
        return f"{self.unit} {self.total}"


def run_length(steps: int | None, epochs: int | None, dataset: str, holdout: int, batch_size: int) -> Length:
    """How long a run is that has these options; an epoch has whole batches only."""
    images = IMAGES.get(dataset)
    per_epoch = None if images is None else max(1, (images - holdout) // batch_size)
    return Length("step", steps, per_epoch) if steps is not None else Length("epoch", epochs or 1, per_epoch)


def written(condition: dict[str, Any]) -> str:
    """A condition as a spec writes it."""
    match condition["kind"]:
        case "plateau":
            of = "" if condition["metric"] == "val_error" else f" of {condition['metric']}"
            return f"plateau {condition['epochs']}{of}"
        case "measured":
            unit = "%" if condition["metric"].endswith("error") else ""
            return f"{condition['metric']} {condition['relation']} {condition['value']:g}{unit}"
        case kind:
            return f"{kind} {condition[kind]}"
