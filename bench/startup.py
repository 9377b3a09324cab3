"""How long the command line takes before it answers: whole processes, in turn, with compiled modules as installed ones have.

python bench/startup.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pairs import in_turn, line, ratio

MAIN = "import sys; sys.argv[0] = 'archspec'; from archspec_cli.entry import main; main()"


ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def python(code: str, *args: str) -> None:
    command = [sys.executable, "-c", code, *args]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)


def process(*args: str) -> None:
    python(MAIN, *args)


def main() -> None:
    seconds = in_turn(
        {
            "python": lambda: python(""),
            "pydantic, yaml and typer": lambda: python(
                "import pydantic, yaml, typer; pydantic.create_model('M', a=int)"
            ),
            "resnet50": lambda: process("check", "specs/resnet50.yaml"),
            "resnet20": lambda: process("check", "cifar_resnet:resnet20"),
            "resnet1202": lambda: process("check", "cifar_resnet:resnet1202"),
        },
        rounds=15,
    )
    for name in ("python", "pydantic, yaml and typer"):
        line(f"starting {name}", statistics.median(seconds[name]), "s")
    line("archspec check specs/resnet50.yaml", statistics.median(seconds["resnet50"]), "s", "at most 0.30")
    line(
        "check of ResNet-1202 over that of ResNet-20",
        ratio(seconds["resnet1202"], seconds["resnet20"]),
        "",
        "at most 1.1",
    )

    import archspec

    deep = []
    for _ in range(7):
        net = archspec.load("resnet152")  # anew each time: emission after load is what is timed
        start = time.perf_counter()
        archspec.emit(net, "torch")
        deep.append(time.perf_counter() - start)
    line("emission of ResNet-152 after load, first in the process", 1000 * deep[0], "ms")
    line("emission of ResNet-152 after load", 1000 * statistics.median(deep), "ms", "at most 100")
    large()


def large() -> None:
    """Nets whose text grows: values that are joined one after the other, and blocks that differ by their place."""
    import archspec

    for name, text, load_limit, emit_limit in (
        ("a chain of 400 concatenations", concatenations(400), None, 0.5),
        ("10,000 blocks that differ by `index`", places(10_000), 1.5, 3),
    ):
        path = Path(tempfile.mkdtemp()) / "large.yaml"
        path.write_text(text)
        for backend in ("torch", "flax"):
            begun = time.perf_counter()
            net = archspec.load(path)
            loaded = time.perf_counter()
            archspec.emit(net, backend)
            done = time.perf_counter()
            line(f"loading {name}", loaded - begun, "s", f"at most {load_limit}" if load_limit else "")
            line(f"emission of {name}, {backend}", done - loaded, "s", f"at most {emit_limit}")


HEAD = "archspec: 1\nname: large\ninput: {channels: 3, size: 4}\nclasses: 3\n"
END = "head: [global_avg_pool, {fc: {linear: {out: classes}}}]\n"


def concatenations(number: int) -> str:
    """Each convolution is joined to all that came before."""
    steps = ["  - k0: {conv: {out: 4, kernel: 1}}"]
    for i in range(1, number + 1):
        steps.append(f"  - c{i}: {{conv: {{out: 4, kernel: 1}}}}")
        steps.append(f"  - k{i}: {{concat: {{}}, from: [k{i - 1}, c{i}]}}")
    return "\n".join([f"{HEAD}stem:", *steps, END])


def places(number: int) -> str:
    """A stage whose blocks drop their branch the more often, the deeper they stand."""
    steps = "{conv1: {conv: {out: width, kernel: 3}}}, {bn1: norm}, {relu: act}, {conv2: {conv: {out: width, kernel: 3}}}"
    return (
        f"{HEAD}stem: [{{conv: {{out: 4, kernel: 1}}}}]\nshortcut: identity\nblocks:\n  b:\n    args: {{width: int, rate: 0.0}}\n"
        f"    out: width\n    body: [{steps}, {{drop: {{drop_path: {{rate: rate}}}}}}]\n    merge: add\n    after: [act]\n"
        f"stages: [{{name: s, block: b, width: 4, repeat: {number}, rate: index / blocks / 2}}]\n{END}"
    )


if __name__ == "__main__":
    main()
