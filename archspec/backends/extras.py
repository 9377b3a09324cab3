"""The optional packages, by extra: which are installed, and what each extra is for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from shlex import quote
from typing import Any
from urllib.parse import unquote, urlsplit

from archspec.backends.releases import is_recent

DISTRIBUTION = "archspec-nn"
COLLECTIONS = frozenset({"all", "dev"})  # extras that gather others, or are for those who work on archspec itself

PURPOSES: Mapping[str, str] = {
    "images": "photos are decoded and resized in less time",
    "webdataset": "braces in the names of tars",
    "parquet": "Parquet files as data sets",
    "draw": "`archspec draw` to PNG and PDF",
    "lsp": "`archspec lsp`, for editors",
    "play": "`archspec play`, specs in the browser",
    "import": "`archspec import` of nets of torchvision and timm",
    "docs": "`make docs`, in a checkout",
    "ray": "`sweep --launcher ray`",
    "tensorboard": "`train --log tensorboard`",
    "wandb": "`train --log wandb`",
    "mlflow": "`train --log mlflow`",
}
"""What is lacking without an extra; backends say it of theirs."""

DISTRIBUTIONS: Mapping[str, str] = {"PIL": "pillow", "sklearn": "scikit-learn", "cv2": "opencv-python-headless"}
"""Packages whose name for `import` is not that of their distribution."""

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)[^;]*?(?:>=\s*(?P<least>[\d.]+))?[^;]*;.*extra == ['\"](?P<extra>[\w-]+)"
)


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra with its packages: what is installed as `name version`, and what is not or is too old."""

    name: str
    there: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)

    @property
    def remedy(self) -> str:
        """The command that installs all of it."""
        return install_command(self.name)


def install_command(extra: str) -> str:
    """The command that installs an extra from where this archspec was installed: a checkout, a wheel, or an index."""
    origin = _origin()
    address = str(origin.get("url", ""))
    if not address:
        return f"pip install '{DISTRIBUTION}[{extra}]'"
    path = unquote(urlsplit(address).path) if address.startswith("file:") else ""
    if path and "dir_info" in origin:
        editable = "-e " if origin["dir_info"].get("editable") else ""
        return f"pip install {editable}{quote(f'{path}[{extra}]')}"
    return f"pip install {quote(f'{DISTRIBUTION}[{extra}] @ {address}')}"


def extras_with(module: str) -> list[str]:
    """The extras that bring a package which is not installed, by the name it is imported under."""
    package = DISTRIBUTIONS.get(module, module)
    return [extra.name for extra in extras() if any(lacking.split()[0] == package for lacking in extra.lacking)]


def _origin() -> dict[str, Any]:
    """What the installer recorded of where the distribution came from (PEP 610); nothing where it was an index."""
    try:
        text = distribution(DISTRIBUTION).read_text("direct_url.json")
        found = json.loads(text) if text else {}
    except (PackageNotFoundError, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def extras() -> Iterator[Extra]:
    """The extras as this installation declares them, in its order; none where archspec runs without being installed."""
    found: dict[str, Extra] = {}
    for text in _declared():
        match = _REQUIREMENT.match(text)
        if match is None or match["extra"] in COLLECTIONS:
            continue
        extra = found.setdefault(match["extra"], Extra(match["extra"]))
        try:
            has = version(match["name"])
        except PackageNotFoundError:
            extra.lacking.append(match["name"])
            continue
        if not is_recent(has, match["least"] or ""):
            extra.lacking.append(f"{match['name']} of {match['least']} or newer (there is {has})")
        else:
            extra.there.append(f"{match['name']} {has}")
    yield from found.values()


def _declared() -> list[str]:
    try:
        return requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return []
