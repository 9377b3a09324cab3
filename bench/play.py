"""How soon the playground answers after a keystroke: what is said beside the text, and the views that can be seen.

python bench/play.py
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

from archspec.loading import zoo
from archspec_play.opened import Opened
from archspec_play.playground import Playground

TIMES = 9
LIMIT = 200.0
VIEWS: dict[str, dict[str, dict[str, Any]]] = {
    "picture, PyTorch": {"picture": {"depth": 2}, "code": {"backend": "torch"}},
    "picture, Flax": {"picture": {"depth": 2}, "code": {"backend": "flax"}},
    "modules, ONNX": {"table": {}, "code": {"backend": "onnx"}},
}


def timed(name: str, preset: str | None, views: dict[str, dict[str, Any]]) -> tuple[float, float]:
    """The median milliseconds of the processor until the problems are told, and until the views are there too."""
    text = (zoo.folder() / f"{name}.yaml").read_text()
    playground = Playground(Opened(name, text), ())
    told, whole = [], []
    for typed in range(TIMES + 1):
        asked = {"page": "bench", "text": text.replace("\n", f" #{typed}\n", 1), "preset": preset}
        begin = time.process_time()
        json.dumps(playground.look(asked))
        told.append(1000 * (time.process_time() - begin))
        json.dumps(playground.look({**asked, "views": views, "views_alone": True}))
        whole.append(1000 * (time.process_time() - begin))
    return statistics.median(told[1:]), statistics.median(whole[1:])


def main() -> None:
    print(f"{'':24} {'problems':>9}  {'  '.join(f'{name:>17}' for name in VIEWS)}   (limit {LIMIT:.0f} ms)")
    for name, preset in (
        ("resnet50", None),
        ("cifar_resnet", "resnet1202"),
        ("inception_v3", None),
        ("efficientnet", "efficientnet_b7"),
        ("densenet", "densenet201"),
    ):
        found = [timed(name, preset, views) for views in VIEWS.values()]
        cells = "  ".join(f"{whole:14.0f} ms" for _, whole in found)
        print(f"{preset or name:24} {found[0][0]:6.0f} ms  {cells}", flush=True)


if __name__ == "__main__":
    main()
