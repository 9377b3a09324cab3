"""How long the command line takes before it answers: whole processes, in turn, with compiled modules as installed ones have.

python bench/startup.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from pairs import in_turn, line, ratio

MAIN = "import sys; sys.argv[0] = 'archspec'; from archspec_cli.main import main; main()"


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
    line("archspec check specs/resnet50.yaml", statistics.median(seconds["resnet50"]), "s", "at most 0.35")
    line(
        "check of ResNet-1202 over that of ResNet-20",
        ratio(seconds["resnet1202"], seconds["resnet20"]),
        "",
        "at most 1.5",
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


if __name__ == "__main__":
    main()
