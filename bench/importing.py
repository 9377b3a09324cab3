"""What `archspec import` makes of torchvision's classifiers: PYTHONPATH=<peers> python bench/importing.py [NAME...].

Each net is a process of its own with a limit of time. A line each goes to bench/results/importing.txt, which keeps those of
nets that are not named.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

TABLE = Path(__file__).parent / "results" / "importing.txt"
LIMIT = 300
QUICKLY = {
    "googlenet": {"init_weights": False},
    "inception_v3": {"init_weights": False},
}
HEAD = "# net | outcome | lines | seconds; a net that is not here was not tried; refusals count"


def one(source: str) -> None:
    """Print the outcome of a net."""
    import archspec

    name, began = source.rpartition(":")[2], time.monotonic()
    size = (3, 299, 299) if name == "inception_v3" else None
    arguments = {"init_weights": False} if name.startswith("vgg") else QUICKLY.get(name, {})
    try:
        found = archspec.import_model(source, size, arguments=arguments)
    except archspec.ModelError as error:
        print(
            f"{source} | refused: {' / '.join(str(error).splitlines()[:3])[:200]} | - | {time.monotonic() - began:.0f}"
        )
    else:
        print(f"{source} | equal | {len(found.spec.splitlines())} | {time.monotonic() - began:.0f}")


def main(names: list[str]) -> None:
    """Try nets, each in a process, and keep the table."""
    before = TABLE.read_text().splitlines()[1:] if TABLE.exists() else []
    lines = {line.partition(" | ")[0]: line for line in before}
    for name in names:
        source = name if ":" in name else f"torchvision:{name}"
        try:
            done = subprocess.run([sys.executable, __file__, "--one", source], capture_output=True, text=True, timeout=LIMIT,
                                  check=False)  # fmt: skip
            said = [line for line in done.stdout.splitlines() if line.startswith(source)]
            last = (done.stderr.strip().splitlines() or ["no word"])[-1][:200]
            lines[source] = said[-1] if said else f"{source} | failed: {last} | - | -"
        except subprocess.TimeoutExpired:
            lines[source] = f"{source} | failed: longer than {LIMIT} s | - | {LIMIT}"
        print(lines[source], flush=True)
        TABLE.write_text("\n".join([HEAD, *(lines[key] for key in sorted(lines))]) + "\n")


if __name__ == "__main__":
    one(sys.argv[2]) if sys.argv[1:2] == ["--one"] else main(sys.argv[1:])
