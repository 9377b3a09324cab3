"""What the PyTorch backend needs, for `archspec doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from archspec.backends.extras import install_command
from archspec.backends.releases import is_recent
from archspec.diagnostics import Diagnostic, SpecError
from archspec.diagnostics.out_of_memory import is_out_of_memory, remedy

NEEDED, TESTED = "2.6", "2.13"
EXTRA = install_command("torch")
BROKEN = (ImportError, OSError, MemoryError)
"""What importing raises where PyTorch is missing, or a library of CUDA's that it was built with."""


def examine() -> Iterator[tuple[str, str, bool, str | None]]:
    """PyTorch with its devices, and the packages of the trainer."""
    try:
        import torch
    except BROKEN as error:
        mend = remedy() if is_out_of_memory(error) else EXTRA
        yield "torch", f"does not import ({_why(error)}): `build` works, `train` does not", False, mend
    else:
        recent = is_recent(torch.__version__, NEEDED)
        said = f"{torch.__version__} (needs {NEEDED} or newer, tested with {TESTED})"
        yield "torch", said, recent, None if recent else EXTRA
        devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        threads = f"cpu with {torch.get_num_threads()} threads"
        yield (
            "devices",
            ", ".join([threads, *devices, *(["mps"] if torch.backends.mps.is_available() else [])]),
            True,
            None,
        )
    for package in ("numpy", "safetensors", "ml_dtypes", "matplotlib", "pillow", "scikit-learn"):
        try:
            yield package, version(package), True, None
        except PackageNotFoundError:
            yield package, "missing", False, EXTRA


def need_torch() -> ModuleType:
    """PyTorch. Raises SpecError that says how to get it where it does not import, or is too old."""
    try:
        import torch
    except BROKEN as error:
        mend = remedy() if is_out_of_memory(error) else EXTRA
        raise SpecError([Diagnostic("AS701", f"PyTorch does not import: {_why(error)}", None, mend)]) from None
    if not is_recent(torch.__version__, NEEDED):
        message = f"PyTorch {torch.__version__} is too old: {NEEDED} or newer is needed"
        raise SpecError([Diagnostic("AS701", message, None, EXTRA)])
    return torch


def _why(error: BaseException) -> str:
    text = next(iter(str(error).splitlines()), "")
    return f"out of memory{f' ({text})' if text else ''}" if is_out_of_memory(error) else text
