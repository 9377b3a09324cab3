"""The mistakes of a run as a page shows them: the error of each class, a matrix of confusions, the worst images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from archspec_runtime.files.conforming import odd
from archspec_runtime.measure.mistakes import FILE, Mistakes, Worst

MATRIX = 20  # classes of which all pairs are shown
ROWS = 20  # classes, or pairs, of more


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows of a run."""

    run: str
    found: Mistakes

    @property
    def classes(self) -> list[tuple[str, int, int, float]]:
        """Name, images, how many are wrong, and the error in percent: the worst classes first, as far as there are images."""
        found = self.found
        rows = [
            (name, images, wrong, 100 * wrong / images)
            for name, images, wrong in zip(found.classes, found.images, found.wrong, strict=True)
            if images
        ]
        return sorted(rows, key=lambda row: -row[3])

    @property
    def matrix(self) -> Sequence[tuple[str, list[tuple[int, float]]]]:
        """For each class how often it was taken for each, with its share of the class; nothing where classes are many."""
        found = self.found
        if len(found.classes) > MATRIX:
            return []
        counts = {(label, guess): count for label, guess, count in found.confused}
        rows = []
        for label, name in enumerate(found.classes):
            all_ = found.images[label]
            row = [all_ - found.wrong[label] if guess == label else counts.get((label, guess), 0)
                   for guess in range(len(found.classes))]  # fmt: skip
            rows.append((name, [(count, count / all_ if all_ else 0.0) for count in row]))
        return rows

    @property
    def pairs(self) -> list[tuple[str, str, int]]:
        """What is most often taken for what."""
        names = self.found.classes
        return [(names[label], names[guess], count) for label, guess, count in self.found.confused[:ROWS]]


def kept_mistakes(folder: Path, run: str) -> Shown | None:
    """What `archspec eval --mistakes` measured of a run; None where nothing was, or where it cannot be read."""
    try:
        raw = json.loads((folder / FILE).read_text(encoding="utf-8"))
        found = Mistakes(**{**raw, "worst": [Worst(**one) for one in raw["worst"]]})
        whole = odd(found) is None and not any(map(odd, found.worst))
        count = len(found.classes)
        labels = [*(label for pair in found.confused for label in pair[:2]), *(w.label for w in found.worst),
                  *(w.guess for w in found.worst)]  # fmt: skip
        fits = count == len(found.images) == len(found.wrong) and all(0 <= label < count for label in labels)
        fits = fits and all(len(pair) == 3 for pair in found.confused)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return Shown(run, found) if whole and fits else None
