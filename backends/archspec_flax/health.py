"""What the Flax backend needs, for `archspec doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from archspec.backends.extras import install_command
from archspec.backends.releases import is_recent
from archspec.diagnostics import Diagnostic, SpecError
from archspec.diagnostics.out_of_memory import is_out_of_memory, remedy
from archspec_runtime.processes.platforms import share_gpu

TITLES = {"jax": "JAX", "flax": "Flax"}  # JAX first: Flax does not import with one that is too old
NEEDED = {"jax": "0.10.0", "flax": "0.12.8"}
TESTED = {"jax": "0.10.2", "flax": "0.12.8"}
EXTRA = install_command("flax")
BROKEN = (ImportError, AttributeError, RuntimeError, MemoryError)
"""What importing raises where a package is missing, or where Flax, JAX and jaxlib are not made for each other."""


def examine() -> Iterator[tuple[str, str, bool, str | None]]:
    """JAX with its devices, Flax, and the packages beside them."""
    for name in TITLES:
        try:
            installed, recent = _imported(name)
        except BROKEN as error:
            yield (
                name,
                f"does not import ({_line(error)}): `build` writes source, models cannot be made",
                False,
                remedy() if is_out_of_memory(error) else EXTRA,
            )
            continue
        said = f"{installed} (needs {NEEDED[name]} or newer, tested with {TESTED[name]})"
        yield name, said, recent, None if recent else EXTRA
        if name == "jax":
            yield _devices()
    for package in ("optax", "orbax-checkpoint", "numpy", "safetensors", "ml_dtypes"):
        try:
            yield package, version(package), True, None
        except PackageNotFoundError:
            yield package, "missing", False, EXTRA


def _devices() -> tuple[str, str, bool, str | None]:
    import jax

    share_gpu()
    try:
        found = [f"{device.platform} {device.device_kind}" for device in jax.devices()]
    except RuntimeError as error:  # a platform that was asked for and is not there
        return "devices of jax", _line(error), False, "unset JAX_PLATFORMS, or make it cpu"
    return "devices of jax", ", ".join(found).replace("cpu cpu", "cpu"), True, None


def need_flax() -> None:
    """Import JAX and Flax. Raises SpecError that says how to get them where that fails, or where one is too old."""
    for name, title in TITLES.items():
        try:
            installed, recent = _imported(name)
        except BROKEN as error:
            mend = remedy() if is_out_of_memory(error) else EXTRA
            raise _unusable(f"{title} does not import: {_line(error)}", mend) from None
        if not recent:
            raise _unusable(f"{title} {installed} is too old: {NEEDED[name]} or newer is needed")


def _imported(name: str) -> tuple[str, bool]:
    """The version of a package, and whether it is recent enough to be imported as a whole, which it then is."""
    installed = str(import_module(name).__version__)
    recent = is_recent(installed, NEEDED[name])
    if recent and name == "flax":
        import_module("flax.nnx")
    return installed, recent


def _line(error: Exception) -> str:
    text = str(error).partition("\n")[0]
    return f"out of memory{f' ({text})' if text else ''}" if is_out_of_memory(error) else text


def _unusable(message: str, mend: str = EXTRA) -> SpecError:
    return SpecError([Diagnostic("AS701", message, None, mend)])
