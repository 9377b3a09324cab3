"""What the Flax backend needs, for `archspec doctor`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from archspec.diagnostics import Diagnostic, SpecError

NEEDED, TESTED = "0.12.8", "0.12.8 and jax 0.10.2"
EXTRA = "pip install 'archspec-nn[flax]'"


def examine() -> Iterator[tuple[str, str, bool, str | None]]:
    """Flax, JAX with its devices, and the packages beside them."""
    try:
        import flax
        import jax
    except ImportError as error:
        yield "flax", f"does not import ({error}): `build` writes source, models cannot be made", False, EXTRA
    else:
        recent = is_recent(flax.__version__)
        said = f"{flax.__version__} (needs {NEEDED} or newer, tested with {TESTED})"
        yield "flax", said, recent, None if recent else EXTRA
        devices = ", ".join(f"{device.platform} {device.device_kind}" for device in jax.devices()).replace(
            "cpu cpu", "cpu"
        )
        yield "jax", f"{jax.__version__} on {devices}", True, None
    for package in ("optax", "orbax-checkpoint", "numpy", "safetensors", "ml_dtypes"):
        try:
            yield package, version(package), True, None
        except PackageNotFoundError:
            yield package, "missing", False, EXTRA


def need_flax() -> None:
    """Import Flax. Raises SpecError that says how to get it where that fails, or where it is too old."""
    try:
        import flax.nnx
    except ImportError as error:
        raise SpecError([Diagnostic("AS701", f"Flax does not import: {error}", None, EXTRA)]) from None
    if not is_recent(flax.__version__):
        message = f"Flax {flax.__version__} is too old: {NEEDED} or newer is needed"
        raise SpecError([Diagnostic("AS701", message, None, EXTRA)])


def is_recent(installed: str) -> bool:
    """Whether a version of Flax is one that works."""
    first, second = ([int(part) for part in re.findall(r"\d+", text)[:3]] for text in (installed, NEEDED))
    return first >= second
