"""What an exported page has of others: Pyodide from npm, and from PyPI the wheels that are made for Pyodide's Python."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PYODIDE = "314.0.7"
ARCHIVE = f"pyodide-{PYODIDE}.tgz"
DIGESTS = {  # the wheel of pydantic-core is for the Python of this Pyodide; the others are what goes with it
    ARCHIVE:
        "66b7949e5a0cba2250b586d7e368bf12fb482800748d182c4618254b685ffaa0",
    "annotated_types-0.8.0-py3-none-any.whl":
        "f072f4d804ea359e4eaf198b1af7a8b0943881a87f31bb764f8bf219bb9419e0",
    "pydantic-2.14.4-py3-none-any.whl":
        "653a2ad9f6d8858529c77c72717d0ea991d6c6837fe683246b2f4b2bbfc3fadc",
    "pydantic_core-2.50.5-cp314-cp314-pyemscripten_2026_0_wasm32.whl":
        "b2910ec0fa5aeb9bef70156f2b79f4783978fdcfaa7b2f1b5d1814458d2e79a1",
    "typing_extensions-4.16.0-py3-none-any.whl":
        "481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8",
    "typing_inspection-0.4.5-py3-none-any.whl":
        "bc210535442b39e1bf2805e0c7a17dfd6a4ace760c84c7f7d16245d23a6b1c39",
}  # fmt: skip
"""The files, each with the SHA-256 of what was published."""
WHEELS = tuple("==".join(name.split("-")[:2]) for name in DIGESTS if name != ARCHIVE)
NPM = ("pack", f"pyodide@{PYODIDE}")
PIP = (
    *("download", "--no-deps", "--only-binary", ":all:", "--platform", "pyemscripten_2026_0_wasm32"),
    *("--implementation", "cp", "--python-version", "3.14", "--abi", "cp314", *WHEELS),
)
SECONDS = 600
"""How long a download may take."""


class PartsError(Exception):
    """A part cannot be had, or is not the one that is known; `help` says what to do."""

    exit_code = 1

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.help = help


def gathered(folder: Path | None) -> dict[str, bytes]:
    """The parts by the names of their files: from a folder, or fetched where none is given. Raises PartsError."""
    if folder is not None:
        return _read(folder)
    with tempfile.TemporaryDirectory(prefix="archspec-") as place:
        npm = shutil.which("npm")
        if npm is None:
            raise PartsError("Pyodide comes from npm, and there is no `npm` here", _elsewhere("install Node"))
        if importlib.util.find_spec("pip") is None:
            raise PartsError(
                "wheels for Pyodide come by pip, which is not installed here", _elsewhere("install pip")
            )
        _run([npm, *NPM, "--silent", "--fetch-retries", "1"], "npm", place)
        _run([sys.executable, "-m", "pip", *PIP, "--quiet", "--retries", "1"], "pip", place)
        return _read(Path(place))


def _run(command: list[str], name: str, place: str) -> None:
    try:
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, errors="replace", timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise PartsError(f"{name} has fetched nothing for {SECONDS} seconds", _elsewhere("try again")) from None
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if "error" in line.lower()]
        why = lines[-1] if lines else f"it ended with {done.returncode}"
        raise PartsError(f"{name} cannot fetch what the page needs: {why}", _elsewhere("try again with a network"))


def _read(folder: Path) -> dict[str, bytes]:
    lacking = [name for name in DIGESTS if not (folder / name).is_file()]
    if lacking:
        raise PartsError(f"{folder} lacks {', '.join(lacking)}", _elsewhere())
    found = {name: (folder / name).read_bytes() for name in DIGESTS}
    for name, content in found.items():
        if (digest := hashlib.sha256(content).hexdigest()) != DIGESTS[name]:
            raise PartsError(
                f"{folder / name} is not the file that was published: its SHA-256 is {digest}", _elsewhere()
            )
    return found


def _elsewhere(first: str = "") -> str:
    commands = f"`npm {' '.join(NPM)}` and `pip {' '.join(PIP)}`"
    return f"{f'{first}, or ' if first else ''}run {commands} in a folder where there is a network, and give it as --parts"
