"""The optional libraries that make pixels of files, and what is done where they are not installed."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from archspec_runtime.errors import RunError
from archspec_runtime.recipe.images import Data

PACKAGES = {"cv2": "opencv-python-headless", "cykooz.resizer": "cykooz-resizer"}
"""What to install for a module of another name."""


@cache
def optional(name: str) -> ModuleType | None:
    """A library that makes reading faster, where it is installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


def needed(name: str) -> ModuleType:
    """A library that a recipe asks for. Raises RunError where it is not installed."""
    module = optional(name)
    if module is None:
        message = f"`data.antialias: false` resizes by {name}, which is not installed"
        raise RunError(message, f"pip install {PACKAGES.get(name, name)}")
    return module


def libraries(data: Data) -> dict[str, str]:
    """The libraries that make pixels of a recipe's files here, with their versions: part of the record of a run."""
    used = {"pillow": "PIL", "simplejpeg": "simplejpeg"}
    if not data.antialias:
        used["opencv-python-headless"] = "cv2"
    elif data.resizer == "fastest":
        used["cykooz-resizer"] = "cykooz_resizer"
    return {name: _version(name, module) for name, module in used.items() if optional(module) is not None}


def _version(name: str, module: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # another distribution of the same library
        return str(getattr(optional(module), "__version__", "unknown"))
