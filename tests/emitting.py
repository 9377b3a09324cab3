"""What tests of emitted code share: where the golden files are, the rules they keep, and texts that would break out."""

from pathlib import Path
from types import ModuleType

import archspec
from archspec.emission.import_source import LAYERS, MODEL, import_files

GOLDEN = Path(__file__).parent / "golden"
FAMILIES = GOLDEN / "families"  # model files of the zoo by framework
OVERRIDES = {"resnet18-options-c": {"shortcut": "projection_all", "init.zero_last_norm": True}}
SOURCE = (LAYERS, MODEL)
"""The files that say what a net is, of which PyTorch has the latter alone."""
RULES = "E,F,W,I,B,UP,C4,SIM,RUF,PIE,N,D1,ANN,PL,A"


NASTY = [
    '"""',
    "'''",
    "\\",
    "\\N{BULLET}",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "${HOME}",
    "\u2028",
    "#",
    "\x85",
    'r"""',
    '\\"""',
]


def source_in(folder: Path) -> dict[str, str]:
    """The files of a net's source that a folder holds."""
    return {name: path.read_text(encoding="utf-8") for name in SOURCE if (path := folder / name).is_file()}


def update(folder: Path, source: dict[str, str]) -> None:
    """Have a golden folder hold these files of a net's source, and no other ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SOURCE:
        if name in source:
            (folder / name).write_text(source[name], encoding="utf-8")
        else:
            (folder / name).unlink(missing_ok=True)


def imported(net: archspec.Network, backend: str) -> ModuleType:
    """The emitted source of a net, imported."""
    return import_files(archspec.emit(net, backend), f"emitted_for_a_test_{net.fingerprint[:16]}")
