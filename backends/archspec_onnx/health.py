"""What the ONNX backend needs, for `archspec doctor`."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.backends.extras import install_command
from archspec.backends.releases import is_recent
from archspec.diagnostics import Diagnostic, SpecError
from archspec.diagnostics.out_of_memory import is_out_of_memory, remedy

NEEDED, TESTED = "1.17", "1.23"
EXTRA = install_command("onnx")


def examine() -> Iterator[tuple[str, str, bool, str | None]]:
    """The onnx package, and the runtime where there is one."""
    try:
        import onnx
    except ImportError as error:
        yield "onnx", f"does not import ({error}): no ONNX files can be written", False, EXTRA
        return
    recent = is_recent(onnx.__version__, NEEDED)
    said = f"{onnx.__version__} (needs {NEEDED} or newer, tested with {TESTED})"
    yield "onnx", said, recent, None if recent else EXTRA
    try:
        import onnxruntime
    except ImportError:
        yield "onnxruntime", "missing: files can be written, and are run elsewhere", True, None
    else:
        yield "onnxruntime", onnxruntime.__version__, True, None


def need_onnx() -> None:
    """Import onnx. Raises SpecError that says how to get it where that fails, or where it is too old."""
    try:
        import onnx
    except (ImportError, MemoryError) as error:
        mend = remedy() if is_out_of_memory(error) else EXTRA
        why = "out of memory" if is_out_of_memory(error) else error
        raise SpecError([Diagnostic("AS701", f"onnx does not import: {why}", None, mend)]) from None
    if not is_recent(onnx.__version__, NEEDED):
        message = f"onnx {onnx.__version__} is too old: {NEEDED} or newer is needed"
        raise SpecError([Diagnostic("AS701", message, None, EXTRA)])


def need_runtime() -> None:
    """Import ONNX Runtime. Raises SpecError that says how to get it where that fails."""
    try:
        import onnxruntime  # noqa: F401
    except ImportError as error:
        message = f"onnxruntime does not import: {error}"
        raise SpecError([Diagnostic("AS701", message, None, "pip install onnxruntime")]) from None
