"""How soon a spec answers after a keystroke, and how that grows: completion, hover and hints; mistakes apart.

python bench/service.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from archspec.loading import zoo
from archspec.service.completion import complete
from archspec.service.document import Document, Workspace
from archspec.service.hints import hints
from archspec.service.hover import hover

TIMES = 7
RESNET1202 = "archspec: 1\nextends: cifar_resnet\nargs: {n: 200}\n"


def timed(document: Document, answer: Callable[[Document, int], object]) -> float:
    """The median milliseconds of the processor of an answer after a letter was typed or taken back at the end of the text."""
    found = []
    for typed in range(TIMES + 1):
        text = document.text.text
        document.replace(text[:-1] if typed % 2 else f"{text}#")
        begin = time.process_time()
        answer(document, len(text) - 1)
        found.append(1000 * (time.process_time() - begin))
    return statistics.median(found[1:])


ANSWERS: dict[str, Callable[[Document, int], object]] = {
    "completion": complete,
    "hover": lambda document, offset: hover(document, document.text.text.find("stages") + 1),
    "hints": lambda document, offset: hints(document),
    "mistakes": lambda document, offset: document.diagnostics(),
}


def row(name: str, text: str) -> None:
    document = Workspace().open(Path("bench.yaml"), text)
    told = [f"{timed(document, answer):6.1f} ms" for answer in ANSWERS.values()]
    print(f"{name:26} {len(text.splitlines()):5} lines  {'  '.join(told)}", flush=True)


def grown(steps: int) -> str:
    """A net of so many steps, each written on a line of its own."""
    layers = "".join(f"  - conv{n}: {{conv: {{out: 16, kernel: 3}}}}\n" for n in range(steps))
    head = "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"
    return f"archspec: 1\ninput: {{size: 32}}\nclasses: 10\nstem:\n{layers}{head}"


def main() -> None:
    print(f"{'':26} {'':11}  {'  '.join(f'{name:>9}' for name in ANSWERS)}")
    row("ResNet-1202", RESNET1202)
    row(
        "ResNet-1202, whole file", (zoo.folder() / "cifar_resnet.yaml").read_text().replace("{n: 3,", "{n: 200,", 1)
    )
    largest = sorted(zoo.folder().glob("*.yaml"), key=lambda path: path.stat().st_size)[-1]
    row(f"{largest.stem}, the longest", largest.read_text())
    row("efficientnet, the dearest", (zoo.folder() / "efficientnet.yaml").read_text())
    for steps in (100, 200, 400, 800):
        row(f"{steps} steps", grown(steps))


if __name__ == "__main__":
    main()
